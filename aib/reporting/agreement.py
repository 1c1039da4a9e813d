"""Do runs give one image the same map? Rank correlation, less that of maps of different images.

What all images share, such as a dark border, makes any two maps of a pair of runs alike; the
difference is what they share of the image. Maps may be high on the object in one run and low on it
in another: as learned such a pair has a negative value, and its size says that they agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import stdtrit
from scipy.stats import rankdata

from aib.evidence import IMAGES
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.statistics import Interval, mean_interval, spread

RUNS = 30  # of an arm, its first seeds: pairs grow with the square of their number


def standard_ranks(maps: np.ndarray) -> np.ndarray:
    """Ranks of the cells of each map, of mean 0 and length 1, (N, cells); NaN for a flat map."""
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return ranks / np.linalg.norm(ranks, axis=1, keepdims=True)


def excess(first: np.ndarray, second: np.ndarray) -> float:
    """Mean rank correlation of maps of the same image less that of different images.

    Takes standard ranks (N, cells) of the same images; images that lie half the set apart stand for
    different ones. NaN where no pair is left, or maps have other sizes.
    """
    if first.shape != second.shape:
        return np.nan
    same = (first * second).sum(axis=1)
    different = (first * np.roll(second, len(second) // 2, axis=0)).sum(axis=1)
    known = np.isfinite(same) & np.isfinite(different)
    return float((same - different)[known].mean()) if known.any() else np.nan


def between(ranks: Sequence[np.ndarray]) -> np.ndarray:
    """`excess` of every pair of runs, (runs, runs); NaN on the diagonal."""
    found = np.full((len(ranks), len(ranks)), np.nan)
    for i, first in enumerate(ranks):
        for j in range(i):
            found[i, j] = found[j, i] = excess(first, ranks[j])
    return found


def over_pairs(pairs: np.ndarray, confidence: float) -> Interval | None:
    """Mean over the pairs of runs, with the jackknife's interval over runs.

    Pairs that share a run are not independent: one run at a time is left out, with all its pairs.
    No limits for fewer than three runs, None without a pair.
    """
    known = np.isfinite(pairs).any(axis=1)
    pairs = pairs[np.ix_(known, known)]
    runs = len(pairs)
    if runs < 2:
        return None
    mean = float(np.nanmean(pairs))
    if runs < 3:
        return Interval(mean, np.nan, np.nan, confidence)
    without = np.array(
        [np.nanmean(np.delete(np.delete(pairs, run, 0), run, 1)) for run in range(runs)]
    )
    error = np.sqrt((runs - 1) / runs * ((without - without.mean()) ** 2).sum())
    half = float(stdtrit(runs - 1, (1 + confidence) / 2) * error)
    return Interval(mean, mean - half, mean + half, confidence)


# ---------------------------------------------------------------- of a study


@dataclass(frozen=True, eq=False)
class Agreement:
    """How alike the maps of a study's runs are on a dataset."""

    cells: list[CellResults]  # with two runs at least
    ranks: dict[str, dict[int, np.ndarray]]  # arm to seed to standard ranks
    untrained: dict[str, np.ndarray]  # what is drawn to `between` of the draws
    confidence: float

    @cached_property
    def seeds(self) -> dict[str, np.ndarray]:
        """`between` of the runs of each arm."""
        return {arm: between(list(ranks.values())) for arm, ranks in self.ranks.items()}

    def same_seed(self, first: str, second: str) -> np.ndarray:
        """`excess` of the runs of two arms from one seed, one a seed that both have."""
        a, b = self.ranks[first], self.ranks[second]
        return np.array([excess(a[seed], b[seed]) for seed in a if seed in b])

    def other_seeds(self, first: str, second: str) -> np.ndarray:
        """`excess` of all runs of two arms from different seeds."""
        a, b = self.ranks[first].items(), self.ranks[second].items()
        return np.array([excess(x, y) for i, x in a for j, y in b if i != j])

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The table: every arm between its seeds, every pair of arms, and untrained networks."""
        own = [(arm, arm, "different", pairs) for arm, pairs in self.seeds.items()]
        drawn = [(name, name, "different", pairs) for name, pairs in self.untrained.items()]
        rows = [
            _row(a, b, seeds, np.isfinite(pairs).sum() // 2)
            | spread("agreement", over_pairs(pairs, self.confidence))
            | spread("size", over_pairs(np.abs(pairs), self.confidence))
            for a, b, seeds, pairs in own + drawn
        ]
        for (first, _), (second, _) in combinations(self.ranks.items(), 2):
            same, other = self.same_seed(first, second), self.other_seeds(first, second)
            same, other = same[np.isfinite(same)], other[np.isfinite(other)]
            if same.size:
                rows.append(
                    _row(first, second, "same", same.size)
                    | spread("agreement", mean_interval(same, self.confidence))
                    | spread("size", mean_interval(np.abs(same), self.confidence))
                )
            if other.size:  # pairs share runs, and nothing here rests on an interval of theirs
                means = {"agreement": other.mean(), "size": np.abs(other).mean()}
                rows.append(_row(first, second, "different", other.size) | means)
        return rows


def _row(first: str, second: str, seeds: str, pairs: int) -> dict[str, Any]:
    return {"first": first, "second": second, "seeds": seeds, "pairs": int(pairs)}


@lru_cache(maxsize=8)
def agreement(results: StudyResults, dataset: str) -> Agreement:
    """How alike the maps are that the runs kept, and those of untrained networks."""
    cells, ranks, drawn = [], {}, {}
    for cell in results.distinct(dataset):
        maps = {
            record.result["seed"]: record.attention[f"{results.split}_mean"][:IMAGES]
            for record in cell.counted[:RUNS]
            if f"{results.split}_mean" in record.attention
        }
        if len(maps) > 1:
            cells.append(cell)
            ranks[cell.arm] = {seed: standard_ranks(each) for seed, each in maps.items()}
        for record in cell.counted[:1]:
            for found in untrained(record):
                drawn.setdefault(found.tobytes(), (cell.arm, found))
    several = len(drawn) > 1  # networks of one shape have the same start weights
    made = {
        "untrained networks" + (f" ({arm})" if several else ""): between(
            [standard_ranks(each) for each in maps]
        )
        for arm, maps in drawn.values()
    }
    return Agreement(cells, ranks, made, results.confidence)


def untrained(record: Record) -> Iterator[np.ndarray]:
    """Maps of untrained networks like the run's, (draws, N, h, w), if an evaluation kept them."""
    for name, found in record.evaluation.items():
        if found["identity"]["parameters"]["kind"] == "sanity":
            arrays = record.evaluation_arrays(name)
            yield from [arrays["untrained"]] if "untrained" in arrays else []
