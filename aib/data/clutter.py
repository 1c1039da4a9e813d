"""Cluttered digits: a real handwritten digit among shuffled ones, with the digit's mask.

Each image holds one whole digit of the 1,797 that ship inside scikit-learn and several fragments
over a sloping, noisy background. A fragment is such a digit too, cut into squares that are put
together in another order: it has a digit's ink, sizes and colours, and only its shape tells it
from one. All lie at random places, as far apart as there is room, and any of them may be the
digit; so neither the place nor the brightness of a thing shows that it is the one. The label is
the digit, the mask is where it lies.

Every pixel comes from integer arithmetic and every draw from numpy's frozen `RandomState`, so
the bytes are the same on every processor and with every version of numpy.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aib.data.examples import Example
from aib.params import ClutterDataset

GLYPH = HEIGHT, WIDTH = 8, 6  # of a source digit, without the outermost columns, nearly blank
DIGIT_LEVELS = 16  # its largest value
PIECE = 2  # side of the squares that a fragment is cut into
PIECE_ORDER = (5, 7, 11, 0, 2, 6, 9, 4, 10, 1, 8, 3)  # no two neighbours stay neighbours
TRIES = 16  # random places, of which the freest is taken
TEXTURE_KNOTS = 2  # of the background, along each side: it slopes from corner to corner
BACKGROUND_LEVELS = (50, 70)
NOISE = 8  # amplitude of the noise of single pixels
TINT = 8  # how far a colour channel strays from the common brightness
ONE = 64  # unit of the fixed-point interpolation weights
SPLIT_SHARES = {"train": 70, "validation": 10, "test": 20}  # per cent of the source digits


@dataclass(frozen=True)
class ClutterSplit:
    """The images of one split and what they were made of.

    Shapes: images (N, 3, S, S) uint8; labels (N,); masks (N, S, S) uint8 of 0 and 1, and
    fragment_masks alike, where fragments and not the digit lie; digits (N,) and fragments
    (N, distractors), int64 indices into `load_digits`.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    fragment_masks: np.ndarray
    digits: np.ndarray
    fragments: np.ndarray


def generate(dataset: ClutterDataset) -> dict[str, ClutterSplit]:
    """Make the splits "train", "validation" and "test" of a clutter dataset.

    Splits share no source digit, not even in a fragment; within a split the classes, and the
    digits of a class, are equally frequent but for rounding.

    Args:
        dataset: `image_size`, `train`, `validation`, `test` (images), `distractors` (fragments
            an image), `digit_sizes` (height of digits and fragments), `contrast` (their mean
            brightness above the background where they lie), `texture` (amplitude of the
            background's slopes) and `generator_seed` are read.
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
    """Yield the images of all splits, with labels, masks, fragment masks and sources."""
    for split, made in generate(dataset).items():
        for number, label in enumerate(made.labels.tolist()):
            extras = {
                "fragment_masks": made.fragment_masks[number],
                "sources": made.digits[number],
            }
            yield Example(split, label, made.images[number], made.masks[number], extras)


def _source_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the glyphs (1797, 8, 6), 0 to 16, and their labels."""
    # Imported when needed: training reads prepared arrays and should not wait for this.
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    glyphs = images.astype(np.int32).reshape(-1, 8, 8)[:, :, 1 : 1 + WIDTH]
    return glyphs, labels.astype(np.int64)


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
    extents, corners = _places(dataset, count, random)
    level = _draw(random, *BACKGROUND_LEVELS, (count, 3, 1, 1))
    background = level + _texture(count, size, dataset.texture, random)
    canvas, fragment_masks = background, np.zeros((count, size, size), np.uint8)
    for number in range(dataset.distractors):
        pieces = _shuffled(glyphs[fragments[:, number]])
        ink = _ink(pieces, extents[:, number], corners[:, number], size)
        canvas = _paint(canvas, ink, background + _lights(dataset.contrast, count, random))
        fragment_masks |= _mask(ink)
    ink = _ink(glyphs[digits], extents[:, -1], corners[:, -1], size)  # last, so it is whole
    canvas = _paint(canvas, ink, background + _lights(dataset.contrast, count, random))
    images = np.clip(canvas, 0, 255).astype(np.uint8)
    masks = _mask(ink)
    seen = fragment_masks & (1 - masks)
    return ClutterSplit(images, labels[digits], masks, seen, digits, fragments)


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
    """Return grey slopes within ±amplitude plus coloured noise, (count, 3, size, size)."""
    knots = _draw(random, -amplitude, amplitude, (count, 1, TEXTURE_KNOTS, TEXTURE_KNOTS))
    # Pixel centres of the canvas spread over the grid from its first to its last knot.
    centres = (2 * np.arange(size, dtype=np.int32) + 1) * (TEXTURE_KNOTS - 1) * ONE // (2 * size)
    weights = _hat_weights(centres, TEXTURE_KNOTS)
    smooth = weights @ knots @ weights.T // (ONE * ONE)
    return smooth + _draw(random, -NOISE, NOISE, (count, 3, size, size))


