"""The ledger: what a report makes of each claim, and what it may not be made of."""

import json
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape

from aib.claims import CONTRADICTED, NOT_TESTED, SMALL, SUPPORTED, UNDECIDED, coverage, ledger
from aib.claims.readme import BEGIN, END, write_readme
from aib.claims.tree import show
from aib.errors import AibError
from aib.params import check, load
from aib.params.checking import ParameterError
from aib.params.claims import ClaimGroup
from aib.reporting.index import write_index

ROOT = Path(__file__).parents[2]
PARAMETERS = load(ROOT)
DIGITS = "cluttered-digits"
CONTRAST = {"study": "quick", "dataset": DIGITS, "treatment": "vgg-aib", "control": "vgg"}
FIGURE = {"study": "quick", "dataset": DIGITS, "evaluation": "localisation", "figure": "above"}
FIGURE |= {"arms": ["vgg-aib", "vgg-att"]}


def judged(tmp_path: Path, test: dict, summary: dict | None, missing: int | None = 0) -> list:
    """The ledger of one test; `missing` runs of the study that says if training was over."""
    claim = {"claim": "It works", "source": "Table 9", "tests": [test]}
    group = {"works": {"title": "Works", "claims": {"it": claim}}}
    claims = check(dict[str, ClaimGroup], group, "params/claims.yaml")
    if summary is not None:
        if missing is not None:
            (tmp_path / "quick-convergence").mkdir()
            check_summary = {"cells": {DIGITS: {"vgg": {"missing": 0}, "b": {"missing": missing}}}}
            path = tmp_path / "quick-convergence/summary.json"
            path.write_text(json.dumps(check_summary))
        folder = tmp_path / test["study"]
        folder.mkdir()
        (folder / "summary.json").write_text(json.dumps(summary))
    return ledger(PARAMETERS.model_copy(update={"claims": claims}), tmp_path)


def verdict(word: str, **changes) -> dict:
    row = {k: CONTRAST[k] for k in ("dataset", "treatment", "control")} | {"verdict": word}
    row |= {"difference": 1.2, "low": 0.7, "high": 1.7, "n_treatment": 4, "n_control": 4}
    row |= {"reason": "why", "std": 0.4}
    row |= {"seeds_needed_equivalence": 7, "seeds_needed_superiority": 9}
    return {"verdicts": [row | changes]}


@pytest.mark.parametrize(
    ("expects", "found", "word"),
    [
        ("better", "better", SUPPORTED),
        ("better", "worse", CONTRADICTED),
        ("better", "equivalent", SMALL),
        ("better", "undecided", UNDECIDED),
        ("worse", "worse", SUPPORTED),
        ("equivalent", "equivalent", SUPPORTED),
        ("equivalent", "better", CONTRADICTED),
    ],
)
def test_a_verdict_bears_on_what_the_claim_expects(tmp_path, expects, found, word):
    (finding,) = judged(tmp_path, CONTRAST | {"expects": expects}, verdict(found))
    assert finding.word == word
    assert finding.found == f"+1.20 [+0.70, +1.70] points, {found}, n = 4 and 4"
    assert ("about 7 if there is no difference" in finding.wanted) == (found == "undecided")


def test_what_was_not_reported_is_not_tested(tmp_path):
    (absent,) = judged(tmp_path, CONTRAST, None)
    assert (absent.word, absent.implemented, absent.executed) == (NOT_TESTED, True, False)
    command = "snakemake --cores all --config study=quick"
    assert absent.wanted == f"its 20 runs are not made: {command}"
    (other,) = judged(tmp_path, CONTRAST, verdict("better", treatment="vgg-att"))
    assert other.word == NOT_TESTED
    (missing,) = judged(tmp_path, {"missing": "no data"}, None)
    assert (missing.word, missing.implemented, missing.wanted) == (NOT_TESTED, False, "no data")


