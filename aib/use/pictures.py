"""Pictures that anybody made, as a network takes them: of any size, and never trusted."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from aib.data.images import as_array, scaled
from aib.errors import AibError

# Those that Pillow decodes by itself: for others it starts programs that a picture may abuse.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


def open_picture(path: Path) -> Image.Image:
    """A whole picture in RGB: upright, the first of its frames, white where it is transparent.

    Raises `AibError` for what is no such picture, and for more pixels than Pillow warns of.
    """
    too_large = warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning)
    try:
        with too_large, Image.open(path, formats=FORMATS) as image:
            return in_colour(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise AibError(f"{path}: no such file") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = f"{Image.MAX_IMAGE_PIXELS:,}"
        raise AibError(f"{path}: has more than {limit} pixels; scale it down first") from None
    except Exception as error:  # a malformed picture may raise nearly anything
        if isinstance(error, OSError) and error.errno is not None:  # of the disk
            raise
        known = ", ".join(FORMATS)
        raise AibError(f"{path}: not a whole picture of 8 or 16 bits in {known}") from None


def in_colour(image: Image.Image) -> Image.Image:
    """An image in RGB, white where it is transparent.

    Raises `ValueError` for one of numbers that are not known to go from 0 to 255 or 65,535.
    """
    if image.mode.startswith("I;16"):  # Pillow would clip it to 8 bits, not scale it
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode} has no known range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def as_input(picture: Image.Image, side: int) -> np.ndarray:
    """What the datasets that are scaled do: (3, side, side) uint8, bilinear, aspect not kept."""
    return as_array(scaled(picture, side))
