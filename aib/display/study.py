"""A study on the terminal: a line for all that happens, and below them a picture of it."""

from collections.abc import Mapping, Sequence
from logging import LogRecord
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from aib.display.ending import ending
from aib.display.picture import picture
from aib.display.progress import PHASES, Job, Progress
from aib.studies.plan import Plan
from aib.terminal import printable

TAIL = 10  # lines of a failed job's log
EVERY = 0.5  # pictures a second


class StudyDisplay:
    """What Snakemake's jobs do, told as it happens."""

    def __init__(
        self, console: Console, is_live: bool, plans: Sequence[Plan], counts: Mapping[str, int]
    ):
        self.console, self.is_live = console, is_live
        self.root = Path.cwd()  # Snakemake may have another one again at the end
        self.progress = Progress(plans, counts, self.root / "results")
        self.study = plans[0].name
        self.live: Live | None = None
        self.reported = False
        to_do = [f"{counts[phase]} to {phase}" for phase in PHASES if counts.get(phase)]
        self.say(f"study {self.study}: {', '.join(to_do) or 'no run to make'}")

    def say(self, text: str, style: str = "") -> None:
        """Print a text, above the picture if there is one; the style is that of its first line."""
        first, *more = map(printable, text.splitlines() or [""])
        shown = Text(first, style=style)
        self.console.print(Text("\n").join([shown, *map(Text, more)]), highlight=False)

    def started(self, record: LogRecord) -> None:
        """A job began: a run of the study, or a step that is told when it has words for it."""
        job = _job(record)
        again = record.jobid in self.progress.failed
        self.progress.start(record.jobid, job)
        if again or (job.rule not in PHASES and record.rule_msg):
            self.say(f"again: {job.words}" if again else job.words)
        if job.folder and self.is_live and not self.live:
            self.live = Live(
                console=self.console,
                get_renderable=lambda: picture(self.progress, self.console.height),
                refresh_per_second=EVERY,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self.live.start()
        self._draw()

    def finished(self, number: int) -> None:
        """A job ended well: of a training, what came of it."""
        job = self.progress.finish(number)
        if job and job.rule == "train":
            self._tell(job)
        self.reported |= bool(job) and job.rule == "report"
        self._draw()
        if not self.progress.is_making_runs:
            self._stop()

    def failed(self, record: LogRecord) -> None:
        """A job failed: which, and the end of its log."""
        job = self.progress.fail(record.jobid, _job(record))
        said = [f"failed: {job.words}"]
        for name in record.log:
            path = self.root / name
            lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
            said += [f"  its log: {name}", *(f"  | {line}" for line in lines[-TAIL:])]
        self.say("\n".join(said), style="red")
        self._draw()

    def close(self) -> None:
        """Tell how it ended; in a pipe each line is cut where it would be long."""
        self._stop()
        cut = not self.console.is_terminal
        for line in ending(self.progress, self.study, self.root, self.reported):
            self.console.print(line, no_wrap=cut, overflow="ellipsis", highlight=False)

    def _tell(self, job: Job) -> None:
        """A finished run's outcome, from its record."""
        progress, line = self.progress, self.progress.lines.get(job.folder)
        if not line:
            self.say(f"done: {job.words}")
            return
        count = f"{progress.done('train'):>{len(str(len(progress.lines)))}}"
        arm = f"{line.cell.arm} on {line.cell.dataset}, seed {line.spec.seed}"
        said = [] if line.now.state == "done" else [line.now.state]
        said += [line.now.detail, f"{job.elapsed:.0f} s"]
        left = "" if self.live else progress.left()
        said += [left] if left else []
        self.say(f"[{count} of {len(progress.lines)}] {arm}: {', '.join(said)}")

    def _draw(self) -> None:
        if self.live:
            self.live.refresh()

    def _stop(self) -> None:
        if self.live:
            self.live.stop()
            self.live = None
            self.is_live = False  # what follows are single steps


def _job(record: LogRecord) -> Job:
    """The job of an event; one that fails is told without message and wildcards."""
    words = getattr(record, "rule_msg", None) or f"rule {record.rule_name}"
    if record.rule_name not in PHASES or not getattr(record, "wildcards", None):
        return Job(record.rule_name, words)
    run = "{dataset}/{model}/{key}/seed-{seed}".format(**record.wildcards)
    return Job(record.rule_name, words, Path(run))
