"""Snakemake's own tests of a logger plugin, and where a picture is drawn."""

import os
import sys

import pytest
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase

from aib.display.handler import LogHandler


class TestHandler(TestLogHandlerBase):
    __test__ = True

    def get_log_handler_cls(self):
        return LoggerPluginRegistry().get_plugin("aib").log_handler

    def get_log_handler_settings(self):
        return None


@pytest.mark.parametrize(
    ("name", "value", "drawn"),
    [
        ("TERM", "xterm", True),
        ("TERM", "dumb", False),
        ("NO_COLOR", "1", False),
        ("DVC_STAGE", "runs", False),
    ],
)
def test_a_picture_is_drawn_on_a_terminal_that_wants_one(monkeypatch, name, value, drawn):
    ours, theirs = os.openpty()
    for other in ("NO_COLOR", "DVC_STAGE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert LogHandler(MockOutputSettings(), None).is_live == drawn
    os.close(ours)


def test_no_picture_is_drawn_in_a_pipe(capsys):
    assert not LogHandler(MockOutputSettings(), None).is_live
