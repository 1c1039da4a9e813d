"""CUB-200-2011: photographs of birds, each with a split, a class and the bird's box."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from aib.data.examples import Example
from aib.data.images import LARGEST_FILE, as_array, open_image, scaled
from aib.data.untrusted import RefusedError, named_members, reading, tar_members
from aib.params import ArchiveDataset

IMAGES, LABELS, CLASSES = "images.txt", "image_class_labels.txt", "classes.txt"
SPLITS, BOXES = "train_test_split.txt", "bounding_boxes.txt"


class _Box(NamedTuple):
    """Left, top, right and bottom, in pixels of the photograph."""

    left: float
    top: float
    right: float
    bottom: float


class _Entry(NamedTuple):
    """What the tables say of one photograph."""

    split: str
    label: int
    box: _Box


def decode(dataset: ArchiveDataset, paths: list[Path]) -> Iterator[Example]:
    """Decode TOP/images/CLASS/IMAGE; the archive is read twice, as the tables may come last."""
    (archive,) = paths
    with reading(archive, "gzipped tar archive"):
        limit = dataset.unpacked_limit
        tables = named_members(archive, limit, (IMAGES, LABELS, CLASSES, SPLITS, BOXES))
        entries = _entries(tables, dataset)
        for member in tar_members(archive, limit):
            parts = member.path.parts
            if len(parts) != 4 or parts[1] != "images":
                continue
            entry = entries.pop("/".join(parts[2:]), None)
            if entry is None:
                continue  # a file that the archive's own list leaves out
            photograph = open_image(member.path, member.content(LARGEST_FILE))
            image, mask = _prepare(photograph, entry.box, dataset)
            yield Example(entry.split, entry.label, image, mask)
        if entries:
            raise RefusedError(f"lacks {len(entries):,} images that it lists, as '{min(entries)}'")


def _prepare(
    photograph: Image.Image, box: _Box, dataset: ArchiveDataset
) -> tuple[np.ndarray, np.ndarray | None]:
    """Crop by the box, or keep all and turn the box into a mask; then scale to a square."""
    size = dataset.image_size
    if dataset.box == "mask":
        mask = _mask(box, photograph.size, size)
        return as_array(scaled(photograph, size)), mask
    width, height = photograph.size
    left, top, right, bottom = map(round, box)
    inside = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise RefusedError(f"lists the box {tuple(box)} for an image of {width}x{height}")
    return as_array(scaled(photograph.crop(inside), size)), None


def _mask(box: _Box, extent: tuple[int, int], size: int) -> np.ndarray:
    """Mark the pixels (size, size) whose centres, scaled to the photograph, lie in the box."""
    centres = np.arange(size) + 0.5
    columns, rows = centres * extent[0] / size, centres * extent[1] / size
    across = (box.left <= columns) & (columns < box.right)
    down = (box.top <= rows) & (rows < box.bottom)
    if not across.any() or not down.any():
        raise RefusedError(f"lists the box {tuple(box)} for an image of {extent[0]}x{extent[1]}")
    return np.outer(down, across).astype(np.uint8)


# ---------------------------------------------------------------- tables


def _entries(tables: dict[str, bytes], dataset: ArchiveDataset) -> dict[str, _Entry]:
    """Return what the tables say, by the path of the image below images/."""
    names = list(_table(tables, CLASSES, str).values())
    if names != list(dataset.classes):
        raise RefusedError(f"'{CLASSES}' names the classes {names}")
    paths = _table(tables, IMAGES, str)
    labels = _table(tables, LABELS, lambda text: _label(text, len(names)))
    splits = _table(tables, SPLITS, lambda text: {"1": "train", "0": "test"}[text])
    boxes = _table(tables, BOXES, _box)
    if not (paths.keys() == labels.keys() == splits.keys() == boxes.keys()):
        raise RefusedError("has tables that list different images")
    if len(set(paths.values())) < len(paths):
        raise RefusedError(f"'{IMAGES}' lists an image twice")
    return {path: _Entry(splits[key], labels[key], boxes[key]) for key, path in paths.items()}


def _table(tables: dict[str, bytes], name: str, read: Callable) -> dict[str, object]:
    """Read lines of a number and a value, into a dictionary."""
    rows = {}
    for number, line in enumerate(tables[name].decode("utf-8", "replace").splitlines(), 1):
        key, _, text = line.partition(" ")
        try:
            value = read(text.strip())
        except (ValueError, KeyError, TypeError):
            raise RefusedError(f"'{name}', line {number}: cannot be read: {line}") from None
        if key in rows:
            raise RefusedError(f"'{name}', line {number}: number {key} stands twice")
        rows[key] = value
    return rows


def _label(text: str, classes: int) -> int:
    """Return the label, which the file counts from 1."""
    if not 1 <= int(text) <= classes:
        raise RefusedError(f"'{LABELS}' holds the label {text}, expected 1 to {classes}")
    return int(text) - 1


def _box(text: str) -> _Box:
    left, top, width, height = map(float, text.split())
    if not all(map(math.isfinite, (left, top, width, height))) or width <= 0 or height <= 0:
        raise ValueError
    return _Box(left, top, left + width, top + height)
