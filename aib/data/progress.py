"""How far a transfer is: a bar on a terminal, elsewhere a line now and then.

Either says so when the server is slow: an hour without a word looks like a program that hangs.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from aib.terminal import printable

LINE_SECONDS = 30  # between two lines in a job's log
SLOW_RATE = 250_000  # bytes/s; CIFAR-10's home host sends about 50,000
SILENT_SECONDS = 5


@contextmanager
def shown(file: str, have: int, size: int | None, bar: bool) -> Iterator[Callable[[int], None]]:
    """Show a transfer on standard error; yield the function to call with each number of new bytes.

    Args:
        file: its name.
        have: bytes that are there at the start.
        size: bytes of the whole file, None if unknown.
        bar: draw a bar if standard error is a terminal; else a line every LINE_SECONDS.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        _Warning(),
    )
    draws = bar and console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not draws) as progress:
        said = time.monotonic()
        number = progress.add_task(file, total=size, completed=have, last=said)
        (task,) = progress.tasks

        def advance(count: int) -> None:
            nonlocal said
            progress.advance(number, count)
            task.fields["last"] = now = time.monotonic()
            if not draws and now - said >= LINE_SECONDS:
                said = now
                say(_line(task))

        yield advance


def say(line: str) -> None:
    """Print one line on standard error at once; passwords of addresses are left out."""
    print(printable(line), file=sys.stderr, flush=True)


def _line(task: Task) -> str:
    whole = f" of {task.total / 1e6:,.1f}" if task.total else ""
    rate = task.speed or 0.0
    left = task.time_remaining
    return (
        f"{task.description}: {task.completed / 1e6:,.1f}{whole} MB, {rate / 1e6:,.2f} MB/s"
        + (" (slow server)" if rate < SLOW_RATE else "")
        + (f", {timedelta(seconds=math.ceil(left))} left" if left else "")
    )


class _Warning(ProgressColumn):
    """Says beside the bar that the server is slow, or for how long it has sent nothing."""

    def render(self, task: Task) -> Text:
        silent = time.monotonic() - task.fields["last"]
        if silent > SILENT_SECONDS:
            return Text(f"nothing for {silent:.0f} s")
        return Text("slow server" if (task.speed or math.inf) < SLOW_RATE else "")
