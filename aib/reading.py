"""Reading back what the pipeline wrote, whatever has become of it since: whole, or one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from textwrap import shorten
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aib import files
from aib.errors import AibError

_form = cache(TypeAdapter)  # made once: thousands of records are read


def read_json(path: Path, shape: Any = Any, remedy: str = "delete it and run again") -> Any:
    """The content of a JSON file, as it is, if it has the form of the type `shape`.

    Raises `AibError` with the path for a file that is missing, broken or of another form.
    """
    with as_written(path, remedy):
        content = files.read_json(path)
        _form(shape).validate_python(content)
    return content


@contextmanager
def as_written(path: Path, remedy: str) -> Iterator[None]:
    """Whatever goes wrong with the content of `path` is one line: it is not what was written.

    Libraries raise errors of any kind for bytes that they do not expect; those of the disk stay.
    """
    try:
        yield
    except (AibError, OSError):
        raise
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise _damaged(path, reason, remedy) from None
    except Exception as error:
        raise _damaged(path, f"{type(error).__name__}: {error}", remedy) from error


def _damaged(path: Path, reason: str, remedy: str) -> AibError:
    return AibError(f"{path}: damaged ({shorten(reason, 150, placeholder=' …')}); {remedy}")
