"""Where every run of a study stands, and the grid it asks for, as tables on the terminal."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from aib import files, record
from aib.errors import AibError
from aib.holding import holder
from aib.spec.run import RunSpec
from aib.studies.plan import Plan
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


@dataclass(frozen=True)
class Standing:
    """One run: its state, in one word, and what there is to say about it."""

    state: str  # done, collapsed, diverged, damaged, running, stopped, failed or waiting
    epoch: int
    detail: str


def standing(spec: RunSpec, results: Path) -> Standing:
    """Read off the files of a run how far it is; arrays and weights are not looked at."""
    folder = results / "runs" / spec.folder
    try:
        if (folder / files.RESULT).exists():
            return _finished(record.read(folder).result)
        return _unfinished(spec, folder)
    except AibError as error:
        return Standing("damaged", 0, str(error))


def _finished(result: dict[str, Any]) -> Standing:
    if result["status"] == "diverged":
        return Standing("diverged", result["epoch"], result["reason"])
    scored = result["scored"]
    accuracy = result["evaluation"][result["headline"]][scored]["accuracy"]
    epoch = result["figures"][result["selected"]]["epoch"]
    word = "done" if result["status"] == "completed" else result["status"]
    return Standing(word, int(epoch), f"{scored} error {1 - accuracy:.2%}")


def _unfinished(spec: RunSpec, folder: Path) -> Standing:
    history = record.read_history(folder / files.METRICS)
    epoch = len(history)
    owner = holder(folder)
    if owner:
        if not history:
            return Standing("running", 0, owner)
        left = (spec.training.epochs - epoch) * history[-1].get("seconds", 0)
        return Standing("running", epoch, f"about {_duration(left)} left, {owner}")
    if (folder / files.FAILURE).exists():
        reason = (folder / files.FAILURE).read_text(errors="replace").strip()
        return Standing("failed", epoch, reason)
    if (folder / files.CHECKPOINT).exists():
        return Standing("stopped", epoch, "goes on from its checkpoint")
    return Standing("waiting", 0, "")


def show(plan: Plan, results: Path, clear: bool = False) -> bool:
    """Print all runs of a study; returns whether any is still to come."""
    rows = table(f"study {plan.name}", "arm", "seed", "state", "epoch", "", "key")
    counts: dict[str, int] = {}
    shown = set()
    for cell in plan.cells:
        for spec in cell.runs:
            if spec.folder in shown:  # an ablation's default value is the arm itself
                continue
            shown.add(spec.folder)
            now = standing(spec, results)
            counts[now.state] = counts.get(now.state, 0) + 1
            state = f"[{STYLES.get(now.state, 'dim')}]{now.state}[/]"
            epochs = f"{now.epoch}/{spec.training.epochs}"
            detail = verbatim(now.detail)
            rows.add_row(verbatim(cell.arm), str(spec.seed), state, epochs, detail, spec.key)
    console = Console()
    if clear:
        console.clear()
    console.print(rows)
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()))
    return any(state in ("running", "waiting", "stopped") for state in counts)


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


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
