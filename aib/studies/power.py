"""What a study can show before it is run: the power of each of its questions."""

from collections.abc import Callable
from dataclasses import dataclass

from aib.params import Study
from aib.statistics import seeds_for_equivalence, seeds_for_superiority, strictest_level
from aib.statistics.planning import powers
from aib.studies.plan import Plan, file_of


@dataclass(frozen=True)
class Asked:
    """One question, and its chance of a verdict at two alternatives; None without a spread."""

    question: str
    family: str
    primary: bool
    arms: int  # 2, or 4 of a main effect
    level: float
    superiority: float | None  # at a true difference of the margin
    equivalence: float | None  # at a true difference of 0


def asked(plan: Plan) -> list[Asked]:
    """Every question of a study, the primary ones first.

    Primary are the two main effects of a factorial, else its main contrasts. The level is that of
    the hardest question of a family (`planned_power`).
    """
    study = plan.study
    found = []
    if study.factorial:
        names = [
            f"{part} against no {part} on {dataset}"
            for dataset in study.datasets
            for part in ("attention", "bottleneck")
        ]
        # The main effects are judged by Holm's method whatever the contrasts are judged by.
        found += _family(study, "main effect", names, 4, "holm", primary=True)
    families: dict[str, list[str]] = {}
    for each in plan.questions:
        name = f"{each.treatment} against {each.control} on {each.dataset}"
        families.setdefault(each.family, []).append(name)
    for family, names in families.items():
        primary = family == "main" and not study.factorial
        found += _family(study, family, names, 2, study.correction, primary)
    return found


def _family(
    study: Study, family: str, names: list[str], arms: int, correction: str, primary: bool
) -> list[Asked]:
    found = {
        "level": strictest_level(study.alpha, len(names), correction),
        "superiority": None,
        "equivalence": None,
    }
    if study.spread is not None and len(study.seeds) > 1:
        found = powers(study, len(names), correction, arms)
    return [Asked(name, family, primary, arms, **found) for name in names]


def reaches(questions: list[Asked], wanted: float) -> bool | None:
    """Do all primary questions reach the power at both alternatives? None where not known."""
    primary = [each for each in questions if each.primary]
    if not primary or any(each.superiority is None for each in primary):
        return None
    return all(min(each.superiority, each.equivalence) >= wanted for each in primary)


def power_lines(questions: list[Asked], plan: Plan) -> list[str]:
    """Each question with its power, then whether the primary ones reach the wanted one."""
    lines = [f"{each.family}: {each.question}{_words(each)}" for each in questions]
    return [*lines, _verdict(questions, plan)] if questions else lines


def _words(each: Asked) -> str:
    if each.superiority is None:
        return ""
    return f": power {each.superiority:.2f} at the margin, {each.equivalence:.2f} at 0"


def _verdict(questions: list[Asked], plan: Plan) -> str:
    study, spread = plan.study, plan.study.spread
    if spread is None:
        return f"power: cannot be told, {file_of(plan.name)} declares no 'spread'"
    told = f"planned with a spread of {spread.std:g} points ({spread.source})"
    primary = [each for each in questions if each.primary]
    if not primary:
        return f"no primary question; {told}"
    outcome = reaches(questions, spread.power)
    name = "main effects" if study.factorial else "main contrasts"
    if outcome is None:
        return f"the primary questions ({name}) have no power: one seed gives no spread; {told}"
    says = "reach" if outcome else "do not reach"
    line = f"the primary questions ({name}) {says} a power of {spread.power:g}"
    line += f" with {len(study.seeds)} seeds an arm; {told}"
    if outcome:
        return line

    def needed(seeds: Callable[..., int | None]) -> str:
        each = primary[0]
        n = seeds(spread.std, study.margin, each.level, spread.power, each.arms)
        return str(n) if n else "more than 1000"

    return (
        f"{line}; {needed(seeds_for_superiority)} would at the margin, "
        f"{needed(seeds_for_equivalence)} at 0"
    )
