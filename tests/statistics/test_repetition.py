"""A study beside its repetition: by hand, and in made-up repetitions with a known truth."""

import math

import numpy as np
import pytest
from scipy import stats

from aib.statistics.repetition import Arm, own_pools, pairs, pools, shift

ARMS = ("neither", "attention", "bottleneck", "both", "other")
QUESTIONS = [
    *({arm: 1.0} for arm in ARMS),
    {"neither": -0.5, "attention": 0.5, "bottleneck": -0.5, "both": 0.5},
    {"neither": -0.5, "attention": -0.5, "bottleneck": 0.5, "both": 0.5},
    {"both": 1.0, "neither": -1.0},
]


def arm(found, expected) -> Arm:
    return Arm(np.array(found, dtype=float), np.array(expected, dtype=float))


def drawn(rng, stds=(1,) * 5, n=4, moved=None) -> dict[str, Arm]:
    """Both sides of five arms; `moved` adds to an arm of the repetition."""
    return {
        name: Arm(rng.normal((moved or {}).get(name, 0), std, n), rng.normal(0, std, n))
        for name, std in zip(ARMS, stds, strict=True)
    }


def shifts(arms: dict[str, Arm]) -> list:
    shared = pools(arms)
    return [shift([(w, arms[a], shared[a]) for a, w in terms.items()]) for terms in QUESTIONS]


def test_two_like_arms_by_hand():
    arms = {"one": arm([1, 2, 3], [2, 3, 4, 5]), "two": arm([9, 7], [7, 8])}
    shared = pools(arms)
    assert shared["one"] is shared["two"]
    variance = (2 + 5 + 2 + 0.5) / 7  # the sums of squares over 2 + 3 + 1 + 1 degrees of freedom
    assert (shared["one"].variance, shared["one"].degrees) == (pytest.approx(variance), 7)
    found = shift([(1, arms["one"], shared["one"]), (-1, arms["two"], shared["two"])])
    assert (found.found, found.expected) == (2 - 8, 3.5 - 7.5)
    assert found.difference == -2
    # An arm whose own spread is larger than the shared one counts with its own.
    own = max(variance, 7 / 5) * (1 / 3 + 1 / 4) + max(variance, 2.5 / 2) * (1 / 2 + 1 / 2)
    assert found.error == pytest.approx(math.sqrt(own))
    assert found.p == pytest.approx(2 * stats.t.sf(2 / math.sqrt(own), 7))
    assert found.tolerance(0.01) == pytest.approx(stats.t.isf(0.005, 7) * math.sqrt(own))


def test_an_arm_by_its_own_spread_is_students_test():
    one = arm([1, 2, 3.5], [2, 3, 4, 5.5])
    found = shift([(1, one, own_pools({"one": one})["one"])])
    assert found.p == pytest.approx(stats.ttest_ind(one.found, one.expected).pvalue)


def test_what_is_noticed_is_what_the_noncentral_t_says():
    found = shifts(drawn(np.random.default_rng(0)))[0]
    level = 0.001
    beyond = stats.t.isf(level / 2, found.degrees)
    power = stats.nct.sf(beyond, found.degrees, found.noticed(level) / found.error)
    assert power == pytest.approx(0.8, abs=1e-6)


def test_a_collapsed_arm_stands_apart_and_blunts_no_other():
    rng = np.random.default_rng(0)
    arms = drawn(rng)
    before = shifts(arms)[0].noticed(0.001)
    arms["other"] = arm([1, 0, 80, 2], [0, 1, 1, 2])
    shared = pools(arms)
    assert shared["other"].arms == ("other",)
    assert shared["neither"].arms == ARMS[:4]
    assert shifts(arms)[0].noticed(0.001) < 1.5 * before
    # Where both meet, degrees of freedom lie between those of the two spreads.
    both = shift([(1, arms["other"], shared["other"]), (-1, arms["both"], shared["both"])])
    assert 6 <= both.degrees < 7


def test_what_has_no_spread_differs_for_certain_or_not_at_all():
    arms = {"none": arm([0, 0], [0, 0, 0]), "some": arm([0.1] * 3, [0.1] * 4)}
    moved = {"none": arm([0, 0], [1, 1])}
    for found, p in ((arms, 1), (moved, 0)):
        shared = pools(found)
        assert all(shift([(1, found[a], shared[a])]).p == p for a in found)
        assert all(shift([(1, found[a], shared[a])]).noticed(0.001) == 0 for a in found)


def test_single_runs_say_nothing_alone_and_something_among_others():
    alone = {"one": arm([1], [3])}
    found = shift([(1, alone["one"], pools(alone)["one"])])
    assert math.isnan(found.p)
    assert found.noticed(0.01) == found.tolerance(0.01) == math.inf
    among = alone | {"two": arm([1, 2, 1], [2, 1, 2])}
    assert shift([(1, among["one"], pools(among)["one"])]).degrees == 4


@pytest.mark.parametrize(
    ("stds", "at_most"), [((1, 1, 1, 1, 1), 0.1), ((1, 1, 1, 1, 30), 0.1), ((1, 1, 1, 2, 2), 0.2)]
)
def test_false_alarms_of_a_family_of_eight(stds, at_most):
    rng, level = np.random.default_rng(7), 0.1
    alarms = [
        any(found.p < level / len(QUESTIONS) for found in shifts(drawn(rng, stds)))
        for _ in range(400)
    ]
    assert 0.01 < np.mean(alarms) < at_most + 2 * math.sqrt(0.1 * 0.9 / 400)


@pytest.mark.parametrize(
    ("place", "moved"), [(1, {"attention": 1}), (5, {"both": 1, "attention": 1})]
)
def test_the_smallest_change_noticed_is_noticed_in_four_of_five(place, moved):
    rng, level = np.random.default_rng(8), 0.005 / len(QUESTIONS)
    said = np.mean([shifts(drawn(rng))[place].noticed(level) for _ in range(100)])
    moved = {name: said * by for name, by in moved.items()}
    caught = [shifts(drawn(rng, moved=moved))[place].p < level for _ in range(400)]
    assert 0.75 < np.mean(caught) < 0.9


def test_pairs_of_one_seed_by_hand():
    arms = [
        (arm([1, 3], [1, 2]), [(1, 1), (3, 2)]),
        (arm([5, 5, 8], [5, 9]), [(5, 9)]),  # one seed is in both
    ]
    found = pairs(arms)
    assert (found.count, found.equal, found.largest) == (3, 1, 4)
    assert found.mean == pytest.approx(5 / 3)
    assert found.std == pytest.approx(math.sqrt(0.5))  # of 0 and 1
    squares = 2 + 0.5 + 6 + 8
    assert found.seeds_std == pytest.approx(math.sqrt(2 * squares / 5))
    assert pairs([(arm([1], [2]), [])]) is None
