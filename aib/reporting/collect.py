"""The records of a study, read and checked before anything is computed from them."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aib.data.prepared import MANIFEST, PreparedData
from aib.data.verifying import verified
from aib.errors import AibError
from aib.files import RESULT
from aib.record import Record, read
from aib.spec.run import RunSpec
from aib.studies.plan import Cell, Plan


@dataclass(frozen=True, eq=False)
class CellResults:
    """One cell of the plan with its records, in the declared order of seeds."""

    cell: Cell
    counted: tuple[Record, ...]  # what means and comparisons use
    collapsed: tuple[Record, ...]  # among the counted or not, as the study declares
    diverged: tuple[Record, ...]
    missing: tuple[RunSpec, ...]
    checkpoint: str  # last, best_validation or best_test: whose figures count

    @property
    def dataset(self) -> str:
        return self.cell.dataset

    @property
    def arm(self) -> str:
        """The arm's name; for an ablation the varied value is part of it."""
        return self.cell.arm

    @property
    def spec(self) -> RunSpec:
        """What all runs of the cell share; only its seed differs from run to run."""
        return self.cell.runs[0]

    @property
    def seeds(self) -> list[int]:
        """Seeds of the counted runs."""
        return [record.result["seed"] for record in self.counted]

    @property
    def model(self) -> str:
        return self.spec.names.model

    def values(self, metric: str) -> np.ndarray:
        """One headline figure a counted run."""
        return np.array([self.headline(record, metric) for record in self.counted])

    def first(self, count: int) -> "CellResults":
        """The cell as it was when so many seeds had been run, in their declared order."""
        cell = replace(self.cell, runs=self.cell.runs[:count])
        seeds = {run.seed for run in cell.runs}
        kinds = {
            kind: tuple(r for r in getattr(self, kind) if r.result["seed"] in seeds)
            for kind in ("counted", "collapsed", "diverged")
        }
        missing = tuple(run for run in self.missing if run.seed in seeds)
        return replace(self, cell=cell, missing=missing, **kinds)

    def headline(self, record: Record, metric: str) -> float:
        """A figure of one run at the study's checkpoint, see `headline`."""
        return headline(record, metric, self.checkpoint)


@dataclass(frozen=True, eq=False)
class StudyResults:
    """All records of a study, cell by cell."""

    plan: Plan
    cells: tuple[CellResults, ...]
    mixed_code: bool
    groups: dict[str, np.ndarray | None]  # of each dataset: the source that a scored image is from
    # Of each dataset: its scored `images` and, if it has them, `masks`, mapped from disk; empty
    # where the prepared data are gone, or are not what the runs saw.
    prepared: dict[str, dict[str, np.ndarray]]

    @property
    def datasets(self) -> tuple[str, ...]:
        return self.plan.study.datasets

    @property
    def confidence(self) -> float:
        return 1 - self.plan.study.alpha

    @property
    def split(self) -> str:
        """The split that is scored: test, or validation in a tuning study."""
        return self.cells[0].spec.evaluation.split

    def cell(self, dataset: str, arm: str) -> CellResults:
        """The cell of that arm on that dataset."""
        return next(c for c in self.cells if (c.dataset, c.arm) == (dataset, arm))

    def arms(self, dataset: str) -> list[CellResults]:
        """The declared arms on a dataset, ablations left out."""
        return [c for c in self.cells if c.dataset == dataset and c.cell.ablation is None]

    def distinct(self, dataset: str) -> list[CellResults]:
        """The arms, then the values of ablations that are not an arm's own."""
        arms = self.arms(dataset)
        own = {arm.spec.key for arm in arms}
        varied = [c for c in self.cells if c.dataset == dataset and c.cell.ablation is not None]
        return arms + [cell for cell in varied if cell.spec.key not in own]

    def ablation(self, dataset: str, name: str) -> list[tuple[Any, CellResults]]:
        """An ablation's values and cells; the study's own value brings all runs of its arm."""
        arm = self.cell(dataset, self.plan.study.ablations[name].arm)
        return [
            (cell.cell.value, arm if cell.spec.key == arm.spec.key else cell)
            for cell in self.cells
            if (cell.dataset, cell.cell.ablation) == (dataset, name)
        ]

    @cached_property
    def runs(self) -> list[tuple[Record, list[CellResults]]]:
        """Every record once, with the cells that it belongs to."""
        found: dict[Path, tuple[Record, list[CellResults]]] = {}
        for cell in self.cells:
            for record in (*cell.counted, *cell.collapsed, *cell.diverged):
                found.setdefault(record.folder, (record, []))[1].append(cell)
        return list(found.values())


def headline(record: Record, metric: str, checkpoint: str) -> float:
    """A figure of the scored split in the run's first evaluation mode, at the study's checkpoint.

    `accuracy` and `error` are in per cent, `cross_entropy` and `rate` in bits. `relevance`, in bits
    too, is that of the kept weights, and a bound (single samples).
    """
    if metric == "relevance":
        return record.result["information"]["relevance"]
    figures = record.result["figures"][checkpoint]
    if figures is None:
        raise AibError(
            f"{record.folder}: has no {checkpoint}, which the study compares at; declare another "
            "'checkpoint'"
        )
    scored = record.result["scored"]
    if metric in ("accuracy", "error"):
        accuracy = 100 * figures[f"{scored}_accuracy"]
        return accuracy if metric == "accuracy" else 100 - accuracy
    return figures[f"{scored}_{metric}"]


