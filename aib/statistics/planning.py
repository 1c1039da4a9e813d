"""The power that a study was planned with, from the spread it declares."""

from typing import TYPE_CHECKING, Any

from aib.statistics.group_sequential import plan_looks
from aib.statistics.power import equivalence_power, superiority_power
from aib.statistics.verdicts import Correction, strictest_level

if TYPE_CHECKING:  # only its values are read
    from aib.params import Study


def planned_power(study: "Study") -> dict[str, Any] | None:
    """What the declared seeds can show if the spread is as declared; None where none is declared.

    `n` seeds an arm, `std` and `margin` in points, `wanted` the power the study asks for, and for
    the `main_effects` and the `pairs` that the study asks about: the `level` of the hardest
    question and the powers there, `superiority` at a true difference of the margin, `equivalence`
    at a true difference of 0. In a fixed sequence they are those of the first question; a later one
    also needs all before it to come out of its kind. With looks they are those of
    the last one; the looks before it add a little.
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
        planned["main_effects"] = powers(study, 2 * datasets, "holm", arms=4)
    families = [contrast.family for contrast in study.contrasts]
    if families:
        largest = max(families.count(family) for family in families) * datasets
        planned["pairs"] = powers(study, largest, study.correction, arms=2)
    return planned


def powers(study: "Study", questions: int, correction: Correction, arms: int) -> dict[str, float]:
    """The `level` of the hardest of so many questions, and what the declared seeds can show at it.

    arms: 2 for a pair, 4 for a main effect. The study must declare a spread and two seeds. With
    looks, at the nominal levels of the last one.
    """
    std, n = study.spread.std, len(study.seeds)
    level = strictest_level(study.alpha, questions, correction)
    told = within = level
    if study.looks:
        last = plan_looks(study.looks.after, study.alpha, questions)[-1]
        told, within = last.superiority, last.equivalence
    return {
        "level": level,
        "superiority": superiority_power(std, study.margin, n, told, arms),
        "equivalence": equivalence_power(std, study.margin, n, within, arms),
    }
