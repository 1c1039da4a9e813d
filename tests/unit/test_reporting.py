"""The report from made-up run records: numbers, refusals, page, figures."""

import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from evaluations import write_found
from markupsafe import escape
from records import quick_plan, write_run, write_tree
from scipy import stats

from aib import files
from aib.errors import AibError
from aib.evaluation.parts import kinds
from aib.params import load
from aib.params.studies import Contrast, Factorial, Spread
from aib.record import EVALUATION, PARTS, read
from aib.reporting import drawing, page, tables
from aib.reporting.answer import answer
from aib.reporting.arms import about
from aib.reporting.collect import collect
from aib.reporting.context import bar
from aib.reporting.evaluations import tell, teller
from aib.reporting.headline import headline_lines, verdict_words
from aib.reporting.inline import group_anchor, runs_title
from aib.reporting.summary import summarise
from aib.statistics import (
    factorial,
    fixed_sequence,
    holm,
    judge_family,
    mean_interval,
    planned_power,
    two_way_bootstrap,
)
from aib.studies.plan import Plan, plan

ROOT = Path(__file__).parents[2]
EVALUATED = (  # in the order of the made-up records
    *("interventions", "localisation", "sanity", "interpretability", "deletion"),
    *("map_information", "calibration", "corruptions", "cross_domain"),
)

DRAWN = (
    "interventions",
    "localisation",
    "sanity",
    "interpretability",
    "deletion",
    "map_information",
)
DRAWN += ("corruptions",)


@pytest.fixture(scope="module")
def parameters():
    return load(ROOT)


@pytest.fixture(scope="module")
def quick(parameters) -> Plan:
    return quick_plan(parameters)


@pytest.fixture(scope="module")
def tree(quick, tmp_path_factory) -> Path:
    """A results folder of study quick with one diverged run and both polarities."""
    return write_tree(tmp_path_factory.mktemp("results"), quick)


@pytest.fixture(scope="module")
def results(quick, tree):
    return collect(quick, tree)


