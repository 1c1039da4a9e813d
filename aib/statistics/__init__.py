"""Statistics of repeated runs: intervals, comparisons of two arms, verdicts and planned seeds.

Everything takes plain sequences of floats, one value a seed, and gives frozen dataclasses. The
metric is one where higher is better, in any unit; intervals and margins have the unit of the
metric. Nothing here knows of models, files or figures.
"""

from aib.statistics.comparisons import (
    Comparison,
    McNemar,
    compare,
    hedges_g,
    mcnemar,
    permutation_p,
    probability_of_improvement,
    seed_correlation,
    sign_flip_p,
    two_way_bootstrap,
    welch,
)
from aib.statistics.intervals import (
    Interval,
    mean_interval,
    prediction_interval,
    proportion_interval,
)
from aib.statistics.power import (
    equivalence_power,
    seeds_needed,
    superiority_power,
)
from aib.statistics.verdicts import Judgement, Verdict, holm, judge_family, tost

__all__ = [
    "Comparison",
    "Interval",
    "Judgement",
    "McNemar",
    "Verdict",
    "compare",
    "equivalence_power",
    "hedges_g",
    "holm",
    "judge_family",
    "mcnemar",
    "mean_interval",
    "permutation_p",
    "prediction_interval",
    "probability_of_improvement",
    "proportion_interval",
    "seed_correlation",
    "seeds_needed",
    "sign_flip_p",
    "superiority_power",
    "tost",
    "two_way_bootstrap",
    "welch",
]
