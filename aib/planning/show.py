"""The plan of a study, on the terminal and for programs."""

from collections import defaultdict
from dataclasses import asdict
from itertools import groupby
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aib.numbers import plain
from aib.planning.actual import Actual
from aib.planning.estimate import Arm, Totals
from aib.planning.machine import Machine
from aib.planning.sharing import CONTEXT, Sharing
from aib.planning.timing import OPERATIONS, UNKNOWN
from aib.studies.plan import Plan
from aib.studies.power import asked, power_lines, reaches
from aib.terminal import print_whole, table

NUMBERS = ("runs", "done", "epochs", "s/epoch", "hours a run", "hours left", "memory")


class Planned(NamedTuple):
    """All that is told of a study on a machine."""

    plan: Plan
    machine: Machine
    arms: list[Arm]
    sums: Totals
    sharing: Sharing | None
    actual: list[Actual]


def content(planned: Planned) -> dict[str, Any]:
    """All of it, for JSON."""
    plan, machine, arms, sums, sharing, actual = planned
    spread, questions = plan.study.spread, asked(plan)
    power = {
        "spread": spread and spread.model_dump(),
        "reached": reaches(questions, spread.power) if spread else None,
        "questions": [asdict(each) for each in questions],
    }
    names = ("name", "kind", "count", "sharing", "processor", "in_use")
    found = {
        "study": plan.name,
        "machine": {name: getattr(machine, name) for name in names},
        "arms": [arm.content() for arm in arms],
        "totals": asdict(sums),
        "trainings_per_gpu": sharing and asdict(sharing) | {"advised": sharing.advised},
        "power": power,
        "actual": [asdict(each) for each in actual],
    }
    return plain(found)


def show(planned: Planned) -> None:
    """Print it: a row an arm, where its seconds come from, the sums, the power."""
    plan, machine, arms, sums, sharing, actual = planned
    console = Console()
    print_whole(_table(plan, arms))
    for line in (*_bases(arms), "", *_sums(machine, arms, sums)):
        console.print(escape(line))
    if sharing:
        console.print(escape(_sharing(machine, sharing)))
    for each in actual:
        console.print(escape(_compared(each)))
    console.print()
    for line in power_lines(asked(plan), plan):
        console.print(escape(line))


def _table(plan: Plan, arms: list[Arm]) -> Table:
    headings = ("arm", *NUMBERS, "from")
    rows = table(f"study {plan.name}", *headings, whole=headings, right=NUMBERS)
    for dataset, group in groupby(arms, key=lambda arm: arm.cell.dataset):
        rows.add_row(f"[bold]{dataset}[/], scale {plan.study.scale}")
        for arm in group:
            timed = arm.timing
            whole = arm.left * timed.run_seconds if timed.run_seconds and arm.left else None
            rows.add_row(
                escape(arm.cell.arm),
                str(len(arm.seeds)),
                str(arm.done),
                str(arm.spec.training.epochs),
                _or_unknown(timed.epoch_seconds, "{:.3g}".format),
                _or_unknown(timed.run_seconds, _hours),
                _or_unknown(whole, _hours) if arm.left else "0",
                _or_unknown(timed.memory_bytes, _bytes),
                timed.source,
            )
    return rows


def _or_unknown(value: float | None, words: Any) -> str:
    return "?" if value is None else words(value)