@pytest.mark.parametrize("found", ["better", "worse", "equivalent"])
@pytest.mark.parametrize("missing", [None, 3])
def test_no_verdict_on_accuracy_counts_before_training_is_known_to_be_over(
    tmp_path, found, missing
):
    (finding,) = judged(tmp_path, CONTRAST, verdict(found), missing)
    assert (finding.word, finding.executed) == (UNDECIDED, True)
    assert f"{found}, n = 4" in finding.found
    assert "study=quick-convergence" in finding.wanted


def test_no_runs_decide_nothing(tmp_path):
    (finding,) = judged(tmp_path, CONTRAST, verdict("undecided", difference=None, low=None))
    assert (finding.word, finding.found) == (UNDECIDED, "why")


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ((0.1, 0.3), (0.2, 0.3), SUPPORTED),
        ((0.1, 0.3), (-0.1, 0.3), UNDECIDED),
        ((0.1, 0.3), (-0.3, -0.1), UNDECIDED),  # the arms disagree
        ((-0.2, -0.1), (-0.3, -0.1), CONTRADICTED),
        ((0.1, 0.3), (None, None), UNDECIDED),  # a single run
    ],
)
def test_a_figure_needs_every_arm_on_its_side(tmp_path, first, second, word):
    arms = {
        arm: {"above": 0.1, "above_low": low, "above_high": high}
        for arm, (low, high) in zip(FIGURE["arms"], (first, second), strict=True)
    }
    summary = {
        "alpha": 0.05,
        "verdicts": [],
        "evaluations": {DIGITS: {"localisation": {"arms": arms}}},
    }
    (finding,) = judged(tmp_path, FIGURE | {"above": 0}, summary)
    assert finding.word == word


MEASURE = {"study": "cifar10-compact", "dataset": "cifar10-jpeg", "evaluation": "interpretability"}
MEASURE |= {"figure": "spatial", "treatment": "vgg-aib", "control": "vgg-att3"}


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ("higher", SUPPORTED),
        ("lower", CONTRADICTED),
        ("equivalent", SMALL),
        ("undecided", UNDECIDED),
    ],
)
def test_a_measure_bears_on_what_the_claim_expects(tmp_path, found, word):
    asked = {k: v for k, v in MEASURE.items() if k != "study"}
    row = verdict(found)["verdicts"][0] | asked
    (finding,) = judged(tmp_path, MEASURE, {"measures": [row]})
    assert (finding.word, finding.found) == (
        word,
        f"+1.20 [+0.70, +1.70] {found}, n = 4 and 4",
    )
    with pytest.raises(AibError, match="does not ask 'interpretability, energy of"):
        judged(tmp_path, MEASURE | {"figure": "energy"}, None)


def cost_summary(*seconds: tuple[str, float], devices: tuple[str, ...] = ("cpu",)) -> dict:
    arms = {"vgg": {"n": 3, "parameters": 1000}, "vgg-att": {"n": 3, "parameters": 1030}}
    runs = [
        {"dataset": DIGITS, "arms": [arm], "status": "completed", "step_seconds": value}
        | {"device": devices[i % len(devices)]}
        for i, (arm, value) in enumerate(seconds)
    ]
    return {"alpha": 0.05, "cells": {DIGITS: arms}, "runs": runs}


BASELINE = (("vgg", 10.0), ("vgg", 10.1), ("vgg", 9.9))
COST = {"study": "quick", "dataset": DIGITS, "treatment": "vgg-att", "control": "vgg"}


@pytest.mark.parametrize(
    ("seconds", "word"),
    [
        ((10.2, 10.3, 10.1), SUPPORTED),
        ((12.0, 12.1, 12.2), CONTRADICTED),
        ((10.0, 11.0, 9.5), UNDECIDED),
    ],
)
def test_seconds_are_a_ratio_with_an_interval(tmp_path, seconds, word):
    summary = cost_summary(*BASELINE, *(("vgg-att", value) for value in seconds))
    (finding,) = judged(tmp_path, COST | {"cost": "step_seconds", "below": 1.05}, summary)
    assert finding.word == word
    assert f"{np.exp(np.mean(np.log(seconds)) - np.log([10, 10.1, 9.9]).mean()):.3f} [" in (
        finding.found
    )


