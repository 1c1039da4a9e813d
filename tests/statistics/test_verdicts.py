import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind

from aib.statistics import (
    Verdict,
    factorial,
    fixed_sequence,
    holm,
    judge_family,
    judge_main_effects,
    seeds_for_equivalence,
    seeds_for_superiority,
    tost,
    upper_std,
    welch,
)

pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(0)
BASE = np.linspace(-1, 1, 6)


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
        (3.0, 0.1, "better", "and the interval lies beyond the margin of 0.5"),
        (0.5, 0.1, "better", "reaches into the margin of 0.5: whether it exceeds that is not"),
        (-3.0, 0.1, "worse", "can be told from 0 (adjusted p < 0.001)"),
        (0.0, 0.1, "equivalent", "is smaller than the margin of 0.5"),
        (0.2, 0.1, "equivalent", "can be told from 0, but is smaller"),
        (0.2, 1.0, "undecided", "Neither told from 0 (adjusted p = 0.65) nor shown"),
    ],
)
def test_verdict_and_its_words(shift, spread, verdict, words):
    (judgement,) = judge_family([(BASE * spread + shift, BASE * spread)], margin=0.5)
    assert judgement.verdict == verdict
    assert words in judgement.reason


def test_a_judgement_says_what_it_rests_on():
    pairs = [(BASE + 2, BASE), (BASE, BASE), (BASE * 0.01, BASE * 0.01)]
    judgements = judge_family(pairs, margin=0.5, alpha=0.1)
    raw = [welch(*pair, 0.9) for pair in pairs]
    assert [judgement.difference for judgement in judgements] == [interval for interval, _ in raw]
    assert [judgement.superiority_p for judgement in judgements] == [p for _, p in raw]
    equivalence = [tost(*pair, 0.5) for pair in pairs]
    assert [judgement.equivalence_p for judgement in judgements] == equivalence
    for name in ("superiority_p", "equivalence_p"):
        adjusted = [getattr(judgement, f"{name}_adjusted") for judgement in judgements]
        assert adjusted == holm([getattr(judgement, name) for judgement in judgements]).tolist()
    assert {judgement.margin for judgement in judgements} == {0.5}


def test_the_family_makes_one_contrast_harder():
    contrast = (BASE + 1.2, BASE)
    (alone,) = judge_family([contrast], margin=0.2)
    among_ten, *_ = judge_family([contrast] + [(BASE, BASE)] * 9, margin=0.2)
    assert (alone.verdict, among_ten.verdict) == (Verdict.BETTER, Verdict.UNDECIDED)
    assert among_ten.superiority_p == alone.superiority_p
    assert among_ten.superiority_p_adjusted == pytest.approx(10 * alone.superiority_p)


@pytest.mark.parametrize("shift", [0, 0.3, -4])
def test_seeds_needed_come_from_the_spread_and_not_from_the_difference(shift):
    pairs = [(BASE + shift, 2 * BASE), (BASE, BASE)]
    for correction, level in (("holm", 0.025), ("fixed-sequence", 0.05)):
        judgement, _ = judge_family(pairs, margin=0.5, correction=correction)
        std = upper_std(BASE.std(ddof=1) * math.sqrt(5 / 2), 10)
        expected = seeds_for_equivalence(std, 0.5, level), seeds_for_superiority(std, 0.5, level)
        found = judgement.seeds_needed_equivalence, judgement.seeds_needed_superiority
        assert found == expected


@pytest.mark.parametrize("arms", [([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0]), ([1.0], [1.0])])
def test_too_few_runs_leave_it_undecided(arms):
    short, other = judge_family([arms, (BASE + 9, BASE)], margin=0.5)
    assert short.verdict == Verdict.UNDECIDED
    assert short.seeds_needed_equivalence is short.seeds_needed_superiority is None
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
        assert other.seeds_needed_equivalence == one.seeds_needed_equivalence


# ---------------------------------------------------------------- what data cannot carry


@pytest.mark.parametrize("shift", [0, 0.1, 9])
def test_no_spread_carries_no_verdict(shift):
    flat, other = judge_family([([90.0] * 4, [90.0 + shift] * 4), (BASE + 9, BASE)], margin=0.5)
    assert flat.verdict == Verdict.UNDECIDED
    assert "a spread of 0" in flat.reason
    assert flat.superiority_p_adjusted == flat.equivalence_p_adjusted == 1
    assert flat.seeds_needed_equivalence is None
    assert other.verdict == Verdict.BETTER
    effects = judge_main_effects([[[90.0] * 4, [90.0] * 4, [90.0 + shift] * 4, [90.0] * 4]], 0.5)
    assert {effect.verdict for effect in effects} == {Verdict.UNDECIDED}


def test_one_arm_without_spread_is_judged():
    (judgement,) = judge_family([([91.0] * 6, BASE * 0.1 + 90)], margin=0.5)
    assert judgement.verdict == Verdict.BETTER


@pytest.mark.parametrize("shift", [0, 9])
def test_images_that_are_worth_more_than_the_margin_carry_no_verdict(shift):
    pair = (BASE * 0.1 + shift, BASE * 0.1)
    (fine,) = judge_family([pair], margin=0.5, resolutions=[0.5])
    assert fine.verdict != Verdict.UNDECIDED
    (coarse,) = judge_family([pair], margin=0.5, resolutions=[0.51])
    assert coarse.verdict == Verdict.UNDECIDED
    assert "One test example is worth 0.51" in coarse.reason


