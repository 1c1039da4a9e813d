"""Snakemake's logger plugin: its events become the display of a study.

Whatever is no run of a study, a dry run or one that is asked to be verbose or quiet, is printed
as Snakemake itself would.
"""

import os
import sys
from logging import WARNING, LogRecord

from rich.console import Console
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

WIDTH = 140  # characters of a line where there is no terminal


class LogHandler(LogHandlerBase):
    """Shows the study whose plans the Snakefile announces when it starts."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        asked = self.common_settings
        stream = sys.stdout if asked.stdout else sys.stderr
        self.console = Console(file=stream, width=None if stream.isatty() else WIDTH)
        self.is_live = (
            stream.isatty()
            and not self.console.is_dumb_terminal
            and not self.console.no_color
            and not asked.nocolor
            and "DVC_STAGE" not in os.environ
        )
        less = {each.name for each in asked.quiet or ()} & {"ALL", "PROGRESS", "RULES"}
        self.as_snakemake = bool(
            less or asked.dryrun or asked.verbose or asked.printshellcmds or asked.debug_dag
        )
        self.held: list[str] = []  # said before it is known whether a study starts
        self.counts: dict[str, int] = {}
        self.display = None

    def emit(self, record: LogRecord) -> None:
        """Show it; an error in here stops neither the study nor the display."""
        try:
            if self.display:
                self._show(record)
            elif hasattr(record, "plans") and not self.as_snakemake:
                self._begin(record)
            else:
                self._before(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """The end of the study, or what was said of one that did not start."""
        display, self.display = self.display, None  # Python closes every handler once more
        if display:
            display.close()
        self._release()
        super().close()

    def _before(self, record: LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO and not self.as_snakemake:  # no study was announced
            self.as_snakemake = True
            self._release()
        if self.as_snakemake or record.levelno >= WARNING:
            self._print(self.format(record))
        elif event == LogEvent.RUN_INFO:
            self.counts = record.stats
        elif event is None:
            self.held.append(self.format(record))

    def _release(self) -> None:
        for text in self.held:
            self._print(text)
        self.held = []

    def _begin(self, record: LogRecord) -> None:
        from aib.display.study import StudyDisplay  # needs what only a study loads anyway

        self.held = []
        self.display = StudyDisplay(self.console, self.is_live, record.plans, self.counts)

    def _show(self, record: LogRecord) -> None:
        match getattr(record, "event", None):
            case LogEvent.JOB_INFO:
                self.display.started(record)
            case LogEvent.JOB_FINISHED:
                self.display.finished(record.job_id)
            case LogEvent.JOB_ERROR:
                self.display.failed(record)
            case LogEvent.GROUP_ERROR:  # each of its jobs tells of itself
                pass
            case _ if record.levelno >= WARNING and "CalledProcessError" not in record.getMessage():
                self.display.say(self.format(record))  # that one is told by the failed job

    def _print(self, text: str) -> None:
        if text:
            self.console.out(text, highlight=False)
