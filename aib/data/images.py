"""One JPEG or PNG image that is not trusted, as an array."""

import io
import warnings
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from aib.data.untrusted import RefusedError

FORMATS = ("JPEG", "PNG")
LARGEST = 1 << 24  # pixels; a file of a few kilobytes can claim gigabytes
LARGEST_FILE = 1 << 26  # bytes; more than so many pixels take, however badly compressed


def read_image(path: PurePosixPath, content: bytes, size: int, resize: bool) -> np.ndarray:
    """Return an image (3, size, size); unless `resize`, another size than that is refused."""
    return as_array(scaled(open_image(path, content, None if resize else size), size))


def open_image(path: PurePosixPath, content: bytes, size: int | None = None) -> Image.Image:
    """Return a whole image in RGB; if `size` is given, only of that size."""
    file = io.BytesIO(content)
    try:
        # What Pillow warns of, a large image above all, is refused below in words of our own.
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=FORMATS) as image:
            # All of this is known from the header, before a pixel is decoded.
            found = f"{image.width}x{image.height} {image.mode}"
            if size is not None and image.size != (size, size):
                raise RefusedError(f"'{path}' is {found}, expected {size}x{size}")
            if image.mode not in ("RGB", "L"):
                raise RefusedError(f"'{path}' is {found}, expected RGB or grey")
            if image.width * image.height > LARGEST:
                raise RefusedError(f"'{path}' is {found}, expected {LARGEST:,} pixels at most")
            return image.convert("RGB")
    except RefusedError:
        raise
    except Exception:  # a malformed image may raise nearly anything
        raise RefusedError(f"'{path}' is not a whole JPEG or PNG image") from None


def scaled(image: Image.Image, size: int) -> Image.Image:
    """Scale to size x size, bilinear, aspect not kept."""
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR)


def as_array(image: Image.Image) -> np.ndarray:
    """Return an RGB image as (3, H, W) uint8."""
    return np.asarray(image).transpose(2, 0, 1)


def as_image(array: np.ndarray) -> Image.Image:
    """Return (3, H, W) uint8 as an RGB image."""
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))