def _bases(arms: list[Arm]) -> list[str]:
    """What the seconds rest on, each said once; with the arms where not all have the same."""
    said: dict[str, list[str]] = defaultdict(list)
    for arm in arms:
        said[f"{arm.timing.source}: {arm.timing.basis}"].append(arm.cell.arm)
    if len(said) == 1:
        return list(said)
    return [f"{basis} [{_some(names)}]" for basis, names in said.items()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _sums(machine: Machine, arms: list[Arm], sums: Totals) -> list[str]:
    device = {"cpu": "core", "gpu": "GPU"}[machine.kind]
    without = f"{sums.unknown_arms} arms of unknown cost"
    training = f"{_hours(sums.device_seconds)} {device}-hours"
    training += f", without {without}" if sums.unknown_arms else ""
    lines = [
        f"left: {sums.left} of {sums.runs} runs, {sums.epochs} epochs, on {machine.name}",
        f"training: {training if sums.device_seconds or not sums.unknown_arms else without}",
        _evaluations(sums, device),
        _wall(machine, sums, device),
        _memory(machine, arms, sums),
        _disk(arms, sums),
    ]
    return [line for line in lines if line]


def _wall(machine: Machine, sums: Totals, device: str) -> str:
    if not sums.wall_seconds:
        return ""
    devices = f"{machine.count} {device}{'s' if machine.count > 1 else ''}"
    shared = "" if machine.sharing == 1 else f", {machine.sharing} on each"
    time = _duration(sums.wall_seconds)
    return f"wall time on {devices}: {time}, at most {sums.jobs} trainings at once{shared}"


def _evaluations(sums: Totals, device: str) -> str:
    line = ""
    if sums.evaluation_seconds:
        line = f"evaluating afterwards: {_hours(sums.evaluation_seconds)} {device}-hours, "
        line += "as finished runs took"
    if sums.unseen_evaluations:
        line += "; " if line else ""
        line += f"evaluating {sums.unseen_evaluations} runs afterwards is left out: "
        line += "no finished run tells what it takes"
    return line


def _memory(machine: Machine, arms: list[Arm], sums: Totals) -> str:
    if sums.memory_bytes is None:
        return ""
    where = "on a GPU" if machine.kind == "gpu" else "in all"
    line = f"memory: {_bytes(sums.memory_bytes)} a training at most, "
    line += f"{_bytes(sums.memory_at_once)} {where}"
    if any(arm.left and arm.timing.source in (OPERATIONS, UNKNOWN) for arm in arms):
        line += " (counted: weights, gradients, momentum, activations, images; no libraries)"
    whole = machine.memory_bytes
    if whole and sums.memory_at_once > whole:
        line += f"; too much: {machine.name} has {_bytes(whole)}"
    return line


def _sharing(machine: Machine, found: Sharing) -> str:
    """How many trainings a GPU should take, and why."""
    if found.fitting is None:
        memory = "how many fit is not known"
    else:
        memory = f"{found.fitting} fit into {_bytes(machine.memory_bytes)}, with "
        memory += f"{_bytes(CONTEXT)} each for CUDA (assumed)"
    if found.speeds is None:
        speed = "what that does to the speed was not measured for such runs on such a card, as "
        speed += "`make gpu-check` would"
    else:
        each = ", ".join(f"{k} make {v:,.0f}" for k, v in found.speeds.items())
        speed = f"{found.worth} by speed, images/s in all as gpu-check found: {each}"
    advised = f" {found.advised} (--config trainings_per_gpu={found.advised});" * bool(
        found.advised
    )
    return f"trainings a GPU:{advised} {memory}; {speed}"


def _disk(arms: list[Arm], sums: Totals) -> str:
    if sums.disk_bytes is None:
        return "disk: not known"
    counted = sum(arm.disk_counted for arm in arms)
    how = {0: "as finished runs", len(arms): "counted: weights, predictions, maps"}
    line = f"disk: {_bytes(sums.disk_bytes)} of runs ({how.get(counted, 'as finished or counted')})"
    return line + f", {_bytes(sums.data_bytes)} of prepared images"


def _compared(each: Actual) -> str:
    line = f"finished: {each.runs} runs took {_hours(each.seconds)} hours on {each.device} "
    line += f"({each.where})"
    if each.estimated is None:
        return f"{line}; nothing declared estimates them"
    ratio = each.seconds / each.estimated
    return (
        f"{line}; by {' and '.join(each.sources)} {_hours(each.estimated)} hours were to be "
        f"expected: {ratio:.2f} times the estimate"
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def _bytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
