"""What looks cost and save, by simulation: `python benchmarks/looks.py` (4 minutes).

Made-up studies with looks, judged by the very functions that judge real ones: how often a family
holds a wrong word, as benchmarks/error_rates.py counts it, and how many runs are never trained. The
tables replace those in docs/statistics.md; exit 1 if a promised rate is above alpha by more than
chance allows.
"""

import sys
import time
from functools import partial

import numpy as np
from error_rates import (
    ALPHA,
    DIFFERS,
    MARGIN,
    MIDDLE,
    NARROW,
    SEED,
    STUDIES,
    WIDE,
    WITHIN,
    Scenario,
    error_rows,
    replace_table,
    runs,
)

from aib.statistics import Judgement, Verdict, judge_family, judge_main_effects
from aib.statistics.group_sequential import Look, first_word, plan_looks

AFTER = (5, 10, 20)
Stopped = tuple[int, Judgement]  # the number of the look, from 1, and what was said there


def draw(
    rng: np.random.Generator, differences: tuple[float, ...], std: float, seeds: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Treatments whose true differences are given, each beside the one control of them all."""
    control = runs(rng, seeds, 0, std)
    return [(runs(rng, seeds, difference, std), control) for difference in differences]


def judge_pairs(
    pairs: list[tuple[np.ndarray, np.ndarray]], looks: tuple[Look, ...]
) -> list[Stopped]:
    """Each contrast at its looks."""

    def judge(pair: tuple[np.ndarray, np.ndarray], look: Look) -> Judgement:
        first = tuple(arm[: look.seeds] for arm in pair)
        return judge_family([first], MARGIN, ALPHA, look=look)[0]

    return [first_word(partial(judge, pair), looks) for pair in pairs]


def contrasts(
    rng: np.random.Generator,
    differences: tuple[float, ...],
    std: float,
    looks: tuple[Look, ...],
) -> list[Stopped]:
    """Draw and judge a family of contrasts."""
    return judge_pairs(draw(rng, differences, std, looks[-1].seeds), looks)


def main_effects(
    rng: np.random.Generator, effect: float, std: float, looks: tuple[Look, ...]
) -> list[Stopped]:
    """Judge a factorial whose two main effects are both `effect`, with an interaction."""
    means = (0.4, effect - 0.4, effect - 0.4, 2 * effect + 0.4)
    arms = [runs(rng, looks[-1].seeds, mean, std) for mean in means]

    def judge(place: int, look: Look) -> Judgement:
        first = [arm[: look.seeds] for arm in arms]
        return judge_main_effects([first], MARGIN, ALPHA, look=look)[place]

    return [first_word(partial(judge, place), looks) for place in (0, 1)]


def scenarios() -> list[Scenario]:
    """The rows of the table of errors."""
    found = []

    def add(words, make, wrong, promised=True, first=0):
        def judge(rng):
            return [judgement for _, judgement in make(rng)]

        found.append(Scenario(words, judge, wrong, promised, first))

    for after, size in (((5, 10, 20), 1), ((5, 10, 20), 3), ((3, 6), 3), ((4, 8, 12, 16), 3)):
        looks = plan_looks(after, ALPHA, size)
        name = f"{size} contrast{'s' * (size > 1)}, looks after {', '.join(map(str, after))}"
        for truth, told, std, wrong in (
            (0.0, "no difference", WIDE, DIFFERS),
            (MARGIN, "the margin", NARROW, WITHIN),
        ):
            make = partial(contrasts, differences=(truth,) * size, std=std, looks=looks)
            add(f"{name}; {told}", make, wrong)
    looks = plan_looks(AFTER, ALPHA, 3)
    name = f"3 contrasts, looks after {', '.join(map(str, AFTER))}"
    for told, differences, std, wrong in (
        ("a large difference, then none", (8, 0, 0), WIDE, DIFFERS),
        ("no difference, then the margin", (0, MARGIN, MARGIN), NARROW, WITHIN),
    ):
        make = partial(contrasts, differences=differences, std=std, looks=looks)
        add(f"{name}; {told}", make, wrong, first=1)
    looks = plan_looks((4, 8, 12), ALPHA, 2)
    for truth, told, std, wrong in (
        (0.0, "no difference", WIDE, DIFFERS),
        (MARGIN, "the margin", NARROW, WITHIN),
    ):
        make = partial(main_effects, effect=truth, std=std, looks=looks)
        add(f"main effects, looks after 4, 8, 12; {told}", make, wrong)
    careless = tuple(Look(n, ALPHA / 3, ALPHA / 3, ALPHA, ALPHA / 3) for n in AFTER)
    for truth, told, std, wrong in (
        (0.0, "no difference", WIDE, DIFFERS),
        (MARGIN, "the margin", NARROW, WITHIN),
    ):
        make = partial(contrasts, differences=(truth,) * 3, std=std, looks=careless)
        add(f"a share of alpha at every look (not used); {told}", make, wrong, False)
    return found


def savings() -> list[str]:
    """How many runs are saved, and what that costs in true words."""
    lines = [
        f"{STUDIES} made-up studies a row: 3 treatments and one control, looks after "
        f"{', '.join(map(str, AFTER))} seeds an arm, margin {MARGIN:g} points. “At once”: all "
        "seeds, Holm's method.\n",
        "| spread | true differences | true words with looks, % | at once, % | wrong words with "
        "looks, % | runs saved, % |",
        "|---|---|---|---|---|---|",
    ]
    alike = [(MIDDLE, (factor * MARGIN,) * 3) for factor in (0, 0.5, 1, 1.5, 2)]
    mixed = [(MIDDLE, (0, MARGIN, 2 * MARGIN))]
    narrow = [(NARROW, (factor * MARGIN,) * 3) for factor in (0, 0.5, 1)]
    for number, (std, differences) in enumerate([*alike, *mixed, *narrow]):
        rng = np.random.default_rng([SEED, 100, number])
        found = np.mean([_saved(rng, differences, std) for _ in range(STUDIES)], axis=0)
        told = ", ".join(f"{difference:g}" for difference in differences)
        shares = " | ".join(f"{100 * share:.1f}" for share in found)
        lines.append(f"| {std:g} | {told} | {shares} |")
        print(lines[-1], flush=True)
    return lines


def _saved(
    rng: np.random.Generator, differences: tuple[float, ...], std: float
) -> tuple[float, ...]:
    """Of one study: shares of true words, with looks and at once; of wrong words; of runs."""
    pairs = draw(rng, differences, std, AFTER[-1])
    stops = judge_pairs(pairs, plan_looks(AFTER, ALPHA, len(pairs)))
    at_once = judge_family(pairs, MARGIN, ALPHA)
    true, wrong = _told([judgement for _, judgement in stops], differences)
    seeds = [AFTER[number - 1] for number, _ in stops]
    trained = sum(seeds) + max(seeds)  # the control goes on with the last treatment
    saved = 1 - trained / (AFTER[-1] * (len(pairs) + 1))
    return true, _told(at_once, differences)[0], wrong, saved


def _told(judgements: list[Judgement], differences: tuple[float, ...]) -> tuple[float, float]:
    """The shares of questions with a word that is true, and with one that is not."""
    wrong = sum(map(_wrong, judgements, differences))
    decided = sum(judgement.decided for judgement in judgements)
    return (decided - wrong) / len(judgements), wrong / len(judgements)


def _wrong(judgement: Judgement, difference: float) -> bool:
    """Of a true difference that is 0 or more."""
    wrong = {
        Verdict.BETTER: difference == 0,
        Verdict.WORSE: True,
        Verdict.EQUIVALENT: difference >= MARGIN,
    }
    return wrong.get(judgement.verdict, False)


def main() -> None:
    began = time.perf_counter()
    lines, broken = error_rows(scenarios())
    replace_table("looks", lines)
    replace_table("runs saved", savings())
    print(f"{time.perf_counter() - began:.0f} s")
    sys.exit(int(broken))


if __name__ == "__main__":
    main()
