"""A long study is told by arm, with the runs that somebody might look at, and with what is left."""

import re
from pathlib import Path

import pytest
from records import quick_plan, write_run

from aib.params import load
from aib.status import show

ROOT = Path(__file__).parents[2]


@pytest.fixture
def long(tmp_path, monkeypatch):
    """160 runs, of which three are done and one diverged: each took 19 s."""
    monkeypatch.setenv("COLUMNS", "200")  # so that no cell of a table is folded
    plan = quick_plan(load(ROOT), seeds=20)
    folder = tmp_path / "results"
    for run in plan.cells[0].runs[:3]:
        write_run(folder, run)
    write_run(folder, plan.cells[1].runs[5], diverged=True)
    assert len(plan.runs) == 160
    return plan, folder


def test_a_line_an_arm_and_one_for_what_went_wrong(long, capsys):
    plan, folder = long
    assert show(plan, folder)
    table, single = capsys.readouterr().out.split("to look at")
    assert table.count(plan.cells[0].key) == 1
    assert "3 done, 17 waiting" in table
    assert single.count(plan.cells[1].key) == 1
    assert re.search(r" 5 +diverged", single)
    assert "3 done, 156 waiting, 1 diverged" in single
    assert "trained for 76 s in all, about 49 min left" in single


def test_all_of_them_where_they_are_asked_for(long, capsys):
    plan, folder = long
    show(plan, folder, every=True)
    assert capsys.readouterr().out.count(plan.cells[0].key) == len(plan.cells[0].runs)