def optimism(record: Record) -> float:
    """What choosing the epoch on the test set would add: best minus last accuracy, in points.

    NaN where nothing looked at the test set.
    """
    best, last = (record.result["figures"][choice] for choice in ("best_test", "last"))
    return 100 * (best["test_accuracy"] - last["test_accuracy"]) if best else math.nan


def collect(
    plan: Plan,
    results_root: Path,
    allow_mixed_code: bool = False,
    allow_missing: bool = False,
    elsewhere: Path | None = None,
) -> StudyResults:
    """Read every run of the plan below results_root/runs; refuse what must not be pooled.

    What is not there is looked for below elsewhere/runs, where evidence was unpacked.
    """
    records: dict[Path, Record] = {}
    for cell in plan.cells:
        for place, run in zip(cell.folders, cell.runs, strict=True):
            folder = results_root / "runs" / place
            if place in records:
                continue
            if (folder / RESULT).exists():
                records[place] = _read(folder, cell.key, run.seed)
            elif elsewhere is not None and (elsewhere / "runs" / place / RESULT).exists():
                records[place] = _read(elsewhere / "runs" / place, cell.key, run.seed, packed=True)
    places = list(plan.by_folder)
    missing = [results_root / "runs" / place for place in places if place not in records]
    if missing and not (allow_missing and records):
        raise AibError(
            f"{len(missing)} of the {len(places)} runs of study '{plan.name}' are missing, first "
            f"{missing[0]}; run `snakemake --cores all --config study={plan.name}` to make them"
        )
    codes = Counter(record.result["code_hash"] for record in records.values())
    mixed = not set.intersection(*(set(record.code_hashes) for record in records.values()))
    if mixed and not allow_mixed_code:
        raise AibError(
            f"runs of study '{plan.name}' come from {len(codes)} versions of the code "
            f"({_counts(codes)}); run the pipeline again, let `aib adopt` prove "
            "that they are the same, or report them together with --allow-mixed-code"
        )
    for dataset in plan.study.datasets:
        digests = Counter(
            record.result["data_digest"]
            for record in records.values()
            if record.result["names"]["dataset"] == dataset
        )
        if len(digests) > 1:
            raise AibError(
                f"runs of study '{plan.name}' saw {len(digests)} versions of dataset '{dataset}' "
                f"({_counts(digests)}); delete the older ones and run the pipeline again"
            )
    cells = tuple(_cell(plan, cell, records) for cell in plan.cells)
    split = cells[0].spec.evaluation.split
    digests = {r.result["names"]["dataset"]: r.result["data_digest"] for r in records.values()}
    groups, prepared = {}, {}
    for dataset in plan.study.datasets:
        arrays = _prepared(results_root / "data" / dataset, split, digests.get(dataset))
        packed = elsewhere and elsewhere / "data" / dataset / f"{split}_sources.npy"
        groups[dataset] = arrays.pop("sources", None)
        if groups[dataset] is None and packed and packed.exists():
            groups[dataset] = np.load(packed, allow_pickle=False)
        prepared[dataset] = arrays
    return StudyResults(plan, cells, mixed_code=mixed, groups=groups, prepared=prepared)


def _prepared(folder: Path, split: str, digest: str | None) -> dict[str, np.ndarray]:
    """Images, masks and sources of a split, if they are still those that the runs saw."""
    if not (folder / MANIFEST).exists():
        return {}
    data: PreparedData = verified(folder)
    if data.digest != digest:
        return {}
    arrays = getattr(data, split).arrays()
    return {name: arrays[name] for name in ("images", "masks", "sources") if name in arrays}


def _read(folder: Path, key: str, seed: int, packed: bool = False) -> Record:
    record = read(folder, packed)
    if (record.result["key"], record.result["seed"]) != (key, seed):
        raise AibError(
            f"{folder / RESULT}: holds spec {record.result['key']} seed {record.result['seed']}, "
            f"not {key} seed {seed}; delete the folder and run the pipeline again"
        )
    record.check_seal()
    return record


def _counts(counter: Counter) -> str:
    return ", ".join(f"{name[:19]}: {n} runs" for name, n in sorted(counter.items()))


def _cell(plan: Plan, cell: Cell, records: dict[Path, Record]) -> CellResults:
    found = [records[folder] for folder in cell.folders if folder in records]
    collapsed = tuple(record for record in found if record.status == "collapsed")
    left_out = collapsed if plan.study.collapsed == "left-out" else ()
    return CellResults(
        cell,
        counted=tuple(r for r in found if r.has_figures and r not in left_out),
        collapsed=collapsed,
        diverged=tuple(record for record in found if not record.has_figures),
        missing=tuple(
            run
            for folder, run in zip(cell.folders, cell.runs, strict=True)
            if folder not in records
        ),
        checkpoint=plan.study.checkpoint,
    )
