"""Maps against masks, cell by cell: every figure is one number an image.

A cell of a map counts for all pixels that it covers, so masks come as counts of pixels a cell and
nothing is enlarged. Maps are (N, h, w); `inside` and `outside` are pixels of the object and of what
it is told from in each cell, of the same shape.
"""

import numpy as np


def starts(size: int, resolution: int) -> np.ndarray:
    """First row of each of `resolution` cells that cover `size` pixels (nearest neighbour)."""
    return -(-np.arange(resolution) * size // resolution)


def counts(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Sums over the cells of a map: (N, S, S) -> (N, resolution, resolution)."""
    first = starts(pixels.shape[1], resolution)
    return np.add.reduceat(np.add.reduceat(pixels, first, 1, np.float64), first, 2)


def areas(size: int, resolution: int) -> np.ndarray:
    """Pixels of each cell, (resolution, resolution)."""
    sides = np.diff(starts(size, resolution), append=size)
    return np.outer(sides, sides).astype(float)


def pooled(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Means over the cells of a map: (N, S, S) -> (N, resolution, resolution)."""
    return counts(pixels, resolution) / areas(pixels.shape[1], resolution)


def upsample(maps: np.ndarray, size: int) -> np.ndarray:
    """Nearest-neighbour enlargement of square maps: (N, h, w) -> (N, size, size)."""
    index = (np.arange(size) * maps.shape[1]) // size
    return maps[:, index[:, None], index[None, :]]


def centred_gaussian(size: int) -> np.ndarray:
    """The centre-bias control: a Gaussian of standard deviation size/4, (size, size)."""
    axis = np.arange(size) - (size - 1) / 2
    bell = np.exp(-(axis**2) / (2 * (size / 4) ** 2))
    return np.outer(bell, bell)


def auroc(maps: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Probability that a pixel inside scores higher than one outside, ties half."""
    positive, negative, starts, ends = _ranked(maps, inside, outside)
    hits = positive.cumsum(axis=1)
    above = np.take_along_axis(hits - positive, starts, axis=1)
    level = np.take_along_axis(hits, ends, axis=1)
    with np.errstate(invalid="ignore"):
        return (negative * (above + level) / 2).sum(axis=1) / (hits[:, -1] * negative.sum(axis=1))


def average_precision(maps: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Area under the precision-recall steps, pixels of one score at once, as in scikit-learn."""
    positive, negative, _, ends = _ranked(maps, inside, outside)
    hits, misses = (
        np.take_along_axis(x.cumsum(axis=1), ends, axis=1) for x in (positive, negative)
    )
    with np.errstate(invalid="ignore"):
        return (positive * hits / (hits + misses)).sum(axis=1) / positive.sum(axis=1)


def _ranked(
    maps: np.ndarray, inside: np.ndarray, outside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels in and out of each cell, highest score first; first and last cell of its score."""
    scores, positive, negative = (x.reshape(len(maps), -1) for x in (maps, inside, outside))
    order = np.argsort(-scores, axis=1, kind="stable")
    scores, positive, negative = (
        np.take_along_axis(x, order, axis=1) for x in (scores, positive, negative)
    )
    cells = np.arange(scores.shape[1])
    new = np.pad(scores[:, 1:] != scores[:, :-1], ((0, 0), (1, 1)), constant_values=True)
    starts = np.maximum.accumulate(np.where(new[:, :-1], cells, 0), axis=1)
    ends = np.where(new[:, 1:], cells, cells[-1])
    ends = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return positive, negative, starts, ends


def energy(maps: np.ndarray, inside: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Share of the map above its own minimum that lies inside; a flat map has that of the area."""
    above = (maps - maps.min(axis=(1, 2), keepdims=True)).astype(float)
    flat = above.max(axis=(1, 2)) <= 0
    above[flat] = 1.0
    return (above * inside).sum(axis=(1, 2)) / (above * area).sum(axis=(1, 2))


def pointing(maps: np.ndarray, inside: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Probability that a pixel of the highest cell, or of those that tie, lies inside."""
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    return (highest * inside).sum(axis=(1, 2)) / (highest * area).sum(axis=(1, 2))


def grown(masks: np.ndarray, pixels: int) -> np.ndarray:
    """Masks (N, S, S) with everything within so many pixels, in a square."""
    from scipy.ndimage import maximum_filter

    return maximum_filter(masks, size=(1, 2 * pixels + 1, 2 * pixels + 1))


def overlap(maps: np.ndarray, inside: np.ndarray, area: np.ndarray, threshold: float) -> np.ndarray:
    """Intersection over union of the object and the cells that reach the threshold."""
    chosen = maps >= threshold
    hit = (chosen * inside).sum(axis=(1, 2))
    return hit / (inside.sum(axis=(1, 2)) + (chosen * area).sum(axis=(1, 2)) - hit)


def best_threshold(maps: np.ndarray, inside: np.ndarray, area: np.ndarray) -> float:
    """The one of 50 quantiles of all scores that gives the highest mean overlap."""
    tried = np.unique(np.quantile(maps, np.linspace(0, 0.99, 50)))
    return float(max(tried, key=lambda t: overlap(maps, inside, area, t).mean()))
