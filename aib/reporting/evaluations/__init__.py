"""What the evaluations found, told of a study; one file a kind, as in aib/evaluation/parts.

A file has TITLE, COLUMNS and `figures(numbers)`, the few values that are told of one run, and
HEADLINE, the columns that a repetition of a study is compared by; then `message(told)`, what they
come to in a sentence or two. It may have `controls(told)`, rows that stand beside those of the
arms, and `draw(told)`, its figures.
"""

import pkgutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from aib.errors import AibError
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import Drawn
from aib.statistics import Interval, mean_interval, spread

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One value of a run: its words with its unit, and how many digits it is shown with."""

    label: str
    digits: int = 2


@dataclass(frozen=True, eq=False)
class Told:
    """One entry of params/evaluations.yaml, as found in the runs of a study on a dataset."""

    results: StudyResults
    dataset: str
    name: str
    kind: str

    @property
    def teller(self) -> ModuleType:
        """The file of this kind; `AibError` where there is none."""
        return teller(self.kind)

    @cached_property
    def cells(self) -> list[CellResults]:
        """The arms and ablations that it says something of."""
        return [cell for cell in self.results.distinct(self.dataset) if self.runs(cell)]

    @property
    def arms(self) -> list[CellResults]:
        """The declared arms among them."""
        return [cell for cell in self.cells if cell.cell.ablation is None]

    def runs(self, cell: CellResults) -> list[Record]:
        """The counted runs of a cell that it says something of."""
        return [record for record in cell.counted if record.numbers(self.name) is not None]

    @cached_property
    def _known(self) -> dict[Path, Row]:
        """Figures by run: each column, table and figure asks for them."""
        return {}

    def figures(self, record: Record) -> Row:
        """The values of one run, by column."""
        if record.folder not in self._known:
            self._known[record.folder] = self.teller.figures(record.numbers(self.name))
        return self._known[record.folder]

    def values(self, cell: CellResults, column: str) -> np.ndarray:
        """One column of a cell's runs; a run without that value is left out."""
        found = [self.figures(record).get(column) for record in self.runs(cell)]
        return np.array([value for value in found if value is not None])

    def interval(self, cell: CellResults, column: str) -> Interval | None:
        """Mean over runs with its t interval; None where no run has a value.

        What is the same in every run, such as the score of the same untrained networks, has no
        interval over runs.
        """
        values = self.values(cell, column)
        if not values.size:
            return None
        found = mean_interval(values, self.results.confidence)
        constant = values.size > 1 and np.ptp(values) == 0
        return replace(found, low=np.nan, high=np.nan) if constant else found

    # ------------------------------------------------------------ for the page and the tables

    @property
    def title(self) -> str:
        """The question; the entry's name follows where several are of one kind."""
        alike = [each for each in tell(self.results, self.dataset) if each.kind == self.kind]
        return self.teller.TITLE + (f" ({self.name})" if len(alike) > 1 else "")

    @property
    def sample(self) -> int | None:
        """How many test images it looked at, the first ones; None for all."""
        record = self.runs(self.cells[0])[0]
        return record.evaluation[self.name]["identity"]["parameters"].get("sample")

    @property
    def columns(self) -> dict[str, Column]:
        """What is told of a run, and in which words."""
        return self.teller.COLUMNS

    @cached_property
    def message(self) -> str:
        """What it comes to, in a sentence or two."""
        return self.teller.message(self)

    @cached_property
    def rows(self) -> list[Row]:
        """One row an arm: means with intervals, words with their counts; then the controls."""
        return [self._row(cell) for cell in self.cells] + self._optional("controls")

    def _row(self, cell: CellResults) -> Row:
        runs = self.runs(cell)
        collapsed = sum(record.status == "collapsed" for record in runs)
        row: Row = {"arm": cell.arm, "n": len(runs), "collapsed": collapsed}
        for column in self.columns:
            values = self.values(cell, column)
            if values.dtype.kind == "U":
                counts = Counter(values.tolist()).most_common()
                row[column] = ", ".join(f"{word} {count}" for word, count in counts)
            else:
                row |= spread(column, self.interval(cell, column))
        return row

    @property
    def run_rows(self) -> list[Row]:
        """One row a run."""
        return [
            {
                "arm": cell.arm,
                "key": record.result["key"],
                "seed": record.result["seed"],
                "status": record.status,
                **self.figures(record),
            }
            for cell in self.cells
            for record in self.runs(cell)
        ]

    @property
    def silent(self) -> dict[str, str]:
        """Arms that it says nothing of, with the reason."""
        found = {
            cell.arm: cell.counted[0].evaluation.get(self.name, {}).get("inapplicable")
            for cell in self.results.distinct(self.dataset)
            if cell.counted
        }
        return {arm: reason for arm, reason in found.items() if reason}

    def drawn(self) -> list[Drawn]:
        """Its figures."""
        return self._optional("draw")

    def _optional(self, name: str) -> list[Any]:
        made = getattr(self.teller, name, None)
        return list(made(self)) if made else []


@cache
def teller(kind: str) -> ModuleType:
    """The file that tells of a kind of evaluation; `AibError` where there is none."""
    if kind not in {module.name for module in pkgutil.iter_modules(__path__)}:
        raise AibError(
            f"aib/reporting/evaluations/{kind}.py: missing; docs/adding.md says what it holds"
        )
    return pkgutil.resolve_name(f"{__name__}.{kind}")


@lru_cache(maxsize=8)  # page, tables and figures each ask
def tell(results: StudyResults, dataset: str) -> list[Told]:
    """Every evaluation that says something of some run on the dataset, in the order of params.

    `AibError` where runs were evaluated by different code or parameters.
    """
    made: dict[str, tuple[Record, Row]] = {}
    for record in (record for cell in results.distinct(dataset) for record in cell.counted):
        for name, found in record.evaluation.items():
            by = {key: found["identity"].get(key) for key in ("code", "parameters")}
            first, known = made.setdefault(name, (record, by))
            if by != known:
                raise AibError(
                    f"{record.folder}: its evaluation '{name}' has other code or parameters than "
                    f"that of {first.folder}; run the pipeline again, or `aib evaluate` for each"
                )
    kinds = {name: by["parameters"]["kind"] for name, (_, by) in made.items()}
    told = (Told(results, dataset, name, kind) for name, kind in kinds.items())
    return [each for each in told if each.cells]


def of_kind(record: Record, kind: str) -> dict | None:
    """What the first evaluation of a kind found in a run; None where there is none."""
    for found in record.evaluation.values():
        if "numbers" in found and found["identity"]["parameters"]["kind"] == kind:
            return found["numbers"]
    return None


def per_run(record: Record) -> Iterator[tuple[str, Row]]:
    """What each evaluation tells of one run."""
    for name, found in record.evaluation.items():
        if "numbers" in found:
            kind = found["identity"]["parameters"]["kind"]
            yield name, teller(kind).figures(found["numbers"])
