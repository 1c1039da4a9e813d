"""Two sides of a study: from records, evidence and committed references, with known truths."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from records import quick_plan, write_tree
from typer.testing import CliRunner

from aib import files
from aib.cli import app
from aib.errors import AibError
from aib.params import load
from aib.record import EVALUATION, PARTS, evaluation_digest
from aib.reporting.reference import ERROR, read_reference
from aib.reporting.repetition import compare
from aib.reporting.sides import Sides
from aib.studies.plan import plan as declared

ROOT = Path(__file__).parents[2]
REFERENCES = {
    name: read_reference(ROOT / "reports" / name / "reference.json")
    for name in ("quick", "cifar10-compact")
}


@pytest.fixture
def small() -> dict:
    return copy.deepcopy(REFERENCES["quick"])


@pytest.fixture
def images() -> dict:
    return copy.deepcopy(REFERENCES["cifar10-compact"])


def runs(content: dict, arm: str) -> list[dict]:
    return [run for run in content["runs"] if arm in run["arms"]]


def erase(content: dict, arm: str, control: str) -> dict:
    """Give an arm the test errors of another."""
    for run, other in zip(runs(content, arm), runs(content, control), strict=True):
        run["figures"][ERROR] = other["figures"][ERROR]
        run["weights_sha256"] = "e" * 64
    return content


def repeated(content: dict, rng, seeds: int, std=0.3, effect=0.0, evaluated=False) -> dict:
    """The study with new seeds: made-up errors of one spread, with an effect of attention."""
    content = copy.deepcopy(content)
    arms = {arm: each for each in content["runs"] for arm in each["arms"]}
    first = int(rng.integers(10**9))
    content["runs"] = [
        {**run, "seed": first + at, "weights_sha256": f"{first + at:064}", "evaluations": {}}
        | {"figures": {ERROR: 10 + std * rng.normal() - effect * ("aib" in arm or "att" in arm)}}
        for arm, run in arms.items()
        for at in range(seeds)
    ]
    return content


# ---------------------------------------------------------------- outcomes


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_identical_with_itself_and_small(name):
    content = REFERENCES[name]
    assert compare(content, content).outcome == "identical"
    assert (ROOT / "reports" / name / "reference.json").stat().st_size < 100_000
    summary = files.read_json(ROOT / "reports" / name / "summary.json")
    asked = [*summary["verdicts"], *summary["measures"]]
    assert [each["verdict"] for each in content["questions"]] == [row["verdict"] for row in asked]


@pytest.mark.parametrize("name", REFERENCES)
def test_terms_of_questions_give_their_differences(name):
    """What is compared of a question is what the report says of it."""
    content = REFERENCES[name]
    rows = {(row.dataset, row.of, row.about): row for row in compare(content, content).rows}
    for question in content["questions"]:
        row = rows[question["dataset"], question["of"], question["asked"]]
        assert row.shift.found == pytest.approx(question["difference"], abs=1e-6)


@pytest.mark.parametrize("change", ["weights_sha256", ERROR, "evaluations"])
def test_one_other_run_is_not_identical(small, change):
    run = small["runs"][7]
    if change == ERROR:
        run["figures"][ERROR] += 0.05
    elif change == "evaluations":
        run["evaluations"]["corruptions"] = "0" * 12
    else:
        run["weights_sha256"] = "f" * 64
    outcome = compare(small, REFERENCES["quick"])
    assert outcome.outcome == "cannot tell"
    assert outcome.same_weights == (19 if change == "weights_sha256" else 20, 20)


def test_a_large_effect_erased_is_different(images):
    found = compare(erase(images, "vgg-aib", "vgg-att3"), REFERENCES["cifar10-compact"])
    assert found.outcome == "different"
    beyond = {row.name for row in found.rows if row.is_beyond}
    assert "accuracy of vgg-aib against vgg-att3 on cifar10-jpeg" in beyond
    assert "test error of vgg-aib on cifar10-jpeg" in beyond
    assert "test error of vgg-att3 on cifar10-jpeg" not in beyond


@pytest.mark.parametrize("arm", ["vgg-att", "vgg-dvib", "vgg-aib", "vgg-aib-qt"])
def test_an_effect_too_small_to_be_seen_is_never_the_same(small, arm):
    assert compare(erase(small, arm, "vgg"), REFERENCES["quick"]).outcome == "cannot tell"


def test_new_seeds_are_the_same_where_the_margin_would_be_noticed(small):
    rng = np.random.default_rng(5)
    many, again, without = (repeated(small, rng, 24, effect=e) for e in (1.5, 1.5, 0))
    same = compare(again, many)
    assert same.outcome == "same"
    assert all(row.noticed <= 1 for row in same.rows)
    assert not same.same_seeds
    assert compare(without, many).outcome == "different"
    few, without = (repeated(small, rng, 2, std=1, effect=e) for e in (1.5, 0))
    assert compare(few, repeated(small, rng, 2, std=1, effect=1.5)).outcome == "cannot tell"
    assert compare(without, few).outcome == "cannot tell"


def test_an_effect_alone_is_noticed_where_no_arm_moves_much(small):
    """Half of the change is in each side of the question."""
    one = repeated(small, np.random.default_rng(6), 60)
    other = copy.deepcopy(one)
    for arm, by in {"vgg": 0.13, "vgg-dvib": 0.13, "vgg-att": -0.13, "vgg-aib": -0.13}.items():
        for run in runs(one, arm):
            run["figures"][ERROR] += by
    beyond = [row for row in compare(one, other).rows if row.is_beyond]
    assert "attention against no attention" in [row.about for row in beyond]
    assert ERROR not in [row.of for row in beyond]


def test_fewer_alarms_than_declared_where_nothing_changed(small):
    rng = np.random.default_rng(11)
    outcomes = [
        compare(repeated(small, rng, 4), repeated(small, rng, 4)).outcome for _ in range(300)
    ]
    assert outcomes.count("different") <= 6  # 1 % are 3, and more than 6 come once in 30 times


def test_a_turned_verdict_is_different_and_an_undecided_one_is_not(small):
    words = [question["verdict"] for question in small["questions"]]
    assert "undecided" in words
    for word, outcome in (("worse", "different"), ("undecided", "identical")):
        changed = copy.deepcopy(small)
        small["questions"][0]["verdict"] = "better"
        changed["questions"][0]["verdict"] = word
        assert compare(changed, small).outcome == outcome


def test_other_specs_arms_and_failures_are_different_and_named(small):
    for run in runs(small, "vgg"):
        run["key"] = "000000000000"
    for run in runs(small, "vgg-att"):
        run["arms"] = ["new"]
    runs(small, "vgg-dvib")[0].update(status="diverged", figures={}, evaluations={})
    found = compare(small, REFERENCES["quick"])
    assert found.outcome == "different"
    assert found.unlike == (
        "new on cluttered-digits: not in the reference",
        "vgg on cluttered-digits: spec 000000000000, reference baa654633b0e",
        "vgg-att on cluttered-digits: only in the reference",
        "vgg-dvib on cluttered-digits: 1 diverged of 4 runs; reference no failure of 4",
    )


def test_an_evaluation_that_was_not_made_again_is_not_passed_over(small):
    rng = np.random.default_rng(5)
    many, again = (repeated(small, rng, 24) for _ in range(2))
    for run in many["runs"]:
        run["figures"]["localisation primary"] = 0.8 + 0.01 * rng.normal()
    found = compare(again, many)
    assert found.outcome == "cannot tell"
    assert "localisation primary of vgg-aib on cluttered-digits" in found.lacking
    assert compare(many, again).outcome == "same"  # one more tells nothing against it


def test_a_map_finding_that_moved_is_different(small):
    for run in runs(small, "vgg-aib-qt"):
        run["figures"]["localisation primary"] -= 0.2
    found = compare(small, REFERENCES["quick"])
    assert found.outcome == "different"
    assert [row.name for row in found.rows if row.is_beyond] == [
        "localisation primary of vgg-aib-qt on cluttered-digits"
    ]


# ---------------------------------------------------------------- sides


@pytest.fixture(scope="module")
def plan():
    return quick_plan(load(ROOT))


@pytest.fixture(scope="module")
def tree(plan, tmp_path_factory) -> Path:
    return write_tree(tmp_path_factory.mktemp("results"), plan)


@pytest.fixture
def sides(plan, tree, tmp_path) -> Sides:
    return Sides(lambda _: plan, tree, tmp_path / "reports")


@pytest.mark.parametrize("name", REFERENCES)
def test_evidence_gives_the_committed_reference(name, tmp_path):
    sides = Sides(lambda study: declared(load(ROOT), study), tmp_path, ROOT / "reports")
    packed = str(ROOT / "reports" / name / "evidence" / "runs.tar.xz")
    assert sides.study(None, packed, str(ROOT / "reports" / name / "reference.json")) == name
    assert sides.read(packed, name) == REFERENCES[name]


def test_records_are_read_run_by_run(sides, plan):
    content = sides.read("quick", "quick")
    assert len(content["runs"]) == len(plan.runs)
    # An ablation's own value is its arm, and is compared once; what diverged has no figures.
    assert all(len(run["arms"]) == 1 for run in content["runs"])
    (failed,) = (run for run in content["runs"] if run["status"] == "diverged")
    assert failed["figures"] == failed["evaluations"] == {}


@pytest.mark.parametrize("name", [files.PREDICTIONS, files.ATTENTION])
def test_a_file_that_is_gone_is_noticed_though_the_report_is_there(
    sides, plan, tree, tmp_path, name
):
    copied = shutil.copytree(tree, tmp_path / "copied")
    run = next(run for run in plan.runs if run.model.has_map)
    (copied / "runs" / run.folder / name).unlink()
    with pytest.raises(AibError, match=f"{name}: missing"):
        sides.read(str(copied), "quick")


def test_one_number_of_one_evaluation_is_noticed(sides, plan, tree, tmp_path):
    copied = shutil.copytree(tree, tmp_path / "copied")
    path = copied / "runs" / plan.runs[0].folder / EVALUATION
    content = json.loads(path.read_text())
    content["calibration"]["numbers"]["as_is"]["accuracy"] += 1e-9  # which no page tells
    content["calibration"]["digest"] = evaluation_digest(content["calibration"])
    path.write_text(json.dumps(content))
    (path.parent / PARTS / "calibration.json").write_text(json.dumps(content["calibration"]))
    found = compare(sides.read(str(copied), "quick"), sides.read("quick", "quick"))
    assert found.outcome != "identical"
    assert not any(row.shift.difference for row in found.rows)


def test_what_is_no_side_is_one_line(sides, tree, tmp_path):
    (tmp_path / "empty").mkdir()
    old = tmp_path / "old.json"
    old.write_text('{"study": "quick", "cells": {}}')
    for side, words in {
        str(tmp_path / "empty"): "neither a results folder",
        str(tmp_path / "none.tar.xz"): "neither a results folder",
        str(old): "no reference of schema 2; write it anew with `aib accept STUDY`",
        str(tree): "does not say of which study; name it with --study",
    }.items():
        with pytest.raises(AibError, match=words):
            sides.study(None, side, None)
    with pytest.raises(AibError, match="is of study 'quick', --study is 'other'"):
        sides.study("other", "quick", None)


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("change", "outcome", "status"),
    [
        (lambda content: None, "identical", 0),
        (lambda content: erase(content, "vgg", "vgg-att"), "cannot tell", 0),
        (
            lambda content: [r["figures"].update({ERROR: 9}) for r in runs(content, "vgg")],
            "different",
            1,
        ),
    ],
)
def test_strict_fails_on_a_difference_alone(small, tmp_path, monkeypatch, change, outcome, status):
    monkeypatch.chdir(ROOT)
    change(small)
    files.write_json(tmp_path / "again.json", small)
    again = str(tmp_path / "again.json")
    done = CliRunner().invoke(app, ["compare", again, "--strict"])
    assert done.exit_code == status, done.output
    last = done.output.splitlines()[-1]
    assert last == f"{outcome}: {again} against reports/quick/reference.json"
    if outcome != "identical":
        row = next(line for line in done.output.splitlines() if "test error" in line)
        assert "noticed from" in done.output
        assert "runs of the same spec and seed" in done.output
        assert row.split()[2] == "vgg"


def test_without_a_reference_strict_fails(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write_json(tmp_path / "again.json", small)
    for options, status in (["--strict"], 1), ([], 0):
        done = CliRunner().invoke(app, ["compare", "again.json", *options])
        assert done.exit_code == status
        assert "`aib accept quick` makes this one the reference" in done.output
