"""Declared questions on evaluations: judged from the runs' own figures, as one family."""

import dataclasses
from pathlib import Path

import pytest
from evaluations import ENTRIES
from records import quick_plan, write_tree
from scipy import stats

from aib.errors import AibError
from aib.params import load
from aib.params.studies import Measure
from aib.reporting.collect import collect
from aib.reporting.evaluations import tell
from aib.reporting.measures import check_measures, measure_rows
from aib.reporting.page import write_report
from aib.studies.plan import Plan
from aib.studies.plan import plan as make_plan

ROOT = Path(__file__).parents[2]
SPATIAL = Measure(
    evaluation="interpretability", figure="spatial", treatment="vgg-aib", control="vgg", margin=5
)
BITS = Measure(
    evaluation="map-information",
    figure="quantised",
    control_figure="map",
    treatment="vgg-aib-qt",
    control="vgg-aib",
    margin=0.5,
).model_copy(update={"evaluation": "map_information"})  # as made-up records name it
NO_MAP = BITS.model_copy(update={"control": "vgg", "control_figure": None})


def asking(plan: Plan, *measures: Measure) -> Plan:
    return dataclasses.replace(plan, study=plan.study.model_copy(update={"measures": measures}))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return asking(quick_plan(load(ROOT)), SPATIAL, BITS, NO_MAP)


@pytest.fixture(scope="module")
def results(plan, tmp_path_factory):
    return collect(plan, write_tree(tmp_path_factory.mktemp("results"), plan))


def test_a_measure_is_a_welch_test_of_the_runs_figures(results):
    spatial, bits, no_map = measure_rows(results)
    told = {each.name: each for each in tell(results, "cluttered-digits")}
    arms = {cell.arm: cell for cell in results.distinct("cluttered-digits")}
    for row, figures in ((spatial, ("spatial", "spatial")), (bits, ("quantised", "map"))):
        values = [
            told[row["evaluation"]].values(arms[row[side]], figure)
            for side, figure in zip(("treatment", "control"), figures, strict=True)
        ]
        test = stats.ttest_ind(*values, equal_var=False)
        interval = test.confidence_interval(0.95)
        assert row["difference"] == pytest.approx(values[0].mean() - values[1].mean())
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
        assert row["p"] == pytest.approx(test.pvalue)
        # One question of the three has no figures, and keeps its place in the family.
        assert row["p_adjusted"] >= min(1, 2 * row["p"]) - 1e-12
    assert (no_map["verdict"], no_map["difference"]) == ("undecided", None)
    assert no_map["reason"] == "No run of vgg has this figure, so there is nothing to compare."


def test_margins_are_in_the_unit_of_each_figure(plan, results):
    (bits,) = (row for row in measure_rows(results) if row["figure"] == "quantised" and row["low"])
    far = 2 * max(abs(bits["low"]), abs(bits["high"]))
    for margin, verdict in ((far, "equivalent"), (abs(bits["difference"]) / 1e3, "lower")):
        own = BITS.model_copy(update={"margin": margin})
        other = dataclasses.replace(results, plan=asking(plan, own, SPATIAL))
        assert measure_rows(other)[0]["verdict"] == verdict


def test_the_page_tells_them(results, tmp_path):
    write_report(results, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "Questions declared before the runs" in page
    assert "map_information: quantised − map" in page
    assert len((tmp_path / "tables/measures.csv").read_text().splitlines()) == 4


def test_a_figure_that_no_evaluation_tells_is_refused_before_training(plan):
    check_measures(plan, ENTRIES)
    wrong = SPATIAL.model_copy(update={"figure": "spatiall"})
    with pytest.raises(AibError, match=r"measures\.1\.figure: .* no figure 'spatiall'.*'spatial'"):
        check_measures(asking(plan, BITS, wrong), ENTRIES)


def test_an_evaluation_that_is_not_made_on_the_dataset_is_refused(plan):
    limited = ENTRIES["interpretability"].model_copy(update={"datasets": ("cifar10",)})
    with pytest.raises(AibError, match="not made on 'cluttered-digits', but on cifar10"):
        check_measures(plan, ENTRIES | {"interpretability": limited})


def test_the_declared_measures_can_be_told():
    parameters = load(ROOT)
    studies = [name for name, study in parameters.studies.items() if study.measures]
    assert studies
    for name in studies:
        check_measures(make_plan(parameters, name), parameters.evaluations)
