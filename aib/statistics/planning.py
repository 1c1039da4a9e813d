"""The power that a study was planned with, from the spread it declares."""

from typing import TYPE_CHECKING, Any

from aib.statistics.power import equivalence_power, superiority_power
from aib.statistics.verdicts import strictest_level

if TYPE_CHECKING:  # only its values are read
    from aib.params import Study


def planned_power(study: "Study") -> dict[str, Any] | None:
    """What the declared seeds can show if the spread is as declared; None where none is declared.

    `n` seeds an arm, `std` and `margin` in points, `wanted` the power the study asks for, and for
    the `main_effects` and the `pairs` that the study asks about: the `level` of the hardest
    question and the powers there, `superiority` at a true difference of the margin, `equivalence`
    at a true difference of 0. In a fixed sequence they are those of the first question; a later one
    also needs all before it to come out of its kind.
    """
    spread, n = study.spread, len(study.seeds)
    if spread is None:
        return None

    datasets = len(study.datasets)
    planned = {"n": n, "margin": study.margin, **spread.model_dump(exclude={"power"})}
    planned["wanted"] = spread.power
    if n < 2:
        return planned  # no test can be made
    if study.factorial:
        level = strictest_level(study.alpha, 2 * datasets, "holm")
        planned["main_effects"] = powers(study, level, arms=4)
    families = [contrast.family for contrast in study.contrasts]
    if families:
        largest = max(families.count(family) for family in families) * datasets
        level = strictest_level(study.alpha, largest, study.correction)
        planned["pairs"] = powers(study, level, arms=2)
    return planned


def powers(study: "Study", level: float, arms: int) -> dict[str, float]:
    """The `level` of a question, and what at least two declared seeds can show at it.

    arms: 2 for a pair, 4 for a main effect. The study must declare a spread.
    """
    std, n = study.spread.std, len(study.seeds)
    return {
        "level": level,
        "superiority": superiority_power(std, study.margin, n, level, arms),
        "equivalence": equivalence_power(std, study.margin, n, level, arms),
    }
