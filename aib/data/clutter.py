"""Cluttered digits: real handwritten digits among fragments of others, with the digit's mask.

Each image holds one whole digit of the 1,797 that ship inside scikit-learn, at a random place and
scale, over a textured background and among fragments: square pieces of other digits, enlarged and
coloured by the same rule as the digit, so that neither colour nor brightness nor stroke width
tells the digit from the clutter. The label is the digit, the mask is where it lies.

Every pixel comes from integer arithmetic and every draw from numpy's frozen `RandomState`, so
the bytes are the same on every processor and with every version of numpy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aib.data.examples import Example
from aib.params import ClutterDataset

GLYPH = 8  # side of a source digit
DIGIT_LEVELS = 16  # its largest value
TEXTURE_CELLS = 5  # knots of the background texture, along each side
BACKGROUND_LEVELS = (16, 80)
NOISE = 8  # amplitude of the noise of single pixels
TINT = 48  # how far a colour channel strays from the common brightness
ONE = 64  # unit of the fixed-point interpolation weights
SPLIT_SHARES = {"train": 70, "validation": 10, "test": 20}  # per cent of the source digits


@dataclass(frozen=True)
class ClutterSplit:
    """The images of one split and what they were made of.

    Shapes: images (N, 3, S, S) uint8; labels (N,); masks (N, S, S) uint8 of 0 and 1;
    digits (N,) and fragments (N, distractors), indices into `load_digits`.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    digits: np.ndarray
    fragments: np.ndarray


def generate(dataset: ClutterDataset) -> dict[str, ClutterSplit]:
    """Make the splits "train", "validation" and "test" of a clutter dataset.

    Splits share no source digit, not even in a fragment; within a split the classes, and the
    digits of a class, are equally frequent but for rounding.

    Args:
        dataset: `image_size`, `train`, `validation`, `test` (images), `distractors` (fragments
            an image), `contrast` (mean brightness of digit and fragments above the background's
            level), `texture` (amplitude of the background) and `generator_seed` are read.
    """
    glyphs, labels = _source_digits()
    pools = _split_source(labels, np.random.RandomState(dataset.generator_seed))
    splits = {}
    for number, (split, pool) in enumerate(pools.items()):
        # A stream of its own, so that a larger train split leaves the test images as they are.
        random = np.random.RandomState([dataset.generator_seed, number])
        splits[split] = _make_split(dataset, getattr(dataset, split), glyphs, labels, pool, random)
    return splits


def examples(dataset: ClutterDataset) -> Iterator[Example]:
    """Yield the images of all splits, with labels and masks."""
    for split, made in generate(dataset).items():
        for label, image, mask in zip(made.labels.tolist(), made.images, made.masks, strict=True):
            yield Example(split, label, image, mask)