def _places(dataset: ClutterDataset, count: int, random) -> tuple[np.ndarray, np.ndarray]:
    """Choose where fragments and, in the last place, the digit lie; none reaches off the canvas.

    Returns extents and upper left corners, both (count, distractors + 1, 2), rows and columns.
    """
    size, places = dataset.image_size, dataset.distractors + 1
    heights = _draw(random, *dataset.digit_sizes, (count, places))
    extents = np.stack([heights, (heights * WIDTH + HEIGHT - 1) // HEIGHT], axis=-1)
    corners = np.empty_like(extents)
    images = np.arange(count)
    for place in range(places):
        extent = extents[:, place, None]
        # Centres anywhere on the canvas, moved inwards where need be: else its edges stay empty.
        tried = _draw(random, 0, size, (count, TRIES, 2)) - extent // 2
        tried = np.clip(tried, 0, size - extent)
        starts = np.maximum(tried[:, :, None], corners[:, None, :place])
        ends = np.minimum((tried + extent)[:, :, None], (corners + extents)[:, None, :place])
        overlap = np.maximum(ends - starts, 0).prod(axis=3).sum(axis=2)
        corners[:, place] = tried[images, overlap.argmin(axis=1)]
    # The first place is freer than the last: the digit gets any of them.
    turn = (_draw(random, 1, places, (count, 1)) + np.arange(places)) % places
    return extents[images[:, None], turn], corners[images[:, None], turn]


def _shuffled(glyphs: np.ndarray) -> np.ndarray:
    """Put the pieces of each glyph (N, 8, 6) together in PIECE_ORDER."""
    rows, columns = HEIGHT // PIECE, WIDTH // PIECE
    grid = glyphs.reshape(-1, rows, PIECE, columns, PIECE).swapaxes(2, 3)
    pieces = grid.reshape(-1, rows * columns, PIECE, PIECE)[:, PIECE_ORDER]
    return pieces.reshape(grid.shape).swapaxes(2, 3).reshape(glyphs.shape)


def _ink(glyphs: np.ndarray, extents: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """Enlarge glyphs bilinearly to their extents and set them on a canvas at their corners.

    Returns the ink (N, size, size), from 0 to ONE * ONE * DIGIT_LEVELS.
    """
    pixels = np.arange(size, dtype=np.int32)
    weights = []
    for axis, knots in enumerate(GLYPH):
        corner, heights = corners[:, axis, None], extents[:, 0, None]
        # The centre of a canvas pixel in source coordinates, where centres have whole numbers.
        centres = (2 * (pixels - corner) + 1) * HEIGHT * ONE // (2 * heights) - ONE // 2
        weights.append(_hat_weights(centres, knots))
    rows, columns = weights
    return rows @ glyphs @ columns.swapaxes(1, 2)


def _hat_weights(centres: np.ndarray, knots: int) -> np.ndarray:
    """Return the bilinear weights (..., knots), 0 to ONE, at fixed-point centres (...)."""
    distance = np.abs(centres[..., None] - np.arange(knots, dtype=np.int32) * ONE)
    return np.maximum(ONE - distance, 0)


def _lights(contrast: int, count: int, random) -> np.ndarray:
    """Return how much brighter than the background each channel is, (count, 3, 1, 1)."""
    return contrast + _draw(random, -TINT, TINT, (count, 3, 1, 1))


def _paint(canvas: np.ndarray, ink: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Blend colours (N, 3, S, S) over the canvas (N, 3, S, S), as opaque as the ink is strong."""
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
