"""How often verdicts are wrong, by simulation: `python benchmarks/error_rates.py` (2 minutes).

Made-up studies with a known truth are judged by the very functions that judge real ones. A study
counts as wrong if any of its verdicts is: *better* or *worse* where there is no difference,
*equivalent* where the difference is the margin or more. The promise is alpha for each kind. The
table replaces the one in docs/statistics.md; exit 1 if a promised rate is above alpha by more than
chance allows.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from aib.statistics import Verdict, judge_family, judge_main_effects
from aib.statistics.verdicts import Judgement

STUDIES, SEED, ALPHA, MARGIN = 4000, 20210819, 0.05, 0.75
CONTRASTS = 3
# The spread decides which verdict is within reach: at WIDE no arm of twelve is ever shown to be
# equivalent, so that every mistake of the test of "no difference" counts; NARROW is near the spread
# of a long training, and equivalence is found as a rule where it holds. In the middle eight runs an
# arm find it in about three of four.
WIDE, MIDDLE, NARROW = 1.5, 0.5, 0.3
BAD_SHARE, BAD = 0.2, -10.0
DOCUMENT = Path(__file__).parents[1] / "docs" / "statistics.md"
DIFFERS = frozenset({Verdict.BETTER, Verdict.WORSE})
WITHIN = frozenset({Verdict.EQUIVALENT})

Judge = Callable[[np.random.Generator], list[Judgement]]


@dataclass(frozen=True)
class Scenario:
    """Studies of one kind, the verdicts that are wrong in them, and whether alpha is promised."""

    words: str
    judge: Judge
    wrong: frozenset[Verdict]
    promised: bool = True
    first: int = 0  # the first question of which they are wrong


def runs(
    rng: np.random.Generator, n: int, mean: float, std: float, bad_share: float = 0.0
) -> np.ndarray:
    """Accuracies of one arm; each run is bad with the given chance."""
    return 85 + rng.normal(mean, std, n) + BAD * (rng.random(n) < bad_share)


def pairs(
    rng: np.random.Generator,
    differences: tuple[float, ...],
    sizes: tuple[int, int],
    stds: tuple[float, float],
    bad_shares: tuple[float, float] = (0, 0),
    correction: str = "holm",
) -> list[Judgement]:
    """Judge a family of contrasts whose true differences, but for bad runs, are given."""
    arms = [
        (
            runs(rng, sizes[0], difference, stds[0], bad_shares[0]),
            runs(rng, sizes[1], 0, stds[1], bad_shares[1]),
        )
        for difference in differences
    ]
    return judge_family(arms, MARGIN, ALPHA, correction)


def main_effects(
    rng: np.random.Generator,
    effect: float,
    sizes: tuple[int, int, int, int],
    stds: tuple[float, float, float, float],
    bad_share: float = 0.0,
) -> list[Judgement]:
    """Judge a factorial whose two main effects are both `effect`, with an interaction."""
    means = (0.4, effect - 0.4, effect - 0.4, 2 * effect + 0.4)
    arms = [
        runs(rng, n, mean, std, bad_share) for n, mean, std in zip(sizes, means, stds, strict=True)
    ]
    return judge_main_effects([arms], MARGIN, ALPHA)


def one_sequence(rng: np.random.Generator, std: float, n: int) -> list[Judgement]:
    """What is not done: a sequence that goes on at full alpha after any verdict."""
    judged = []
    for _ in range(CONTRASTS):
        judged += pairs(rng, (0,), (n, n), (std, std))
        if judged[-1].verdict is Verdict.UNDECIDED:
            break
    return judged


def scenarios() -> list[Scenario]:
    """Everything in the table, in its order."""
    found = []

    def both(words: str, judge: Callable, wide: tuple, narrow: tuple, promised=True, **more):
        """The two questions of a design: at no difference, and at exactly the margin."""
        for truth, stds, wrong, told in (
            (0.0, wide, DIFFERS, "no difference"),
            (MARGIN, narrow, WITHIN, "the margin"),
        ):
            truths = truth if judge is main_effects else (truth,) * CONTRASTS
            made = partial(judge, **more)
            found.append(
                Scenario(
                    f"{words}; {told}",
                    lambda r, m=made, t=truths, s=stds: m(r, t, stds=s),
                    wrong,
                    promised,
                )
            )

    for n in (6, 8, 12):
        both(f"{CONTRASTS} contrasts, n = {n}", pairs, (WIDE,) * 2, (NARROW,) * 2, sizes=(n, n))
    for n in (6, 12):
        both(f"spreads 1:3, n = {n}", pairs, (0.5, WIDE), (0.1, NARROW), False, sizes=(n, n))
    both("n = 3 and 6", pairs, (WIDE,) * 2, (NARROW,) * 2, False, sizes=(3, 6))
    both("n = 3 and 6, spreads 3:1", pairs, (WIDE, 0.5), (NARROW, 0.1), False, sizes=(3, 6))
    for n in (8, 12):
        both(
            f"20 % bad runs in both arms, n = {n}",
            pairs,
            (NARROW,) * 2,
            (NARROW,) * 2,
            False,
            sizes=(n, n),
            bad_shares=(BAD_SHARE, BAD_SHARE),
        )
        found.append(
            Scenario(
                f"20 % bad runs in one arm, n = {n}; −2 points by them alone",
                partial(
                    pairs,
                    differences=(0,) * CONTRASTS,
                    sizes=(n, n),
                    stds=(NARROW,) * 2,
                    bad_shares=(BAD_SHARE, 0),
                ),
                WITHIN | {Verdict.BETTER},
                False,
            )
        )
    for n in (6, 8):
        both(f"main effects, n = {n}", main_effects, (WIDE,) * 4, (NARROW,) * 4, sizes=(n,) * 4)
    both(
        "main effects, spreads 1:1:3:3, n = 8",
        main_effects,
        (0.5, 0.5, WIDE, WIDE),
        (0.1, 0.1, NARROW, NARROW),
        False,
        sizes=(8,) * 4,
    )
    both(
        "main effects, n = 6, 6, 3, 3, spreads 1:1:3:3",
        main_effects,
        (0.5, 0.5, WIDE, WIDE),
        (0.1, 0.1, NARROW, NARROW),
        False,
        sizes=(6, 6, 3, 3),
    )
    both(
        "main effects, 20 % bad runs, n = 8",
        main_effects,
        (NARROW,) * 4,
        (NARROW,) * 4,
        False,
        sizes=(8,) * 4,
        bad_share=BAD_SHARE,
    )
    sequence = partial(pairs, sizes=(8, 8), correction="fixed-sequence")
    for words, differences, std, wrong, first in (
        ("no difference in all", (0, 0, 0), WIDE, DIFFERS, 0),
        ("no difference in all, n as planned for equivalence", (0, 0, 0), MIDDLE, DIFFERS, 0),
        ("a large difference, then none", (8, 0, 0), WIDE, DIFFERS, 1),
        ("the margin in all", (MARGIN,) * 3, NARROW, WITHIN, 0),
        ("no difference, then the margin", (0, MARGIN, MARGIN), NARROW, WITHIN, 1),
    ):
        judge = partial(sequence, differences=differences, stds=(std, std))
        found.append(Scenario(f"fixed sequence; {words}", judge, wrong, first=first))
    found.append(
        Scenario(
            "one sequence that any verdict keeps open (not used); no difference in all",
            partial(one_sequence, std=MIDDLE, n=8),
            DIFFERS,
            False,
        )
    )
    return found


def rate(scenario: Scenario, number: int) -> float:
    """Share of studies with a wrong verdict; each row of the table has draws of its own."""
    rng = np.random.default_rng([SEED, number])
    wrong = [
        any(
            judgement.verdict in scenario.wrong
            for judgement in scenario.judge(rng)[scenario.first :]
        )
        for _ in range(STUDIES)
    ]
    return float(np.mean(wrong))


def error_rows(scenarios: list[Scenario]) -> tuple[list[str], bool]:
    """The table of these scenarios, and whether a promise is broken."""
    lines, broken = [], False
    allowed = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / STUDIES)
    for number, scenario in enumerate(scenarios):
        found = rate(scenario, number)
        error = np.sqrt(found * (1 - found) / STUDIES)
        broken |= scenario.promised and found > allowed
        held = "above" if found > allowed else "kept"
        promise = held if scenario.promised else f"not promised ({held})"
        kind = "equivalent" if scenario.wrong & WITHIN else "better or worse"
        lines.append(
            f"| {scenario.words} | {kind} | {100 * found:.1f} | {100 * error:.1f} | {promise} |"
        )
        print(lines[-1], flush=True)
    head = [
        f"{STUDIES} made-up studies a row, margin {MARGIN:g} points, alpha {100 * ALPHA:g} %; ± "
        "is one standard error of the simulation. “Kept”: above alpha by at most three of them.\n",
        "| studies; truth | wrong verdict | in % of studies | ± | alpha |",
        "|---|---|---|---|---|",
    ]
    return head + lines, broken


def replace_table(name: str, lines: list[str], document: Path = DOCUMENT) -> None:
    """Put the lines between the marks of that name in a document."""
    begin, end = (f"<!-- {name}: {mark} -->" for mark in ("begin", "end"))
    text = document.read_text()
    before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
    document.write_text(before + "\n" + "\n".join(lines) + "\n" + after)


def main() -> None:
    began = time.perf_counter()
    lines, broken = error_rows(scenarios())
    replace_table("error rates", lines)
    print(f"{time.perf_counter() - began:.0f} s")
    sys.exit(int(broken))


if __name__ == "__main__":
    main()