def _source_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the glyphs (1797, 8, 8), 0 to 16, and their labels."""
    # Imported when needed: training reads prepared arrays and should not wait for this.
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images.astype(np.int32).reshape(-1, GLYPH, GLYPH), labels.astype(np.int64)


def _split_source(labels: np.ndarray, random) -> dict[str, np.ndarray]:
    """Deal the source digits out to the splits, class by class, by SPLIT_SHARES."""
    pools = {split: [] for split in SPLIT_SHARES}
    cuts = np.cumsum(list(SPLIT_SHARES.values()))[:-1]
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        for pool, part in zip(
            pools.values(), np.split(members, len(members) * cuts // 100), strict=True
        ):
            pool.append(part)
    return {split: np.concatenate(pool) for split, pool in pools.items()}


def _make_split(dataset: ClutterDataset, count: int, glyphs, labels, pool, random) -> ClutterSplit:
    size = dataset.image_size
    digits = _balanced_choice(count, labels, pool, random)
    fragments = pool[_draw(random, 0, len(pool) - 1, (count, dataset.distractors))]
    level = _draw(random, *BACKGROUND_LEVELS, (count, 3, 1, 1))
    canvas = level + _texture(count, size, dataset.texture, random)
    for sources in fragments.T:
        pieces = _cut_fragments(glyphs[sources], dataset.fragment, random)
        ink = _place(pieces, dataset.fragment, dataset, random)
        canvas = _paint(canvas, ink, _colours(level, dataset.contrast, random))
    ink = _place(glyphs[digits], GLYPH, dataset, random)
    canvas = _paint(canvas, ink, _colours(level, dataset.contrast, random))
    images = np.clip(canvas, 0, 255).astype(np.uint8)
    return ClutterSplit(images, labels[digits], _mask(ink), digits, fragments)


def _balanced_choice(count: int, labels, pool, random) -> np.ndarray:
    """Choose `count` source digits: classes in turn, and within a class its digits in turn."""
    classes = np.unique(labels)
    chosen = np.empty(count, dtype=np.int64)
    for turn, label in enumerate(classes):
        members = random.permutation(pool[labels[pool] == label])
        seats = np.arange(turn, count, len(classes))
        chosen[seats] = members[np.arange(len(seats)) % len(members)]
    return chosen


def _texture(count: int, size: int, amplitude: int, random) -> np.ndarray:
    """Return a smooth coloured pattern within ±amplitude plus noise, (count, 3, size, size)."""
    knots = _draw(random, -amplitude, amplitude, (count, 3, TEXTURE_CELLS, TEXTURE_CELLS))
    # Pixel centres of the canvas spread over the grid from its first to its last knot.
    centres = (2 * np.arange(size, dtype=np.int32) + 1) * (TEXTURE_CELLS - 1) * ONE // (2 * size)
    weights = _hat_weights(centres, TEXTURE_CELLS)
    smooth = weights @ knots @ weights.T // (ONE * ONE)
    return smooth + _draw(random, -NOISE, NOISE, (count, 3, size, size))


def _cut_fragments(glyphs: np.ndarray, side: int, random) -> np.ndarray:
    """Cut a square of `side` pixels out of each glyph and set it into the top left corner."""
    starts = _draw(random, 0, GLYPH - side, (len(glyphs), 2))
    windows = np.lib.stride_tricks.sliding_window_view(glyphs, (side, side), axis=(1, 2))
    pieces = np.zeros_like(glyphs)
    pieces[:, :side, :side] = windows[np.arange(len(glyphs)), starts[:, 0], starts[:, 1]]
    return pieces


def _place(glyphs: np.ndarray, extent: int, dataset, random) -> np.ndarray:
    """Enlarge glyphs bilinearly and set them at random places of a canvas.

    Only the first `extent` rows and columns of a glyph are taken to hold ink; these lie wholly
    on the canvas. Returns the ink (count, size, size), from 0 to ONE * ONE * DIGIT_LEVELS.
    """
    size = dataset.image_size
    scale = _draw(random, *dataset.digit_sizes, (len(glyphs), 1))
    room = size - (scale * extent + GLYPH - 1) // GLYPH
    offsets = _draw(random, 0, 0xFFFF, (2, len(glyphs), 1)) * (room + 1) >> 16
    pixels = np.arange(size, dtype=np.int32)
    # The centre of a canvas pixel in source coordinates, where centres have whole numbers.
    row_centres, column_centres = (
        (2 * (pixels - offset) + 1) * GLYPH * ONE // (2 * scale) - ONE // 2 for offset in offsets
    )
    rows, columns = _hat_weights(row_centres, GLYPH), _hat_weights(column_centres, GLYPH)
    return rows @ glyphs @ columns.swapaxes(1, 2)


def _hat_weights(centres: np.ndarray, knots: int) -> np.ndarray:
    """Return the bilinear weights (..., knots), 0 to ONE, at fixed-point centres (...)."""
    distance = np.abs(centres[..., None] - np.arange(knots, dtype=np.int32) * ONE)
    return np.maximum(ONE - distance, 0)


def _colours(level: np.ndarray, contrast: int, random) -> np.ndarray:
    return np.minimum(level + contrast + _draw(random, -TINT, TINT, level.shape), 255)


def _paint(canvas: np.ndarray, ink: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Blend colours (N, 3, 1, 1) over the canvas (N, 3, S, S), as opaque as the ink is strong."""
    opacity = ink[:, None] // DIGIT_LEVELS
    return canvas + (colours - canvas) * opacity // (ONE * ONE)


def _mask(ink: np.ndarray) -> np.ndarray:
    """Mark the pixels with a quarter of a digit's strongest ink, and their eight neighbours."""
    stroke = 4 * ink >= ink.max(axis=(1, 2), keepdims=True)
    padded = np.pad(stroke, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows.any(axis=(3, 4)).astype(np.uint8)


def _draw(random, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw int32 integers from low to high, both included."""
    return random.randint(low, high + 1, shape, dtype=np.int32)
