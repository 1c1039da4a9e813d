"""A notebook run as it stands, cell by cell, in the folder where it lies; no Jupyter is needed.

`python tests/notebooks.py docs/analysing-a-study.ipynb` writes its outputs anew.
"""

import ast
import base64
import contextlib
import copy
import io
import os
import sys
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import pandas
from nbformat import NotebookNode
from nbformat.v4 import new_output


def executed(path: Path) -> NotebookNode:
    """The notebook with the outputs that its code gives now; a cell that fails raises."""
    notebook = copy.deepcopy(nbformat.read(path, as_version=4))
    matplotlib.use("agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    # As in Jupyter; on a terminal its width would decide.
    shown = pandas.option_context("display.width", 80, "display.max_columns", 20)
    with contextlib.chdir(path.parent), shown:
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                cell.outputs = _run(cell.source, names, f"{path.name}, cell {number}")
    nbformat.validate(notebook)
    return notebook


def _run(source: str, names: dict[str, Any], where: str) -> list[NotebookNode]:
    """What a cell prints, what its last expression gives, and the figures that it draws."""
    from matplotlib import pyplot

    tree, value, printed = ast.parse(source), None, io.StringIO()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, where, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), names)
    outputs = []
    if printed.getvalue():
        outputs.append(new_output("stream", name="stdout", text=printed.getvalue()))
    if value is not None:
        outputs.append(new_output("execute_result", data={"text/plain": repr(value)}))
    for number in pyplot.get_fignums():
        stream = io.BytesIO()
        pyplot.figure(number).savefig(stream, format="png", metadata={"Software": None})
        image = base64.b64encode(stream.getvalue()).decode()
        outputs.append(new_output("display_data", data={"image/png": image}))
        pyplot.close(number)
    return outputs


if __name__ == "__main__":
    for name in map(Path, sys.argv[1:]):
        nbformat.write(executed(name), name)
        print(os.fspath(name))
