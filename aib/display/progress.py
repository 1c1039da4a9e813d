"""How far a study is: what Snakemake's jobs did, and what the files of their runs say."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from aib import files, record
from aib.status import Line, duration, lines_of, standing
from aib.studies.plan import Plan

# The rules that make a run, each with the file that it ends with and a word for it.
PHASES = {"train": (files.RESULT, "trained"), "evaluate": (record.EVALUATION, "evaluated")}


@dataclass(frozen=True)
class Job:
    """One that runs or ran."""

    rule: str
    words: str
    folder: Path | None = None  # of its run, below results/runs
    began: float = field(default_factory=lambda: time.monotonic())

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began


class Progress:
    """The jobs of one call of Snakemake and the runs that they make.

    The display is drawn by a thread of its own: so what it loops over is copied first.
    """

    def __init__(self, plans: Sequence[Plan], counts: Mapping[str, int], results: Path):
        self.began = time.monotonic()
        self.plans = plans
        self.results = results
        self.plan: Plan | None = None  # the one whose runs are made, known with the first of them
        self.lines: dict[Path, Line] = {}
        self.to_do = {phase: counts.get(phase, 0) for phase in PHASES}
        self.made: dict[str, set[Path]] = {phase: set() for phase in PHASES}
        self.running: dict[int, Job] = {}
        self.failed: dict[int, Job] = {}
        self.took: dict[str, list[float]] = {phase: [] for phase in PHASES}
        self.side_by_side = 1

    # ------------------------------------------------------------ what happens

    def start(self, number: int, job: Job) -> None:
        """A job begins, perhaps again after it failed."""
        if job.folder and not self.plan:
            self._choose_plan(job.folder)
        self.failed.pop(number, None)
        self.running[number] = job
        if job.rule in PHASES:
            self.made[job.rule].discard(job.folder)
        self.side_by_side = max(self.side_by_side, len(self._jobs(*PHASES)))

    def finish(self, number: int) -> Job | None:
        """A job ends well; returns it, unless it is not known."""
        job = self.running.pop(number, None)
        if job and job.rule in PHASES:
            self.to_do[job.rule] -= 1
            self.made[job.rule].add(job.folder)
            self.took[job.rule].append(job.elapsed)
            self._look(job)
        return job

    def fail(self, number: int, unknown: Job) -> Job:
        """A job fails; returns it as it began, if it did."""
        self.failed[number] = self.running.pop(number, unknown)
        return self.failed[number]

    def look(self) -> None:
        """Read again how far the runs are that are being trained."""
        for job in self._jobs("train"):
            self._look(job)

    # ------------------------------------------------------------ what is so

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    @property
    def is_making_runs(self) -> bool:
        """Is any run still to be trained or evaluated?"""
        return any(self.to_do.values())

    def total(self, phase: str) -> int:
        """How many runs of the study are to be trained or evaluated in all."""
        if phase == "evaluate":
            return sum(line.spec.evaluation.split == "test" for line in self.lines.values())
        return len(self.lines)

    def done(self, phase: str) -> int:
        """How many of them are; one that waits to be made anew is not."""
        return min(len(self.made[phase]), max(0, self.total(phase) - self.to_do[phase]))

    def left(self) -> str:
        """What is left of the runs, in words; empty as long as none was measured."""
        phases = {phase: self._seconds_left(phase) for phase, count in self.to_do.items() if count}
        known = sum(seconds for seconds in phases.values() if seconds is not None)
        if phases.get("train", 0.0) is None or not known:
            return ""
        what = " of training" if None in phases.values() else ""
        return f"about {duration(known / self.side_by_side)}{what} left"

    # ------------------------------------------------------------ inside

    def _jobs(self, *rules: str) -> list[Job]:
        return [job for job in list(self.running.values()) if job.rule in rules]

    def _choose_plan(self, folder: Path) -> None:
        self.plan = next((plan for plan in self.plans if folder in plan.by_folder), None)
        if self.plan:
            self.lines = lines_of(self.plan, self.results)
            for phase, (name, _) in PHASES.items():
                there = (f for f in self.lines if (self.results / "runs" / f / name).exists())
                self.made[phase] = set(there)

    def _look(self, job: Job) -> None:
        line = self.lines.get(job.folder)
        if line:
            with suppress(OSError):  # a file that went between two looks
                now = standing(line.spec, self.results / "runs" / job.folder)
                self.lines[job.folder] = replace(line, now=now)

    def _seconds_left(self, phase: str) -> float | None:
        """Seconds of all its jobs, one after the other; None as long as none was measured."""
        running = self._jobs(phase)
        own = {job: self._own_left(job) for job in running}
        took = self.took[phase] or [
            job.elapsed + left for job, left in own.items() if left is not None
        ]
        if not took:
            return None
        each = mean(took)
        begun = [max(0.0, each - job.elapsed) if own[job] is None else own[job] for job in running]
        # A run that was not trained is not evaluated.
        lost = [job for job in list(self.failed.values()) if job.rule in ("train", phase)]
        waiting = max(0, self.to_do[phase] - len(running) - len(lost))
        return waiting * each + sum(begun)

    def _own_left(self, job: Job) -> float | None:
        """What a training says itself, by its last epoch."""
        line = self.lines.get(job.folder)
        return line.now.left if line and job.rule == "train" else None
