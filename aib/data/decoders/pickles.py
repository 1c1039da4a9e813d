"""Pickles of Python 2 that hold numbers, strings, containers and uint8 arrays, and call nothing."""

import io
import pickle
import pickletools
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np

from aib.data.untrusted import RefusedError


def unpickle(path: PurePosixPath, content: bytes) -> dict:
    """Return the pickled dictionary, with byte strings for strings and `PickledArray`s."""
    try:
        _check_opcodes(content)
        found = _RestrictedUnpickler(io.BytesIO(content), encoding="bytes").load()
    except RefusedError:
        raise
    except Exception as error:  # a malformed pickle may raise nearly anything
        raise RefusedError(f"'{path}' is not a readable pickle ({error})") from None
    if not isinstance(found, dict):
        raise RefusedError(f"'{path}' holds no dictionary")
    return found


def _check_opcodes(content: bytes) -> None:
    """Refuse what makes the unpickler reserve memory for bytes that are not there."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.proto > 2:
            raise RefusedError(f"holds a pickle with {opcode.name}, which Python 2 did not write")
        if "PUT" in opcode.name and argument > count:
            raise RefusedError(f"holds a pickle that numbers an object {argument:,}")


class PickledArray:
    """The parts of a pickled numpy array. Numpy itself never sees what the pickle says."""

    def __init__(self, *_):
        self.shape, self.type_code, self.order, self.content = (), b"", "C", b""

    def __setstate__(self, state: tuple) -> None:
        _version, self.shape, element_type, fortran_order, self.content = state
        self.type_code = element_type.type_code
        self.order = "F" if fortran_order else "C"
        if not isinstance(self.content, bytes):
            raise TypeError("array without bytes")

    def holds(self, shape: tuple[int, int]) -> bool:
        """Is it what it should be: bytes of this shape, and all of them?"""
        found = (self.type_code, self.shape, len(self.content))
        return found == (b"u1", shape, shape[0] * shape[1])

    def array(self) -> np.ndarray:
        """Return the array, once `holds` has been asked."""
        return np.frombuffer(self.content, np.uint8).reshape(self.shape, order=self.order)


class _PickledType:
    """The code of a pickled numpy element type, such as b"u1"."""

    def __init__(self, type_code: bytes, *_):
        self.type_code = type_code

    def __setstate__(self, state: tuple) -> None:
        """Byte order and the like, which single bytes do not have."""


class _RestrictedUnpickler(pickle.Unpickler):
    """Admit builtin containers, numbers, strings and the parts of arrays; call nothing else."""

    ADMITTED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): PickledArray,
        ("numpy", "ndarray"): PickledArray,
        ("numpy", "dtype"): _PickledType,
    }

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self.ADMITTED:
            raise RefusedError(f"holds a pickle that would call {module}.{name}")
        return self.ADMITTED[module, name]
