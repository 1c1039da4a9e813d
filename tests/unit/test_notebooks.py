"""Committed notebooks show what their code gives."""

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from notebooks import executed
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"


def pixels(image: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"), dtype=float)


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_its_outputs_are_those_of_its_code(path):
    """Run `python tests/notebooks.py FILE` after a change that is meant."""
    committed = nbformat.read(path, as_version=4)
    for shown, found in zip(committed.cells, executed(path).cells, strict=True):
        assert [o.output_type for o in shown.get("outputs", [])] == [
            o.output_type for o in found.get("outputs", [])
        ]
        for ours, theirs in zip(found.get("outputs", []), shown.get("outputs", []), strict=True):
            if "data" in ours and "image/png" in ours.data:
                a, b = (pixels(each.data["image/png"]) for each in (ours, theirs))
                assert a.shape == b.shape
                assert np.abs(a - b).mean() < 1  # of 255: letters may differ by a hair
            else:
                assert ours == theirs
