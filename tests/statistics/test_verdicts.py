import dataclasses
import gc
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind

from aib.statistics import Verdict, holm, judge_family, seeds_needed, tost, welch

pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(0)
BASE = np.linspace(-1, 1, 6)


@pytest.fixture(autouse=True, scope="module")
def quick():
    gc.freeze()  # statsmodels collects all garbage at every adjustment
    yield
    gc.unfreeze()


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(p_values)
@settings(max_examples=25, deadline=None)
def test_holm_is_that_of_multipletests(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@given(p_values)
@settings(max_examples=25, deadline=None)
def test_holm_by_hand(p):
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = adjusted[index] = min(1, max(largest, (len(p) - rank) * p[index]))
    assert holm(p) == pytest.approx(adjusted)


def test_holm_counts_an_impossible_test_as_one():
    assert holm([math.nan, 0.01]).tolist() == [1, 0.02]
    assert holm([]).size == 0


@pytest.mark.parametrize("margin", [0.1, 0.5, 2])
@pytest.mark.parametrize("sizes", [(2, 2), (5, 5), (4, 12)])
def test_tost_is_that_of_statsmodels(sizes, margin):
    treatment = RNG.normal(0.1, 0.3, sizes[0])
    control = RNG.normal(0, 1, sizes[1])
    oracle, _, _ = ttost_ind(treatment, control, -margin, margin, usevar="unequal")
    assert tost(treatment, control, margin) == pytest.approx(oracle)


def test_tost_without_spread_is_certain():
    assert tost([1.0, 1.0], [1.1, 1.1], 0.2) == 0
    assert tost([1.0, 1.0], [1.5, 1.5], 0.2) == 1


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_margin_is_positive(margin):
    with pytest.raises(ValueError, match="margin must be positive"):
        tost([1, 2], [1, 2], margin)


@pytest.mark.parametrize(
    ("shift", "spread", "verdict", "words"),
    [
        (3.0, 0.1, "better", "lies beyond the margin of 0.5"),
        (0.5, 0.1, "better", "reaches into the margin of 0.5"),
        (-3.0, 0.1, "worse", "can be told from 0"),
        (0.0, 0.1, "equivalent", "it is smaller than the margin of 0.5"),
        (0.2, 0.1, "equivalent", "can be told from 0, but is smaller"),
        (0.2, 1.0, "undecided", "about 78 seeds an arm would decide it"),
        (0.499, 1.0, "undecided", "more than 1000 seeds an arm"),
    ],
)
def test_verdict_and_its_words(shift, spread, verdict, words):
    (judgement,) = judge_family([(BASE * spread + shift, BASE * spread)], margin=0.5)
    assert judgement.verdict == verdict
    assert words in judgement.reason
    assert f"{shift:+.3g}" in judgement.reason
    assert "95 % interval" in judgement.reason


def test_a_judgement_says_what_it_rests_on():
    pairs = [(BASE + 2, BASE), (BASE, BASE), (BASE * 0.01, BASE * 0.01)]
    judgements = judge_family(pairs, margin=0.5, alpha=0.1)
    raw = [welch(*pair, 0.9) for pair in pairs]
    assert [judgement.difference for judgement in judgements] == [interval for interval, _ in raw]
    assert [judgement.superiority_p for judgement in judgements] == [p for _, p in raw]
    equivalence = [tost(*pair, 0.5) for pair in pairs]
    assert [judgement.equivalence_p for judgement in judgements] == equivalence
    for name in ("superiority_p", "equivalence_p"):
        adjusted = [getattr(judgement, f"{name}_holm") for judgement in judgements]
        assert adjusted == holm([getattr(judgement, name) for judgement in judgements]).tolist()
    assert {judgement.margin for judgement in judgements} == {0.5}
    assert dataclasses.asdict(judgements[0])["reason"].startswith("The difference is +2")


def test_the_family_makes_one_contrast_harder():
    contrast = (BASE + 1.2, BASE)
    (alone,) = judge_family([contrast], margin=0.2)
    among_ten, *_ = judge_family([contrast] + [(BASE, BASE)] * 9, margin=0.2)
    assert (alone.verdict, among_ten.verdict) == (Verdict.BETTER, Verdict.UNDECIDED)
    assert among_ten.superiority_p == alone.superiority_p
    assert among_ten.superiority_p_holm == pytest.approx(10 * alone.superiority_p)
    std = BASE.std(ddof=1)
    assert among_ten.seeds_needed == seeds_needed(std, std, 1.2, margin=0.2, alpha=0.05 / 10)


@pytest.mark.parametrize("arms", [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([1.0], [1.0])])
def test_too_few_runs_leave_it_undecided(arms):
    short, other = judge_family([arms, (BASE + 9, BASE)], margin=0.5)
    assert short.verdict == Verdict.UNDECIDED
    assert short.seeds_needed is None
    assert "fewer than two runs" in short.reason
    assert "margin of 0.5" in short.reason
    assert other.verdict == Verdict.BETTER


def test_an_empty_family_has_no_verdicts():
    assert judge_family([], margin=0.5) == []


def test_a_failed_run_is_refused():
    with pytest.raises(ValueError, match="treatment: value 1 of 2 is nan"):
        judge_family([([math.nan, 1], [1, 2])], margin=0.5)


values = st.lists(st.floats(-5, 5).map(lambda value: round(value, 3)), min_size=2, max_size=6)
families = st.lists(st.tuples(values, values), min_size=1, max_size=3)


@given(families)
@settings(max_examples=15, deadline=None)
def test_swapping_the_arms_turns_better_into_worse(family):
    swap = {"better": "worse", "worse": "better"}
    judgements = judge_family(family, margin=0.5)
    swapped = judge_family([(control, treatment) for treatment, control in family], margin=0.5)
    for one, other in zip(judgements, swapped, strict=True):
        assert other.verdict == swap.get(one.verdict, one.verdict)
        assert other.seeds_needed == one.seeds_needed


@given(families)
@settings(max_examples=15, deadline=None)
def test_an_undecided_contrast_needs_more_seeds_than_it_has(family):
    for (treatment, control), judgement in zip(family, judge_family(family, 0.5), strict=True):
        if judgement.seeds_needed is not None:
            assert judgement.verdict == Verdict.UNDECIDED
            assert judgement.seeds_needed > min(len(treatment), len(control))
