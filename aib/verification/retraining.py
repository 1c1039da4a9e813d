"""Runs drawn at random, trained again: the one check that no consistent edit passes."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from aib.evaluation.evaluate import evaluate_run
from aib.evaluation.parts import Common
from aib.evaluation.subject import Surroundings
from aib.record import Record
from aib.retraining import differences, trained_again
from aib.statistics import prediction_interval
from aib.verification.given import Given

CONFIDENCE = 0.999  # of the interval for one new run on another machine
ENVIRONMENT = ("python", "libraries", "platform", "processor", "device")  # what decides bits


def draw(runs: Sequence[Given], count: int, seed: int) -> list[Given]:
    """`count` of the runs that reached their end, at random."""
    finished = [run for run in runs if run.record.has_figures]
    return random.Random(seed).sample(finished, min(count, len(finished)))


def retrain(
    run: Given,
    others: Sequence[Given],
    code: str,
    results: Path,
    device: str,
    entries: dict[str, Common],
    around: Surroundings,
) -> Iterator[str]:
    """Train and evaluate one run again; what came out otherwise than it says.

    On the processor and the versions that it names, to the bit; else its accuracy must lie in the
    99.9 % prediction interval of a new run, from the other runs of its cell.
    """
    with trained_again(run.spec, results, code, device) as again:
        same = [run.record.spec["environment"][k] for k in ENVIRONMENT] == [
            again.spec["environment"][k] for k in ENVIRONMENT
        ]
        if not same:
            yield from _within(run, again, others)
            return
        yield from differences(run.record, again)
        made = {name for name, each in run.record.evaluation.items() if "numbers" in each}
        chosen = {name: entry for name, entry in entries.items() if name in made}
        found = evaluate_run(again, chosen, around)
        for name, each in found.items():
            if each.get("numbers") != run.record.evaluation[name]["numbers"]:
                yield f"evaluated again, {name} has other figures"


def _within(run: Given, again: Record, others: Sequence[Given]) -> Iterator[str]:
    values = np.array([_accuracy(o.record) for o in others if o.place != run.place])
    if values.size < 2:
        yield "was trained on another machine or version, and too few runs are there to judge by"
        return
    interval = prediction_interval(values, CONFIDENCE)
    for who, record in (("trained again here", again), ("as handed over", run.record)):
        value = _accuracy(record)
        if not interval.low <= value <= interval.high:
            yield (
                f"{who}, it has accuracy {value:.2f} %, where the other runs of its cell let "
                f"expect {interval.low:.2f} to {interval.high:.2f} %"
            )


def _accuracy(record: Record) -> float:
    result = record.result
    return 100 * result["evaluation"][result["headline"]][result["scored"]]["accuracy"]
