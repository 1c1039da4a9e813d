"""A contact sheet: a row of examples for each class, with the outline of the object's mask."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from aib.data.images import as_image
from aib.data.prepared import Split

CELL, GAP, LONGEST = 96, 4, 200  # pixels: side of an image, space between, width of a name
OUTLINE = (255, 0, 128)
FONT_SIZE = 13


def contact_sheet(split: Split, names: list[str], classes: int, examples: int) -> Image.Image:
    """Draw the first `examples` images of each of the first `classes` classes.

    Args:
        split: of a prepared dataset.
        names: of all classes, in the order of the labels.
    """
    font, step = ImageFont.load_default(FONT_SIZE), CELL + GAP
    names = [_shortened(name, font) for name in names[:classes]]
    left = int(max(map(font.getlength, names))) + 3 * GAP
    sheet = Image.new("RGB", (left + step * examples, GAP + step * len(names)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        top = GAP + row * step
        draw.text((GAP, top + CELL // 2), name, "black", font, anchor="lm")
        for column, index in enumerate(np.flatnonzero(split.labels == row)[:examples]):
            mask = None if split.masks is None else split.masks[index]
            sheet.paste(_cell(split.images[index], mask), (left + column * step, top))
    return sheet


def _cell(image: np.ndarray, mask: np.ndarray | None) -> Image.Image:
    """Scale an image (3, S, S) to a cell; small ones keep their pixels visible."""
    fine = Image.Resampling.NEAREST if image.shape[1] <= CELL else Image.Resampling.BILINEAR
    pixels = np.array(as_image(image).resize((CELL, CELL), fine))
    if mask is not None:
        large = Image.fromarray(np.asarray(mask)).resize((CELL, CELL), Image.Resampling.NEAREST)
        pixels[_outline(np.asarray(large) > 0)] = OUTLINE
    return Image.fromarray(pixels)


def _outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask (H, W) with a neighbour outside it, or outside the image."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _shortened(name: str, font: ImageFont.FreeTypeFont) -> str:
    """Cut a name that is too wide."""
    if font.getlength(name) <= LONGEST:
        return name
    while font.getlength(f"{name}…") > LONGEST:
        name = name[:-1]
    return f"{name}…"
