"""Seeds in blocks, on made-up records: what is due, what a look says, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from evaluations import ENTRIES
from records import quick_plan, write_run

from aib import files
from aib.errors import AibError
from aib.evidence import unpack, write
from aib.params import load
from aib.params.studies import Contrast, Factorial, Looks
from aib.reporting.collect import collect
from aib.reporting.looks import check_looks, take_look
from aib.reporting.page import write_report
from aib.reporting.summary import summarise
from aib.statistics import judge_family
from aib.statistics.group_sequential import plan_looks
from aib.studies.blocks import LOOKS, asked, check_over, due, next_look, taken
from aib.studies.plan import Plan

ROOT = Path(__file__).parents[2]
AFTER = (4, 6)
DIGITS = "cluttered-digits"


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Four contrasts and four values of ablations, at a level that decides some of them early."""
    return with_looks(quick_plan(load(ROOT)))


def with_looks(made: Plan, **changes) -> Plan:
    changes = {"looks": Looks(after=AFTER, spending="obrien-fleming"), "alpha": 0.2} | changes
    return replace(made, study=made.study.model_copy(update=changes))


def write_due(plan: Plan, root: Path) -> Path:
    """The runs of the block that is due, unless they are there."""
    for run in due(plan, taken(plan, root)).runs:
        if not (root / "runs" / run.folder).exists():
            write_run(root, run)
    return root


def through(plan: Plan, root: Path) -> list[list[str]]:
    """Block by block until all is decided; what the looks said."""
    said = []
    while next_look(plan, taken(plan, root)):
        said.append(take_look(plan, write_due(plan, root), root))
    return said


def seeds(plan: Plan) -> dict[str, int]:
    return {cell.arm: len(cell.runs) for cell in plan.cells}


def verdicts(lines: list[str]) -> dict[str, str]:
    found = (line.split(" on ")[0].split(maxsplit=1) for line in lines if line.startswith("  "))
    return {question: word for word, question in found}


def test_a_decided_question_stops_the_arms_that_no_open_one_needs(plan, tmp_path):
    assert set(seeds(due(plan, ())).values()) == {4}
    first, second = through(plan, tmp_path)
    decided = {q: word for q, word in verdicts(first).items() if word != "undecided"}
    assert decided == {
        "vgg-aib against vgg": "better",
        "vgg-aib-qt against vgg": "better",
        "vgg-aib [beta=0.1] against vgg-aib": "worse",
    }
    assert len(verdicts(first)) == len(asked(plan)) == 8
    assert verdicts(first).keys() - verdicts(second).keys() == decided.keys()  # not asked again
    after = seeds(due(plan, taken(plan, tmp_path)[:1]))
    assert {arm for arm, count in after.items() if count == 4} == {"vgg", "vgg-aib [beta=0.1]"}
    # The ablation's own value is the arm itself, and goes on with it.
    assert after["vgg-aib [beta=0.01]"] == after["vgg-aib"] == 6
    trained = {path.parent for path in tmp_path.rglob(files.RESULT)}
    assert len(trained) == len(plan.runs) - 2 * 2
    assert due(plan, taken(plan, tmp_path)).runs == due(plan, taken(plan, tmp_path)[:1]).runs
    check_over(plan, taken(plan, tmp_path))


