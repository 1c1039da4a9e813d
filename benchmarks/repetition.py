"""How often does `aib compare` alarm where nothing changed? `python benchmarks/repetition.py`.

Made-up repetitions of the committed reference of study quick: normal values about each arm's means,
once with a spread that all arms share, once with each arm's own. Two of them are compared, figures,
questions and verdicts as ever, 10,000 times (3 minutes). The table replaces that in
docs/statistics.md.
"""

import copy
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from error_rates import replace_table

from aib.reporting.reference import Content, read_reference
from aib.reporting.repetition import compare

REFERENCE = Path(__file__).parents[1] / "reports/quick/reference.json"
PAIRS, SEED = 10_000, 3
OUTCOMES = ("different", "cannot tell", "same", "identical")


def spreads(content: Content, alike: bool) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and spread of each figure, by spec; a figure of no spread keeps none."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in content["runs"]:
        for figure, value in run["figures"].items():
            values[run["key"]][figure].append(value)
    shared: dict[str, list[float]] = defaultdict(list)
    for figures in values.values():
        for figure, each in figures.items():
            shared[figure].append(np.var(each, ddof=1))

    def spread(figure: str, each: list[float]) -> float:
        if not np.ptp(each):
            return 0.0
        return float(np.sqrt(np.mean(shared[figure])) if alike else np.std(each, ddof=1))

    return {
        key: {figure: (float(np.mean(each)), spread(figure, each)) for figure, each in of.items()}
        for key, of in values.items()
    }


def repeated(content: Content, drawn_from: dict, rng: np.random.Generator) -> Content:
    """The same study with new values, and so with other weights."""
    again = copy.deepcopy(content)
    for run in again["runs"]:
        run["weights_sha256"] = None
        for figure in run["figures"]:
            run["figures"][figure] = float(rng.normal(*drawn_from[run["key"]][figure]))
    return again


def main() -> None:
    content, lines = read_reference(REFERENCE), []
    lines += [f"| spread of the arms | {' | '.join(OUTCOMES)} |", "|---|" + "---|" * len(OUTCOMES)]
    for words, alike in (("alike", True), ("as uneven as in study quick", False)):
        rng, drawn_from = np.random.default_rng(SEED), spreads(content, alike)
        found = Counter(
            compare(*(repeated(content, drawn_from, rng) for _ in range(2))).outcome
            for _ in range(PAIRS)
        )
        shares = " | ".join(f"{found[outcome] / PAIRS:.1%}" for outcome in OUTCOMES)
        lines.append(f"| {words} | {shares} |")
        print(lines[-1], flush=True)
    replace_table("repetition", lines)


if __name__ == "__main__":
    main()
