"""The picture below the lines: bars of runs, what is being done, the mean error of every arm."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from aib.display.progress import PHASES, Job, Progress
from aib.status import arms, duration
from aib.terminal import verbatim

SHOWN = 6  # jobs, at most
AROUND = 8  # lines of the picture beside jobs and arms


def picture(progress: Progress, height: int) -> RenderableType:
    """Drawn anew each time; arms are left out where the terminal, `height` lines, has no room."""
    progress.look()
    rows = Table.grid(padding=(0, 2))
    for phase, (_, word) in PHASES.items():
        done, total = progress.done(phase), progress.total(phase)
        if total and (progress.to_do[phase] or progress.took[phase]):
            rows.add_row(word, ProgressBar(total, done, width=40), f"{done} of {total}")
    jobs = list(progress.running.values())
    left = [progress.left()] if progress.left() else []
    time = ", ".join([f"{duration(progress.elapsed)} gone", *left])
    if progress.failed:
        time += f", [red]{len(progress.failed)} failed[/]"
    below = [rows, time, *(_now(progress, job) for job in jobs[:SHOWN])]
    below += [f"and {len(jobs) - SHOWN} more jobs"] if len(jobs) > SHOWN else []
    by_arm = arms(progress.plan.name, list(progress.lines.values()))
    if by_arm.row_count + len(below) + AROUND <= height:
        below.insert(0, by_arm)
    return Group(*below)


def _now(progress: Progress, job: Job) -> str:
    """What a job is doing, with the epoch of a training."""
    line = progress.lines.get(job.folder)
    if job.rule == "train" and line and line.now.epoch:
        return f"{verbatim(job.words)}: epoch {line.now.epoch} of {line.spec.training.epochs}"
    return verbatim(job.words)