def test_seconds_of_several_devices_are_not_compared(tmp_path):
    runs = (*BASELINE, ("vgg-att", 5.0), ("vgg-att", 5.1), ("vgg-att", 5.2))
    summary = cost_summary(*runs, devices=("cpu", "gpu"))
    (finding,) = judged(tmp_path, COST | {"cost": "step_seconds", "below": 1.05}, summary)
    assert (finding.word, finding.wanted) == (UNDECIDED, "all runs on one device")


@pytest.mark.parametrize(("below", "word"), [(1.05, SUPPORTED), (1.01, CONTRADICTED)])
def test_parameters_are_a_ratio_without_one(tmp_path, below, word):
    test = COST | {"cost": "parameters", "below": below}
    (finding,) = judged(tmp_path, test, cost_summary())
    assert (finding.word, finding.found) == (word, "1.030 times the parameters")


def test_a_figure_of_the_arms_table(tmp_path):
    cells = {
        arm: {"optimism": 0.3, "optimism_low": low, "optimism_high": 0.4}
        for arm, low in (("vgg", 0.2), ("vgg-aib", 0.15))
    }
    test = {"study": "quick", "dataset": DIGITS, "figure": "optimism", "arms": ["vgg", "vgg-aib"]}
    summary = {"alpha": 0.05, "cells": {DIGITS: cells}}
    (finding,) = judged(tmp_path, test | {"above": 0.1}, summary)
    assert finding.word == SUPPORTED
    del cells["vgg"]["optimism_low"]
    (tmp_path / "quick/summary.json").write_text(json.dumps(summary))
    (finding,) = judged(tmp_path, test | {"above": 0.1}, None)
    assert finding.word == NOT_TESTED  # of an older report


def test_the_tree_has_every_test_with_its_leaves(tmp_path, capsys):
    findings = ledger(PARAMETERS, tmp_path)
    show(findings)
    printed = capsys.readouterr().out
    assert printed.count("✓––") + printed.count("––– ") == len(findings)
    counts = coverage(findings)
    assert f"{counts['implemented']} ({counts['implemented'] / counts['tests']:.0%})" in printed


def test_the_table_of_the_readme_has_every_claim(tmp_path):
    findings = ledger(PARAMETERS, ROOT / "reports")
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_readme(tmp_path / "README.md", findings)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| ")][1:]
    tested = {each.claim for each in findings if each.executed}
    untested = {each.claim for each in findings} - tested
    assert len(rows) == sum(each.executed for each in findings) + len(untested)
    committed = (ROOT / "README.md").read_text()
    for each in findings:
        assert each.claim in text
        assert each.claim in committed  # else: aib claims --readme
    (tmp_path / "README.md").write_text("no marks")
    with pytest.raises(AibError, match="for the ledger to stand between"):
        write_readme(tmp_path / "README.md", findings)


def test_a_question_that_no_study_asks_is_refused(tmp_path):
    with pytest.raises(AibError, match=r"does not ask 'vgg against vgg-aib'; nearest: 'vgg-aib"):
        judged(tmp_path, CONTRAST | {"treatment": "vgg", "control": "vgg-aib"}, None)
    with pytest.raises(AibError, match="has no figure 'abov'; nearest: 'above'"):
        judged(tmp_path, FIGURE | {"figure": "abov", "above": 0}, None)
    with pytest.raises(ParameterError, match="give either 'above' or 'below'"):
        judged(tmp_path, FIGURE, None)


def test_the_ledger_of_the_paper_can_be_asked(tmp_path):
    findings = ledger(PARAMETERS, tmp_path)
    counts = coverage(findings)
    asked = [finding for finding in findings if not finding.ours]
    assert len(findings) > counts["tests"] == len(asked) >= counts["implemented"] > 0
    assert (counts["executed"], counts["matches"], counts["words"]) == (0, 0, {})
    text = write_index(PARAMETERS, findings, tmp_path).read_text()
    assert all(str(escape(finding.claim)) in text for finding in findings)
    assert text.count("not run here") == len(PARAMETERS.studies)