def test_the_report_judges_each_question_by_the_runs_of_its_look(plan, tmp_path):
    through(plan, tmp_path)
    looks = taken(plan, tmp_path)
    results = collect(due(plan, looks), tmp_path)
    check_looks(results, looks, tmp_path)
    rows = {(row["treatment"], row["control"]): row for row in summarise(results)["verdicts"]}
    for look in looks:
        for word in look.questions:
            row = rows[word.treatment, word.control]
            if word.verdict != "undecided":
                assert (row["verdict"], row["seeds"]) == (word.verdict, look.seeds)
                assert row["low"] == word.low
    early = rows["vgg-aib", "vgg"]
    assert (early["look"], early["n_treatment"], early["n_control"], early["n_pairs"]) == (1,) + (
        4,
    ) * 3
    assert early["reason"].endswith("Look 1 of 2, 4 seeds an arm.")
    values = [results.cell(DIGITS, arm).values("accuracy")[:4] for arm in ("vgg-aib", "vgg")]
    look = plan_looks(AFTER, 0.2, 4)[0]
    (judged,) = judge_family([values], plan.study.margin, 0.2, look=look)
    assert early["difference"] == pytest.approx(judged.difference.estimate)
    assert early["high"] == pytest.approx(judged.difference.high)
    assert early["p_adjusted"] == pytest.approx(judged.superiority_p_adjusted)
    summary = write_report(results, tmp_path / "page")
    text = (tmp_path / "page/index.html").read_text()
    assert "80 % repeated interval" in text
    assert "after 4, 6 seeds an arm the open questions are judged" in text
    assert f"all {len(summary['runs'])} runs that were due finished" in text
    assert all(arm["missing"] == 0 for arm in summary["cells"][DIGITS].values())


def test_the_main_effects_need_all_four_arms(tmp_path):
    made = quick_plan(load(ROOT))
    arms = Factorial(neither="vgg", attention="vgg-dvib", bottleneck="vgg-aib", both="vgg-aib-qt")
    contrast = (Contrast(treatment="vgg-dvib", control="vgg"),)
    made = with_looks(
        made, factorial=arms, contrasts=contrast, ablations={}, alpha=0.05, margin=0.5
    )
    cells = tuple(cell for cell in made.cells if cell.ablation is None)
    made = replace(made, cells=cells, questions=made.questions[:1])
    assert [q.key[2:] for q in asked(made)][:2] == [
        ("attention", "no attention"),
        ("bottleneck", "no bottleneck"),
    ]
    first, second = through(made, tmp_path)
    words = verdicts(first)
    assert words["bottleneck against no bottleneck"] == "better"
    assert words["attention against no attention"] == "undecided"
    assert "bottleneck against no bottleneck" not in verdicts(second)
    assert set(seeds(due(made, taken(made, tmp_path))).values()) == {6}
    results = collect(due(made, taken(made, tmp_path)), tmp_path)
    rows = {row["treatment"]: row for row in summarise(results)["verdicts"]}
    assert [rows[part]["n_treatment"] for part in ("attention", "bottleneck")] == [12, 8]


def test_a_look_is_taken_once_in_order_and_of_all_its_runs(plan, tmp_path):
    with pytest.raises(AibError, match=r"runs of the block are missing, first .*seed-0: .* block "):
        take_look(plan, tmp_path, tmp_path)
    write_due(plan, tmp_path)
    with pytest.raises(AibError, match=r"look 2 cannot be taken: .* look 1 of 2.* is due"):
        take_look(plan, tmp_path, tmp_path, number=2)
    assert not (tmp_path / LOOKS).exists()
    said = take_look(plan, tmp_path, tmp_path, number=1)
    written = (tmp_path / LOOKS).read_bytes()
    assert take_look(plan, tmp_path, tmp_path, number=1) == said
    with pytest.raises(AibError, match="runs of the block are missing"):
        take_look(plan, tmp_path, tmp_path)
    with pytest.raises(AibError, match=r"look 2 of 2, after 6 seeds an arm, is due; run: "):
        check_over(plan, taken(plan, tmp_path))
    assert (tmp_path / LOOKS).read_bytes() == written
    last = take_look(plan, write_due(plan, tmp_path), tmp_path)
    assert "no further block is due" in last[-1]
    assert take_look(plan, tmp_path, tmp_path) == last
    with pytest.raises(AibError, match="look 3 cannot be taken"):
        take_look(plan, tmp_path, tmp_path, number=3)
    # Deleted and taken again, it is the same.
    written = (tmp_path / LOOKS).read_bytes()
    (tmp_path / LOOKS).unlink()
    through(plan, tmp_path)
    assert (tmp_path / LOOKS).read_bytes() == written


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": 0.1},
        {"margin": 0.9},
        {"looks": Looks(after=(3, 6), spending="obrien-fleming")},
        {"looks": None},
        {"checkpoint": "best_test"},
        {"collapsed": "left-out"},
        {"seeds": (0, 1, 2, 3, 4, 6)},
    ],
)
def test_a_study_that_was_edited_after_a_look_is_refused(plan, tmp_path, changes):
    take_look(plan, write_due(plan, tmp_path), tmp_path)
    edited = replace(plan, study=plan.study.model_copy(update=changes))
    with pytest.raises(AibError, match=r"looks\.json: was taken before .* was changed"):
        taken(edited, tmp_path)


