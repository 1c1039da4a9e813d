"""Which code, which environment: what a record must say about its origin."""

import ast
import functools
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "aib"
TRAINING, PREPARING = "aib.training.run", "aib.data.preparing"
EVALUATION, REPORT = "aib.evaluation.evaluate", "aib.reporting.page"
ENTRIES = {"training": TRAINING, "data": PREPARING, "evaluation": EVALUATION, "report": REPORT}
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pillow")


@functools.cache
def code_hash(entry: str) -> str:
    """12 hex digits over every module of this package that `entry` imports, however deep.

    The hash runs over syntax trees without docstrings, so comments, docstrings and layout do not
    count and any statement does. Of `aib/__init__.py` none counts: it holds names for users, which
    nothing in the package imports.
    """
    digest = hashlib.sha256()
    for name in sorted(import_closure(entry)):
        digest.update(f"{name}\n{_module(name).statements}\n".encode())
    return digest.hexdigest()[:12]


def import_closure(entry: str) -> set[str]:
    """Names of the package's modules that importing `entry` can reach, `entry` included.

    Once a module calls `import_module`, the classes that strings name as "module:class" count too.
    """
    found, waiting, named, dynamic = set(), {entry}, set(), False
    while waiting or (dynamic and named - found):
        name = (waiting or named - found).pop()
        waiting.discard(name)
        module = None if name in found else _module(name)
        if module is None:
            named.discard(name)
            continue
        found.add(name)
        if "." in name:
            waiting.add(name.rsplit(".", 1)[0])
        waiting |= module.imports
        named |= module.named
        dynamic |= module.dynamic
    return found


class _Module(NamedTuple):
    """What one module says."""

    statements: str  # its syntax tree without docstrings, as JSON
    imports: set[str]  # names that may be modules of the package
    named: set[str]  # modules that its strings name as "module:class"
    dynamic: bool  # does it call `import_module`?


@functools.cache  # most modules are in several closures
def _module(name: str) -> _Module | None:
    path = _module_path(name)
    if path is None:
        return None
    tree = ast.parse("" if name == PACKAGE else path.read_text())
    imports, named, dynamic = set(), set(), False
    for node in _running(tree):
        if isinstance(node, ast.Import):
            imports |= {a.name for a in node.names if a.name.split(".")[0] == PACKAGE}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            imports |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
        elif isinstance(node, ast.Attribute) and node.attr == "import_module":
            dynamic = True
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            module, colon, _ = node.value.partition(":")
            named |= {module} if colon and module.startswith(f"{PACKAGE}.") else set()
    return _Module(json.dumps(_plain(_without_docstrings(tree))), imports, named, dynamic)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


def _module_path(name: str) -> Path | None:
    root = Path(__file__).parent.parent
    for path in (
        root / Path(*name.split(".")) / "__init__.py",
        root / f"{'/'.join(name.split('.'))}.py",
    ):
        if path.exists():
            return path
    return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return tree


def _plain(node: Any) -> Any:
    """A syntax tree as plain lists. Empty fields are left out: newer Pythons add some."""
    if isinstance(node, ast.AST):
        fields = [(name, _plain(value)) for name, value in ast.iter_fields(node)]
        return [type(node).__name__, *((n, v) for n, v in fields if v not in (None, []))]
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return node if isinstance(node, str | int | float | bool | None) else repr(node)


def git_state(root: Path) -> dict[str, Any]:
    """Commit and dirty flag; the pipeline's own reports and dvc.lock do not count as dirt.

    Both are None outside a Git checkout.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        dirty = git("status", "--porcelain", "--", ".", ":!reports", ":!dvc.lock") != ""
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def environment() -> dict[str, Any]:
    """Python, libraries, operating system and processor; the device is added by the trainer."""
    return {
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
