"""Where every run of a study stands, and the grid it asks for, as tables on the terminal."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from aib import files, record
from aib.errors import AibError
from aib.holding import holder
from aib.spec.run import RunSpec
from aib.studies.plan import Cell, Plan
from aib.studies.power import asked, power_lines
from aib.terminal import table, verbatim

STYLES = {
    "done": "green",
    "collapsed": "red",
    "diverged": "red",
    "failed": "red",
    "damaged": "red",
    "running": "cyan",
}
LONG = 100  # runs; of more, arms are listed, with the runs that somebody might look at
SHOWN = 20  # of those runs, at most


@dataclass(frozen=True)
class Standing:
    """One run: its state, in one word, and what there is to say about it."""

    state: str  # done, collapsed, diverged, damaged, running, stopped, failed or waiting
    epoch: int
    detail: str
    seconds: float = 0.0  # that it took so far
    left: float | None = None  # seconds; None where only other runs could tell
    error: float | None = None  # of a run with figures, on the scored split

    @property
    def is_over(self) -> bool:
        """Will nothing more come of it by itself?"""
        return self.state not in ("running", "waiting", "stopped")


@dataclass(frozen=True)
class Line:
    """A run with its place in the study."""

    cell: Cell
    spec: RunSpec
    now: Standing


def standing(spec: RunSpec, folder: Path) -> Standing:
    """Read off the files of a run how far it is; arrays and weights are not looked at."""
    try:
        if (folder / files.RESULT).exists():
            return _finished(record.read(folder).result)
        return _unfinished(spec, folder)
    except AibError as error:
        return Standing("damaged", 0, str(error))


def _finished(result: dict[str, Any]) -> Standing:
    seconds = result["cost"]["step_seconds"] + result["cost"]["evaluation_seconds"]
    if result["status"] == "diverged":
        return Standing("diverged", result["epoch"], result["reason"], seconds)
    scored = result["scored"]
    error = 1 - result["evaluation"][result["headline"]][scored]["accuracy"]
    epoch = result["figures"][result["selected"]]["epoch"]
    word = "done" if result["status"] == "completed" else result["status"]
    return Standing(word, int(epoch), f"{scored} error {error:.2%}", seconds, error=error)


def _unfinished(spec: RunSpec, folder: Path) -> Standing:
    history = record.read_history(folder / files.METRICS)
    epoch, each = len(history), [line.get("seconds", 0) for line in history]
    left = (spec.training.epochs - epoch) * each[-1] if each else None
    owner = holder(folder)
    if owner:
        said = owner if left is None else f"about {duration(left)} left, {owner}"
        return Standing("running", epoch, said, sum(each), left)
    if (folder / files.FAILURE).exists():
        reason = (folder / files.FAILURE).read_text(errors="replace").strip()
        return Standing("failed", epoch, reason, sum(each), left)
    if (folder / files.CHECKPOINT).exists():
        return Standing("stopped", epoch, "goes on from its checkpoint", sum(each), left)
    return Standing("waiting", 0, "")


def show(plan: Plan, results: Path, clear: bool = False, every: bool = False) -> bool:
    """Print where a study stands; returns whether any run is still to come.

    Of a long study a line an arm is printed, unless `every` run is asked for.
    """
    console, found = Console(), list(lines_of(plan, results).values())
    if clear:
        console.clear()
    if every or len(found) <= LONG:
        console.print(_runs(f"study {plan.name}", found))
    else:
        console.print(arms(plan.name, found))
        _notable(console, found)
    console.print(", ".join(counts(found)))
    console.print(cost(found))
    return not all(line.now.is_over for line in found)


def _runs(title: str, lines: Sequence[Line]) -> Table:
    rows = table(title, "arm", "seed", "state", "epoch", "", "key")
    for line in lines:
        now, spec = line.now, line.spec
        state = f"[{STYLES.get(now.state, 'dim')}]{now.state}[/]"
        epochs = f"{now.epoch}/{spec.training.epochs}"
        arm, detail = verbatim(line.cell.arm), verbatim(now.detail)
        rows.add_row(arm, str(spec.seed), state, epochs, detail, line.cell.key)
    return rows


def lines_of(plan: Plan, results: Path) -> dict[Path, Line]:
    """Where every run of a study stands, by its folder, with the first of the arms it is of."""
    lines = {}
    for cell in plan.cells:  # a value of an ablation that is the arm itself is shown with the arm
        for folder, spec in zip(cell.folders, cell.runs, strict=True):
            if folder not in lines:
                now = standing(spec, results / "runs" / folder)
                lines[folder] = Line(cell, spec, now)
    return lines


def arms(name: str, lines: Sequence[Line]) -> Table:
    """A line an arm: its runs by their state, and their mean error."""
    headings = ("arm", "dataset", "runs", "", "mean error", "key")
    rows = table(f"study {name}", *headings, right=("runs", "mean error"))
    for _, group in groupby(lines, key=lambda line: line.cell.folders[0].parent):
        members = list(group)
        cell = members[0].cell
        errors = [line.now.error for line in members if line.now.error is not None]
        shown = f"{mean(errors):.2%}" if errors else ""
        states = ", ".join(counts(members))
        arm = verbatim(cell.arm)
        rows.add_row(arm, cell.dataset, str(len(members)), states, shown, cell.key)
    return rows


def _notable(console: Console, lines: Sequence[Line]) -> None:
    """The runs that neither wait nor are done as all others are."""
    found = [line for line in lines if line.now.state not in ("done", "waiting")]
    if found:
        console.print(_runs("to look at", found[:SHOWN]))
    if len(found) > SHOWN:
        console.print(f"and {len(found) - SHOWN} more; all runs: --all")


def counts(lines: Sequence[Line]) -> list[str]:
    """How many runs are in each state."""
    found = Counter(line.now.state for line in lines)
    return [f"{count} {state}" for state, count in found.items()]


def cost(lines: Sequence[Line]) -> str:
    """Hours of runs, which those side by side share, taken and left."""
    took = defaultdict(list)  # by finished runs, of each cell and of all
    for line in lines:
        if line.now.is_over and line.now.seconds:
            took[line.cell.key].append(line.now.seconds)
            took[None].append(line.now.seconds)
    said = f"trained for {duration(sum(line.now.seconds for line in lines))} in all"
    coming = [line for line in lines if not line.now.is_over]
    left = [
        line.now.left if line.now.left is not None else mean(took[line.cell.key] or took[None])
        for line in coming
        if line.now.left is not None or took[None]
    ]
    if coming and len(left) == len(coming):
        said += f", about {duration(sum(left))} left; runs side by side share it"
    return said


def grid(plan: Plan) -> None:
    """Print what a study asks for: its arms with their keys and seeds, and its questions."""
    study = plan.study
    console = Console()
    console.print(f"[bold]{verbatim(study.title)}[/]\n{verbatim(study.hypothesis)}\n")
    rows = table(
        f"study {plan.name}: {len(plan.runs)} runs", "arm", "protocol", "epochs", "key", "seeds"
    )
    for dataset, cells in groupby(plan.cells, key=lambda cell: cell.dataset):
        rows.add_row(f"[bold]{dataset}[/], scale {study.scale}")
        for cell in cells:
            spec = cell.runs[0]
            seeds = ", ".join(str(run.seed) for run in cell.runs)
            epochs = str(spec.training.epochs)
            rows.add_row(verbatim(cell.arm), spec.names.protocol, epochs, spec.key, seeds)
    console.print(rows)
    for line in power_lines(asked(plan), plan):
        console.print(verbatim(line))
    console.print(f"margin {study.margin} percentage points, alpha {study.alpha}")
    if study.looks:
        console.print(f"looks after {', '.join(map(str, study.looks.after))} seeds an arm")
    console.print(f"stopping rule: {verbatim(study.stopping_rule)}")


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as a person would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