def test_other_arms_or_questions_after_a_look_are_refused(plan, tmp_path):
    take_look(plan, write_due(plan, tmp_path), tmp_path)
    taken(replace(plan, study=plan.study.model_copy(update={"title": "Another"})), tmp_path)
    with pytest.raises(AibError, match="was changed"):
        taken(replace(plan, questions=plan.questions[1:]), tmp_path)
    first = plan.cells[0]
    other = first.runs[0].model_copy(
        update={"training": first.runs[0].training.model_copy(update={"epochs": 99})}
    )
    cells = (replace(first, runs=(other, *first.runs[1:])), *plan.cells[1:])
    with pytest.raises(AibError, match="was changed"):
        taken(replace(plan, cells=cells), tmp_path)


def test_a_damaged_file_of_looks_is_one_line(plan, tmp_path):
    take_look(plan, write_due(plan, tmp_path), tmp_path)
    text = (tmp_path / LOOKS).read_text()
    for old, new, told in (
        ('"better"', '"bettter"', "nearest: 'better'"),
        ('"declaration"', '"declared"', "unknown key 'declared'"),
        ("{", "", "not JSON"),
    ):
        (tmp_path / LOOKS).write_text(text.replace(old, new, 1))
        with pytest.raises(AibError, match=told) as error:
            taken(plan, tmp_path)
        assert "\n" not in str(error.value)


def test_runs_that_say_another_word_are_refused(plan, tmp_path):
    through(plan, tmp_path)
    text = (tmp_path / LOOKS).read_text()
    for old, new, told in (
        ('"better"', '"worse"', "was worse after 4 seeds; .* it is better after 4 seeds"),
        ('"better"', '"undecided"', "was undecided; .* it is better after 4 seeds"),
        ('"undecided"', '"better"', "was better after 4 seeds; .* it is "),
    ):
        (tmp_path / LOOKS).write_text(text.replace(old, new, 1))
        looks = taken(plan, tmp_path)
        results = collect(due(plan, looks), tmp_path, allow_missing=True)
        with pytest.raises(AibError, match=told):
            check_looks(results, looks, tmp_path)


def test_evidence_has_the_looks_and_gives_the_same_report(plan, tmp_path):
    folder = tmp_path / "reports/quick"
    folder.mkdir(parents=True)
    while next_look(plan, taken(plan, folder)):
        for run in due(plan, taken(plan, folder)).runs:
            if not (tmp_path / "runs" / run.folder).exists():
                write_run(tmp_path, run)
        take_look(plan, tmp_path, folder)
    part = due(plan, taken(plan, folder))
    path = folder / "evidence/runs.tar.xz"
    assert write(part, ENTRIES, tmp_path, path).here == len(part.runs) < len(plan.runs)
    unpack(path, "quick", tmp_path / "unpacked")
    again = due(plan, taken(plan, tmp_path / "unpacked"))
    assert again.runs == part.runs
    rows = [
        summarise(collect(again, *roots))["verdicts"]
        for roots in ((tmp_path,), (tmp_path / "none", False, False, tmp_path / "unpacked"))
    ]
    assert rows[0] == rows[1]


def test_a_study_without_looks_is_judged_as_ever(tmp_path):
    made = quick_plan(load(ROOT))
    assert due(made, ()) is made
    assert next_look(made, ()) is None
    with pytest.raises(AibError, match="declares no 'looks'"):
        take_look(made, tmp_path, tmp_path)
    for run in made.runs:
        write_run(tmp_path, run)
    rows = summarise(collect(made, tmp_path))["verdicts"]
    assert not any({"look", "seeds"} & row.keys() for row in rows)