def test_near_the_ceiling_nothing_is_equivalent():
    """Errors of 0.4 % and 0.5 % cannot differ by a margin of 0.75."""
    pair = (BASE * 0.05 + 99.6, BASE * 0.05 + 99.5)
    (free,) = judge_family([pair], 0.75)
    assert free.verdict == Verdict.EQUIVALENT
    (judgement,) = judge_family([pair], 0.75, ceiling=100)
    assert judgement.verdict == Verdict.UNDECIDED
    assert judgement.equivalence_p_adjusted == 1
    assert "so near the best possible value" in judgement.reason
    (effect, _) = judge_main_effects([[*pair, *pair]], 0.75, ceiling=100)
    assert effect.verdict == Verdict.UNDECIDED


def test_few_errors_are_a_ceiling_too():
    """Nine errors of 300 images, 3 %, are too few; eleven are not."""
    for errors, verdict in ((9, Verdict.UNDECIDED), (11, Verdict.EQUIVALENT)):
        arm = BASE * 0.1 + 100 - errors / 3
        (judgement,) = judge_family([(arm, arm)], 0.75, resolutions=[1 / 3], ceiling=100)
        assert judgement.verdict == verdict


def test_near_the_ceiling_an_arm_may_still_be_better():
    (judgement,) = judge_family([(BASE * 0.05 + 99.6, BASE * 0.05 + 95)], 0.75, ceiling=100)
    assert judgement.verdict == Verdict.BETTER


# ---------------------------------------------------------------- the factorial


def test_main_effects_are_judged_as_one_family():
    arms = [BASE * 0.3 + mean for mean in (90, 90.1, 87, 87.2)]
    attention, bottleneck = judge_main_effects([arms], margin=0.5)
    assert (attention.verdict, bottleneck.verdict) == (Verdict.EQUIVALENT, Verdict.WORSE)
    found = factorial(arms, 0.5)
    assert attention.difference == found.first.interval
    assert bottleneck.superiority_p == found.second.p
    assert bottleneck.superiority_p_adjusted == pytest.approx(2 * found.second.p)
    std = upper_std(found.std, 20)
    assert attention.seeds_needed_superiority == seeds_for_superiority(std, 0.5, 0.025, arms=4)


def test_two_factorials_are_one_family_of_four():
    arms = [BASE * 0.3 + mean for mean in (90, 90.1, 87, 87.2)]
    judgements = judge_main_effects([arms, arms[::-1]], margin=0.5)
    assert [judgement.strictest for judgement in judgements] == [0.0125] * 4
    assert judgements[2].difference.estimate == pytest.approx(-judgements[0].difference.estimate)


# ---------------------------------------------------------------- the fixed sequence


def test_fixed_sequence_keeps_the_largest_p_so_far():
    assert fixed_sequence([0.01, 0.04, 0.02, math.nan, 0.0]).tolist() == [0.01, 0.04, 0.04, 1, 1]
    assert fixed_sequence([]).size == 0


BETTER, EQUIVALENT = (BASE + 5, BASE), (BASE * 0.1, BASE * 0.1)
OPEN = (BASE * 0.7 + 0.3, BASE * 0.7)
TINY = (BASE * 0.1 + 0.3, BASE * 0.1)  # told from 0, and smaller than the margin


@pytest.mark.parametrize(
    ("family", "verdicts", "words"),
    [
        ([BETTER] * 3, ["better"] * 3, "told from 0"),
        ([EQUIVALENT] * 3, ["equivalent"] * 3, "smaller than"),
        ([BETTER, OPEN, BETTER], ["better", *["undecided"] * 2], "An earlier question of the seq"),
        (
            [OPEN, BETTER, EQUIVALENT],
            ["undecided"] * 3,
            "An earlier question of the sequence is un",
        ),
        ([EQUIVALENT, BETTER], ["equivalent", "undecided"], "may not be said, since an earlier"),
        ([BETTER, EQUIVALENT], ["better", "undecided"], "smaller than the margin of 0.5 may not"),
        ([EQUIVALENT, BETTER, EQUIVALENT], ["equivalent", *["undecided"] * 2], "An earlier quest"),
        ([TINY, BETTER], ["equivalent", "better"], "told from 0"),
        ([TINY, EQUIVALENT], ["equivalent", "equivalent"], "smaller than"),
        ([([1.0], [2.0]), BETTER], ["undecided"] * 2, "An earlier question of the sequence is und"),
    ],
)
def test_a_sequence_goes_on_within_one_kind_of_verdict(family, verdicts, words):
    judgements = judge_family(family, margin=0.5, correction="fixed-sequence")
    assert [judgement.verdict for judgement in judgements] == verdicts
    assert words in judgements[-1].reason


def test_a_sequence_tests_each_question_at_full_level():
    contrast = (BASE + 1.4, BASE)
    in_order = judge_family([contrast] * 8, margin=0.2, correction="fixed-sequence")
    assert {judgement.verdict for judgement in in_order} == {Verdict.BETTER}
    assert in_order[-1].superiority_p_adjusted == in_order[-1].superiority_p
    assert judge_family([contrast] * 8, margin=0.2)[0].superiority_p_adjusted > 0.05
