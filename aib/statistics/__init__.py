"""Statistics of repeated runs: intervals, comparisons, factorials, verdicts and planned seeds.

Everything takes plain sequences of floats, one value a seed, and gives frozen dataclasses. The
metric is one where higher is better, in any unit; intervals and margins have the unit of the
metric. Nothing here knows of models, files or figures.
"""

from aib.statistics.comparisons import (
    Comparison,
    McNemar,
    compare,
    mcnemar,
    permutation_p,
    seed_correlation,
    sign_flip_p,
    two_way_bootstrap,
    welch,
)
from aib.statistics.factorial import Effect, Factorial, factorial
from aib.statistics.intervals import (
    Interval,
    difference_prediction_interval,
    mean_interval,
    prediction_interval,
    proportion_interval,
    spread,
)
from aib.statistics.planning import planned_power
from aib.statistics.power import (
    equivalence_power,
    seeds_for_equivalence,
    seeds_for_superiority,
    superiority_power,
    upper_std,
)
from aib.statistics.verdicts import (
    Judgement,
    Verdict,
    fixed_sequence,
    holm,
    judge_family,
    judge_main_effects,
    strictest_level,
    tost,
)

__all__ = [
    "Comparison",
    "Effect",
    "Factorial",
    "Interval",
    "Judgement",
    "McNemar",
    "Verdict",
    "compare",
    "difference_prediction_interval",
    "equivalence_power",
    "factorial",
    "fixed_sequence",
    "holm",
    "judge_family",
    "judge_main_effects",
    "mcnemar",
    "mean_interval",
    "permutation_p",
    "planned_power",
    "prediction_interval",
    "proportion_interval",
    "seed_correlation",
    "seeds_for_equivalence",
    "seeds_for_superiority",
    "sign_flip_p",
    "spread",
    "strictest_level",
    "superiority_power",
    "tost",
    "two_way_bootstrap",
    "upper_std",
    "welch",
]