@pytest.fixture(scope="module")
def report(results, parameters, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    page.write_report(results, folder, parameters.published)
    return folder


@pytest.fixture
def copied(tree, tmp_path) -> Path:
    """A copy of the results folder that a test may change."""
    return shutil.copytree(tree, tmp_path / "results")


# ---------------------------------------------------------------- collecting


def test_statistics_and_reporting_do_without_torch():
    code = (
        "import sys, aib.reporting.page, aib.reporting.reference, aib.statistics\n"
        "bad = {'torch', 'mlflow', 'snakemake', 'aib.models', 'aib.training', 'aib.data.loader'}\n"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_missing_runs_are_refused_unless_allowed(quick, copied):
    gone = copied / "runs" / quick.runs[3].folder
    shutil.rmtree(gone)
    with pytest.raises(AibError, match=r"1 of the 48 runs of study 'quick'.*snakemake") as error:
        collect(quick, copied)
    assert str(gone) in str(error.value)
    assert "\n" not in str(error.value)
    results = collect(quick, copied, allow_missing=True)
    assert [run.folder for cell in results.arms("cluttered-digits") for run in cell.missing] == [
        quick.runs[3].folder
    ]
    assert tables.failure_rows(results)[-1]["status"] == "missing"


def test_a_folder_without_runs_is_refused_even_then(quick, tmp_path):
    with pytest.raises(AibError, match="48 of the 48 runs"):
        collect(quick, tmp_path, allow_missing=True)


def change_result(folder: Path, **changes) -> None:
    path = folder / files.RESULT
    files.write_json(path, files.read_json(path) | changes)


def test_mixed_code_is_refused_unless_allowed_and_then_shown(quick, copied, tmp_path):
    change_result(copied / "runs" / quick.runs[0].folder, code_hash="07e500000000")
    with pytest.raises(AibError, match=r"2 versions of the code.*--allow-mixed-code"):
        collect(quick, copied)
    results = collect(quick, copied, allow_mixed_code=True)
    page.write_report(results, tmp_path / "report")
    text = (tmp_path / "report" / "index.html").read_text()
    assert "Mixed code." in text
    assert "07e500000000" in text


def test_mixed_data_is_always_refused(quick, copied):
    change_result(copied / "runs" / quick.runs[0].folder, data_digest="sha256:" + "0" * 64)
    with pytest.raises(AibError, match="2 versions of dataset 'cluttered-digits'"):
        collect(quick, copied, allow_mixed_code=True, allow_missing=True)


def test_a_record_in_the_wrong_folder_is_refused(quick, copied):
    change_result(copied / "runs" / quick.runs[0].folder, key="000000000000")
    with pytest.raises(AibError, match="holds spec 000000000000"):
        collect(quick, copied)


# ---------------------------------------------------------------- numbers


def errors_of(tree: Path, cell) -> np.ndarray:
    """Test errors straight from the files."""
    paths = [tree / "runs" / run.folder / files.RESULT for run in cell.runs]
    read = [json.loads(path.read_text()) for path in paths]
    return np.array(
        [100 - 100 * r["evaluation"]["mean"]["test"]["accuracy"] for r in read if "evaluation" in r]
    )


def test_summary_agrees_with_a_direct_computation(results, quick, tree):
    summary = summarise(results)
    arms = ("vgg-aib", "vgg-dvib")
    a, b = (errors_of(tree, quick.cell("cluttered-digits", arm)) for arm in arms)
    cell = summary["cells"]["cluttered-digits"]["vgg-aib"]
    assert cell["n"] == 6
    assert cell["test_error_mean"] == pytest.approx(a.mean())
    assert cell["test_error_std"] == pytest.approx(a.std(ddof=1))
    low, high = stats.t.interval(0.95, 5, a.mean(), stats.sem(a))
    assert (cell["test_error_low"], cell["test_error_high"]) == pytest.approx((low, high))
    (row,) = [r for r in summary["verdicts"] if (r["treatment"], r["control"]) == arms]
    welch = stats.ttest_ind(-a, -b, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert row["difference"] == pytest.approx(b.mean() - a.mean())
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert row["p"] == pytest.approx(welch.pvalue)
    assert row["p_adjusted"] >= row["p"]
    assert row["n_pairs"] == 6
    assert row["paired_p"] == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert row["two_way_low"] < row["difference"] < row["two_way_high"]


def test_an_ablation_is_compared_with_all_runs_of_its_arm(results):
    rows = {r["treatment"]: r for r in summarise(results)["verdicts"] if r["family"] == "ablation"}
    assert set(rows) == {
        *("vgg-aib-qt [anchors=2]", "vgg-aib-qt [anchors=5]"),
        *("vgg-aib [beta=0]", "vgg-aib [beta=0.1]"),
    }
    row = rows["vgg-aib [beta=0]"]
    assert (row["n_treatment"], row["n_control"], row["n_pairs"]) == (6, 6, 6)


def test_summary_is_plain_json_with_nested_numbers(results):
    summary = summarise(results)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert isinstance(summary["cells"]["cluttered-digits"]["vgg"]["test_error_mean"], float)


def test_polarities_are_counted_and_every_seed_is_kept(results, report):
    found = summarise(results)["evaluations"]["cluttered-digits"]["localisation"]
    assert found["arms"]["vgg-aib"]["polarity"] == "object 4, background 2"
    assert found["arms"]["vgg-aib"]["n"] == 6
    assert found["arms"]["vgg-aib"]["chosen"] > 0.8
    rows = list(csv.DictReader((report / "tables" / "localisation_runs.csv").open()))
    assert [row["seed"] for row in rows if row["arm"] == "vgg-aib"] == list("012345")


def test_an_evaluation_is_told_of_the_arms_that_it_says_something_of(results, report):
    told = {each.name: each for each in tell(results, "cluttered-digits")}
    assert list(told) == sorted(kinds(), key=list(EVALUATED).index)
    assert "vgg" not in {cell.arm for cell in told["interventions"].cells}
    assert told["interventions"].silent["vgg"] == "this network has no map"
    values = [record.numbers("calibration")["temperature"] for record in results.cells[0].counted]
    row = next(row for row in told["calibration"].rows if row["arm"] == results.cells[0].arm)
    interval = mean_interval(values)
    assert row["temperature"] == pytest.approx(interval.estimate)
    assert row["temperature_low"] == pytest.approx(interval.low)
    text = (report / "index.html").read_text()
    assert all(str(escape(each.teller.TITLE)) in text for each in told.values())


def test_evaluations_of_different_code_are_not_told_together(quick, copied):
    folder = copied / "runs" / quick.runs[0].folder
    content = files.read_json(folder / EVALUATION)
    content["calibration"]["identity"]["code"] = ["07e500000000"]
    write_found(folder, content)
    with pytest.raises(AibError, match="'calibration' has other code or parameters"):
        tell(collect(quick, copied), "cluttered-digits")


def test_a_cut_array_of_an_evaluation_is_one_line(quick, copied):
    run = next(run for run in quick.runs if run.names.model == "vgg-aib")
    path = copied / "runs" / run.folder / PARTS / "interventions.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(AibError, match=r"interventions\.npz: damaged .*run: aib evaluate"):
        read(path.parents[1]).evaluation_arrays("interventions")


def test_what_all_runs_share_has_no_interval_over_runs(results):
    told = next(each for each in tell(results, "cluttered-digits") if each.name == "calibration")
    cell = told.cells[0]
    object.__setattr__(told, "values", lambda cell, column: np.full(5, 0.5))
    found = told.interval(cell, "temperature")
    assert (found.estimate, np.isnan(found.low)) == (0.5, True)


def test_every_evaluation_has_a_teller_with_a_message(results):
    assert [teller(kind).TITLE for kind in kinds()]
    for told in tell(results, "cluttered-digits"):
        record = told.runs(told.cells[0])[0]
        assert told.columns.keys() & told.figures(record).keys()
        assert told.message.endswith(".")
    with pytest.raises(AibError, match=r"nothing\.py: missing"):
        teller("nothing")


def test_diverged_runs_are_listed_and_counted(results, report):
    assert (
        summarise(results)["cells"]["cluttered-digits"]["vgg-aib-qt [anchors=2]"]["diverged"] == 1
    )
    (row,) = csv.DictReader((report / "tables" / "failures.csv").open())
    assert (row["status"], row["epoch"], row["step"]) == ("diverged", "2", "31")
    assert "1 of 48 runs diverged" in headline_lines(summarise(results))[-1]
    assert "the loss was not finite in epoch 2, step 31" in (report / "index.html").read_text()


def test_headline_names_every_verdict(results):
    lines = headline_lines(summarise(results))
    verdicts = summarise(results)["verdicts"]
    assert len(lines) == 1 + len(verdicts) + 1
    assert all(row["verdict"] in line for row, line in zip(verdicts, lines[1:-1], strict=True))


def test_every_table_is_written(report):
    found = {path.stem for path in (report / "tables").glob("*.csv")}
    assert found == {
        *("runs", "arms", "contrasts", "ablations", "optimism", "per_class"),
        *("mcnemar", "failures", "history", "stability"),
        *(name + end for name in EVALUATED for end in ("", "_runs")),
    }
    runs = list(csv.DictReader((report / "tables" / "runs.csv").open()))
    assert len(runs) == 48
    assert sum(run["status"] == "diverged" for run in runs) == 1
    localisation = list(csv.DictReader((report / "tables" / "localisation.csv").open()))
    assert "control: centred Gaussian" in {row["arm"] for row in localisation if not row["n"]}


# ---------------------------------------------------------------- the factorial


DIGITS = "cluttered-digits"


def factorial_plan(parameters, **changes) -> Plan:
    """A study called quick with a factorial, an order of contrasts, and a planned size."""
    study = parameters.studies["quick"]
    arms = ("vgg", "vgg-att", "vgg-dvib", "vgg-aib")
    changes = {
        "seeds": tuple(range(5)),
        "margin": 0.75,
        "correction": "fixed-sequence",
        "tuned_in": None,
        "spread": Spread(std=0.6, source="earlier runs"),
        "arms": {name: study.arms[name] for name in arms},
        "factorial": Factorial(**dict(zip(Factorial.model_fields, arms, strict=True))),
        "contrasts": (
            Contrast(treatment="vgg-aib", control="vgg"),
            Contrast(treatment="vgg-aib", control="vgg-dvib"),
        ),
        "ablations": {},
    } | changes
    studies = parameters.studies | {"quick": study.model_copy(update=changes)}
    return plan(parameters.model_copy(update={"studies": studies}), "quick")


def page_text(results, folder: Path) -> str:
    """The words of a page, without its figures and tags."""
    page.write_report(results, folder)
    text = (folder / "index.html").read_text()
    text = re.sub(r"<(svg|style|script).*?</\1>", "", text, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def test_main_effects_come_first_and_are_their_own_family(parameters, tmp_path):
    made = factorial_plan(parameters)
    summary = summarise(collect(made, write_tree(tmp_path, made)))
    rows = summary["verdicts"]
    assert [(row["family"], row["treatment"], row["control"]) for row in rows] == [
        ("main effects", "attention", "no attention"),
        ("main effects", "bottleneck", "no bottleneck"),
        ("main", "vgg-aib", "vgg"),
        ("main", "vgg-aib", "vgg-dvib"),
    ]
    errors = [errors_of(tmp_path, made.cell(DIGITS, arm)) for arm in made.study.arms]
    found = factorial([100 - error for error in errors], 0.75)
    for row, effect in zip(rows[:2], (found.first, found.second), strict=True):
        assert row["difference"] == pytest.approx(effect.interval.estimate)
        assert (row["low"], row["high"]) == pytest.approx(
            (effect.interval.low, effect.interval.high)
        )
        assert (row["n_treatment"], row["n_control"], row["family_size"]) == (10, 10, 2)
    contrasts = rows[2:]
    for name in ("p", "tost_p"):
        raw = [row[name] for row in contrasts]
        adjusted = [row[f"{name}_adjusted"] for row in contrasts]
        assert adjusted == pytest.approx(fixed_sequence(raw).tolist())
        assert adjusted != pytest.approx(holm(raw).tolist())
    (interaction,) = summary["interactions"]
    assert interaction["interaction"] == pytest.approx(found.interaction.interval.estimate)
    assert summary["power"]["main_effects"] == pytest.approx(
        planned_power(made.study)["main_effects"]
    )
    assert summary["power"]["std_seen"][DIGITS] == pytest.approx(found.std)
    lines = headline_lines(summary)
    assert "attention against no attention on cluttered-digits" in lines[1]
    assert lines[5].startswith("  not judged interaction of attention and bottleneck")


def test_the_page_of_a_factorial(parameters, tmp_path):
    made = factorial_plan(parameters)
    results = collect(made, write_tree(tmp_path, made))
    text = page_text(results, tmp_path / "report")
    order = ("Main effects", "Reported, not judged", "The main question", "Power as planned")
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "in the declared order: a question is open" in text
    assert "uses the weights of the last epoch, whatever weights" in text
    assert str(escape(answer(summarise(results)))) in text
    tables_found = {path.stem for path in (tmp_path / "report" / "tables").glob("*.csv")}
    assert {"main_effects", "interactions", "contrasts"} <= tables_found
    contrasts = csv.DictReader((tmp_path / "report" / "tables" / "contrasts.csv").open())
    assert {row["family"] for row in contrasts} == {"main"}


def test_a_factorial_without_an_arm_is_undecided(parameters, tmp_path):
    made = factorial_plan(parameters)
    for run in made.runs:
        write_run(tmp_path, run, diverged=run.names.model == "vgg-att")
    results = collect(made, tmp_path)
    text = page_text(results, tmp_path / "report")
    for row in summarise(results)["verdicts"][:2]:
        assert (row["verdict"], row["difference"]) == ("undecided", None)
        assert row["reason"] == "No run of vgg-att is counted, so there is nothing to compare."
    assert "an arm has no run. Reported, not judged." in text


@pytest.mark.parametrize(("share", "n"), [("kept", 5), ("left-out", 4)])
def test_collapsed_runs_are_told_of(parameters, tmp_path, share, n):
    made = factorial_plan(parameters, collapsed=share)
    write_tree(tmp_path, made)
    gone = next(run for run in made.runs if run.names.model == "vgg-aib")
    change_result(tmp_path / "runs" / gone.folder, status="collapsed", reason="the rate is 0")
    results = collect(made, tmp_path)
    summary = summarise(results)
    assert [row["n_treatment"] for row in summary["verdicts"]] == [5 + n, 5 + n, n, n]
    fate = {"kept": "(kept)", "left-out": "(left out, as declared)"}[share]
    assert f"vgg-aib collapsed in 1 of 5 runs {fate}." in summary["verdicts"][-1]["reason"]
    assert summary["cells"][DIGITS]["vgg-aib"]["collapsed"] == 1
    text = page_text(results, tmp_path / "report")
    assert "collapsed in 1 of 5" in text
    evaluated = summary["evaluations"][DIGITS]["calibration"]["arms"]["vgg-aib"]
    assert evaluated["collapsed"] == (share == "kept")
    assert ("1 collapsed" in text) == (share == "kept")
    assert "declared runs finished, 1 of them collapsed" in text
    assert "  1 of 20 runs collapsed" in headline_lines(summary)


def test_comparisons_use_the_declared_checkpoint(parameters, tmp_path):
    """The kept weights are of another epoch: their predictions are not compared."""
    made = factorial_plan(parameters, checkpoint="best_validation")
    results = collect(made, write_tree(tmp_path, made))
    cell = results.cell(DIGITS, "vgg")
    best = [record.result["figures"]["best_validation"] for record in cell.counted]
    mean = 100 - 100 * np.mean([figures["test_accuracy"] for figures in best])
    summary = summarise(results)
    assert summary["cells"][DIGITS]["vgg"]["test_error_mean"] == pytest.approx(mean)
    assert summary["verdicts"][-1]["two_way_low"] is None
    found = tables.make_tables(results)
    assert "mcnemar" not in found
    assert {"last_accuracy", "best_validation_accuracy", "best_test_accuracy"} <= set(
        found["optimism"][0]
    )
    text = page_text(results, tmp_path / "report")
    assert "uses the weights of the best epoch on validation" in text
    assert "its predictions are not of the weights compared" in text


def test_runs_without_a_validation_split(parameters, tmp_path):
    made = factorial_plan(parameters)
    write_tree(tmp_path, made)
    for run in made.runs:
        folder = tmp_path / "runs" / run.folder
        figures = files.read_json(folder / files.RESULT)["figures"]
        change_result(folder, figures=figures | {"best_validation": None})
    text = page_text(collect(made, tmp_path), tmp_path / "report")
    assert "– under best validation: no validation split" in text


def test_scores_on_validation_are_not_called_test_scores(parameters, tmp_path):
    made = factorial_plan(parameters)
    cells = tuple(
        dataclasses.replace(
            cell,
            runs=tuple(
                run.model_copy(
                    update={"evaluation": run.evaluation.model_copy(update={"split": "validation"})}
                )
                for run in cell.runs
            ),
        )
        for cell in made.cells
    )
    made = dataclasses.replace(made, cells=cells)
    for run in made.runs:
        folder = write_run(tmp_path, run)
        figures = files.read_json(folder / files.RESULT)["figures"]
        validation = {
            name: value
            | {"validation_rate": value["test_rate"]}
            | {"validation_cross_entropy": value["test_cross_entropy"]}
            for name, value in figures.items()
        }
        change_result(folder, scored="validation", figures=validation | {"best_test": None})
        history = [
            {key: value for key, value in json.loads(line).items() if not key.startswith("test")}
            for line in (folder / files.METRICS).read_text().splitlines()
        ]
        for line in history:
            line["validation_cross_entropy"] = 0.3
        files.write_history(folder / files.METRICS, history)
        seal = files.read_json(folder / files.RESULT)["files"]
        digest = files.file_sha256(folder / files.METRICS)
        change_result(folder, files=seal | {files.METRICS: digest})
    text = page_text(collect(made, tmp_path), tmp_path / "report")
    assert "points of validation accuracy" in text
    drawn = {path.stem: path.read_text() for path in (tmp_path / "report").glob("figures/*.svg")}
    assert "difference in validation accuracy" in drawn[f"differences-{DIGITS}"]
    for name in ("runs", "learning"):
        assert "validation error" in drawn[f"{name}-{DIGITS}"]
    assert not [name for name, svg in drawn.items() if re.search("test (error|accuracy)", svg)]
    assert "validation error, %" in text
    for words in ("points of test accuracy", "Test error", "difference in test accuracy"):
        assert words not in text
    assert "test error, %" not in text


def test_images_of_one_source_are_drawn_together(parameters, tmp_path):
    made = factorial_plan(parameters)
    write_tree(tmp_path, made)
    plain = summarise(collect(made, tmp_path))["verdicts"][-1]
    sources = np.random.default_rng(0).integers(0, 40, 400)
    packed = tmp_path / "packed"  # evidence; prepared data are hashed first
    (packed / "data" / DIGITS).mkdir(parents=True)
    np.save(packed / "data" / DIGITS / "test_sources.npy", sources)
    results = collect(made, tmp_path, elsewhere=packed)
    row = summarise(results)["verdicts"][-1]
    right = [
        np.stack(
            [
                record.predictions["predicted"] == record.predictions["labels"]
                for record in results.cell(DIGITS, arm).counted
            ]
        )
        for arm in ("vgg-aib", "vgg-dvib")
    ]
    found = two_way_bootstrap(*right, np.random.default_rng(0), groups=sources)
    assert row["two_way_low"] == pytest.approx(100 * found.low)
    assert row["two_way_low"] != pytest.approx(plain["two_way_low"])
    without = dataclasses.replace(results, groups={DIGITS: None})
    clustered, alone = (
        [test["p"] for test in tables.make_tables(each)["mcnemar"]] for each in (results, without)
    )
    assert clustered != alone


def test_sources_of_other_images_are_refused(parameters, tmp_path):
    made = factorial_plan(parameters)
    write_tree(tmp_path, made)
    packed = tmp_path / "packed"  # evidence; prepared data are hashed first
    (packed / "data" / DIGITS).mkdir(parents=True)
    np.save(packed / "data" / DIGITS / "test_sources.npy", np.arange(399))
    with pytest.raises(AibError, match=r"sources of 399 test images, and the runs predicted 400"):
        summarise(collect(made, tmp_path, elsewhere=packed))


def test_a_small_test_set_and_a_ceiling_carry_no_verdict(parameters, tmp_path):
    """400 images are worth 0.25 points each, and ten errors are 2.5 %."""
    made = factorial_plan(parameters, margin=0.2)
    root = write_tree(tmp_path / "results", made)
    rows = summarise(collect(made, root))["verdicts"]
    assert {row["verdict"] for row in rows} == {"undecided"}
    assert "One test example is worth 0.25" in rows[0]["reason"]
    made = factorial_plan(parameters, margin=20.0)
    for run in made.runs:
        folder = root / "runs" / run.folder
        figures = files.read_json(folder / files.RESULT)["figures"]
        figures["last"]["test_accuracy"] = 0.99 + 0.001 * (run.seed % 2)
        change_result(folder, figures=figures)
    rows = summarise(collect(made, root))["verdicts"]
    assert {row["verdict"] for row in rows} == {"undecided"}
    assert "so near the best possible value" in rows[0]["reason"]


def test_the_page_claims_no_more_of_the_loss_than_it_does(parameters, tmp_path):
    made = factorial_plan(parameters)
    results = collect(made, write_tree(tmp_path, made))
    text = page_text(results, tmp_path / "report")
    assert "The loss charges for the rate of z alone" in text
    assert "from single samples of z" in text
    for words in ("pays for every bit", "pay for every bit", "Hedges", "P(A"):
        assert words not in text


# ---------------------------------------------------------------- page and figures


class Links(HTMLParser):
    """Ids, links and sources of a page."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.sources, self.svg_titles = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids += [values["id"]] if "id" in values else []
        followed = [values[k] for k in ("href", "xlink:href") if k in values]
        if tag == "image":
            self.sources += followed
        else:
            self.links += followed
        self.sources += [values["src"]] if "src" in values else []
        self.svg_titles += tag == "title"


@pytest.fixture(scope="module")
def links(report) -> Links:
    parser = Links()
    parser.feed((report / "index.html").read_text())
    return parser


def test_the_page_is_self_contained_and_its_links_lead_somewhere(report, links):
    text = (report / "index.html").read_text()
    assert len(text) < 1_500_000
    assert all(source.startswith("data:image/png;base64,") for source in links.sources)
    assert not re.search(r"@import|<script [^>]|<link|fetch\(|import\(|XMLHttpRequest", text)
    assert text.count("<script>") == 1
    assert not re.search(r"url\((?!#)", text)
    for link in links.links:
        assert not re.match(r"[a-z]+:", link), link
        if link.startswith("#"):
            assert link[1:] in links.ids, link
        elif link != "../index.html":  # of all studies, beside any report
            assert (report / link).exists(), link


def test_ids_are_unique_but_for_those_matplotlib_repeats(links):
    repeated = {name for name in links.ids if links.ids.count(name) > 1}
    assert not {name for name in repeated if name.startswith("cluttered-digits")}


def test_the_page_begins_with_the_verdicts(report):
    text = (report / "index.html").read_text()
    sections = re.findall(r'<section id="([a-z]+)"', text)
    assert sections == [
        *("arms", "maps", "verdicts", "figures", "numbers", "evaluations", "declared", "protocol"),
        *("published", "cost", "failures", "provenance", "reading", "runs"),
    ]


def test_numbers_and_points_lead_to_their_runs(report, links, results):
    text = (report / "index.html").read_text()
    cell = results.cell("cluttered-digits", "vgg")
    assert f'href="#{group_anchor(cell)}" title="{runs_title(cell)}"' in text
    assert "seeds 0, 1, 2, 3, 4, 5; code c0ffee123456; data d1d1d1d1d1d1" in text
    assert links.svg_titles > 60  # the points, and the page's own title


def test_every_figure_is_made(report):
    found = {path.name for path in (report / "figures").iterdir()}
    assert found == {
        "runs-cluttered-digits.svg",
        "differences-cluttered-digits.svg",
        "ablation-anchors-cluttered-digits.svg",
        "ablation-beta-cluttered-digits.svg",
        "learning-cluttered-digits.svg",
        "information-cluttered-digits.svg",
        "anchors-cluttered-digits.svg",
        "gallery-cluttered-digits.svg",
        "glance-cluttered-digits.svg",
        "filmstrip-cluttered-digits.svg",
        "stability-cluttered-digits.svg",
        "agreement-cluttered-digits.svg",
        "map_information-anchors-cluttered-digits.svg",
        *(f"{kind}-cluttered-digits.svg" for kind in DRAWN),
    }
    svg = (report / "figures" / "runs-cluttered-digits.svg").read_text()
    assert "<text" in svg  # letters stay letters
    assert "dc:date" not in svg


def test_every_kind_of_model_has_a_colour():
    models = load(ROOT).models.values()
    kinds = {(m.has_map, m.has_rate, m.anchor_count is not None) for m in models}
    assert kinds <= drawing.COLOURS.keys()
    assert len(set(drawing.COLOURS.values())) == len(drawing.COLOURS)


def test_an_arm_has_one_colour_whatever_its_ablation(results):
    cells = results.distinct("cluttered-digits")
    by_model = {(cell.model, drawing.colour(cell)) for cell in cells}
    assert len(by_model) == len({drawing.colour(cell) for cell in cells}) == 4


def test_writing_twice_gives_the_same_bytes_and_no_leftovers(results, report, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.svg").write_text("old")
    page.write_report(results, tmp_path)
    names = {path.relative_to(report) for path in report.rglob("*") if path.is_file()}
    assert names == {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert all((report / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_real_images_two_seeds_no_ablation_no_masks(parameters, tmp_path):
    smoke = plan(parameters, "cifar10-smoke")
    for run in smoke.runs:
        folder = write_run(tmp_path, run)
        (folder / EVALUATION).unlink()
    summary = page.write_report(collect(smoke, tmp_path), tmp_path / "report")
    assert len(summary["verdicts"]) == 1
    text = (tmp_path / "report" / "index.html").read_text()
    assert 'id="evaluations"' not in text
    assert "airplane" in text
    assert {path.stem for path in (tmp_path / "report" / "figures").iterdir()} == {
        *("runs-cifar10-jpeg", "differences-cifar10-jpeg", "learning-cifar10-jpeg"),
        *("information-cifar10-jpeg", "anchors-cifar10-jpeg", "gallery-cifar10-jpeg"),
        *("filmstrip-cifar10-jpeg", "stability-cifar10-jpeg"),
    }


def test_an_arm_whose_runs_all_diverged(parameters, tmp_path):
    smoke = plan(parameters, "cifar10-smoke")
    for run in smoke.runs:
        write_run(tmp_path, run, diverged=run.names.model == "vgg-aib-qt")
    results = collect(smoke, tmp_path)
    summary = page.write_report(results, tmp_path / "report", parameters.published)
    (row,) = summary["verdicts"]
    assert row["verdict"] == "undecided"
    assert row["difference"] is None
    assert row["reason"] in (tmp_path / "report" / "index.html").read_text()
    assert row["reason"] in headline_lines(summary)[1]


def test_a_study_whose_runs_all_diverged(parameters, tmp_path):
    smoke = plan(parameters, "cifar10-smoke")
    for run in smoke.runs:
        write_run(tmp_path, run, diverged=True)
    summary = page.write_report(collect(smoke, tmp_path), tmp_path / "report")
    assert summary["cells"]["cifar10-jpeg"]["vgg"] == {
        **summary["cells"]["cifar10-jpeg"]["vgg"],
        **{"n": 0, "diverged": 2},
    }


def asked(verdict: str, difference: float | None = 0.2, **more) -> dict:
    """A row of the summary as the answer reads it."""
    row = {"family": "main", "treatment": "a", "control": "b", "dataset": "d", "margin": 1.0}
    ends = {} if difference is None else {"low": difference - 0.5, "high": difference + 0.5}
    return row | {"verdict": verdict, "difference": difference} | ends | more


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([asked("undecided")] * 2, ["Not decided.", "stays open", "no finding of “no effect”"]),
        ([asked("better", 2.0)], ["More accurate.", "(+2.00 points [+1.50, +2.50]) raises test"]),
        ([asked("equivalent")], ["No difference that matters.", "by less than 1 point, if at all"]),
        ([asked("equivalent", -0.001)], ["(+0.00 points [−0.50, +0.50])"]),
        ([asked("undecided", None)], ["a in place of b (not measured)"]),
        ([asked("worse", -2.0), asked("undecided")], ["lowers test accuracy; whether using a in"]),
        (
            [asked("equivalent", -0.2)] * 4 + [asked("better", 2.0)],
            ["Of 5 comparisons 1 is more accurate and 4 are different by less than 1 point"],
        ),
        (
            [asked("better", 2.0), asked("equivalent", family="ablation")],
            ["raises test accuracy. Of 1 varied settings 1 is different by less than 1 point"],
        ),
        ([], ["compares nothing"]),
    ],
)
def test_the_answer_is_honest_and_has_its_size(rows, words):
    text = answer({"verdicts": rows, "split": "test"})
    assert all(each in text for each in words), text
    decided = any(row["verdict"] in ("better", "worse", "equivalent") for row in rows)
    assert decided or not re.search("raise|lower|matters|accurate", text)


def test_main_effects_are_answered_before_pairs():
    part = {"family": "main effects", "treatment": "bottleneck", "control": "no bottleneck"}
    rows = [asked("worse", -2.0, **part), asked("better")]
    text = answer({"verdicts": rows, "split": "validation"})
    assert text.startswith("Less accurate. An information bottleneck (−2.00 points")
    assert "validation accuracy" in text
    assert "in place of" not in text


def test_an_arm_is_told_by_its_parts_and_its_own_settings(results):
    told = {cell.arm: about(results, cell) for cell in results.distinct("cluttered-digits")}
    assert told["vgg"] == "nothing added"
    assert told["vgg-aib"] == "a map of where to look and an information bottleneck (beta 0.01)"
    assert told["vgg-aib-qt [anchors=2]"].startswith("a map of where to look in 2 levels")
    assert "anchors" not in told["vgg-aib-qt [anchors=2]"]
    assert told["vgg-aib [beta=0.1]"].endswith("(beta 0.1)")


def test_a_bar_that_is_cut_says_so():
    rows = [asked("undecided", low=-40.0, high=0.5), asked("undecided", low=-1.0, high=2.0)]
    assert bar(rows[0], rows)["cut"] == ["left"]
    assert bar(rows[0], rows)["low"] == 0
    far = asked("undecided", -12.0, low=-40.0, high=0.5)
    assert (bar(far, rows)["has_point"], bar(rows[0], rows)["has_point"]) == (False, True)
    assert bar(rows[1], rows)["cut"] == []


def test_marks_and_rows_carry_their_arm(report, results):
    text = (report / "index.html").read_text()
    arms = {cell.arm for cell in results.distinct("cluttered-digits")}
    named = re.findall(r'<(tr|tbody|g) [^>]*data-arm="([^"]+)"', text)
    assert {arm for _, arm in named} == arms
    assert {tag for tag, _ in named} == {"tr", "tbody", "g"}
    assert drawing.OF_ARM not in text


def test_a_map_in_a_figure_leads_to_its_run(report, results):
    svg = (report / "figures" / "gallery-cluttered-digits.svg").read_text()
    cell = results.cell("cluttered-digits", "vgg-aib")
    anchor = drawing.run_anchor(cell.counted[0])
    found = re.findall(rf'<a xlink:href="[^"]*#{anchor}"[^>]*><title>[^<]+</title>\s*<image', svg)
    assert len(found) > 3


def test_a_bound_below_the_margin_is_said():
    runs = np.linspace(-1, 1, 6)
    for shift, words in ((1.4, "is not settled"), (4, "beyond the margin of 1")):
        (judged,) = judge_family([(runs + shift, runs)], margin=1.0)
        row = {"treatment": "a", "control": "b", "margin": 1.0, "verdict": str(judged.verdict)}
        row |= {"difference": -shift, "low": -shift - 1, "high": 1 - shift}
        found = verdict_words(row | {"reason": judged.reason}, 0.05)
        assert words in found["rest"]
        assert f"−{shift:.2f} points of test accuracy" in found["found"]
