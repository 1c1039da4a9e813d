"""Take the looks of a study: judge its open questions after each block, and keep what was said."""

from collections.abc import Sequence
from pathlib import Path

from aib.errors import AibError
from aib.files import RESULT, write_json
from aib.numbers import plain
from aib.reporting.collect import StudyResults, collect
from aib.reporting.questions import verdict_rows
from aib.reporting.words import number as shown
from aib.studies.blocks import (
    KEY,
    LOOKS,
    Looks,
    Taken,
    Word,
    check_declared,
    declaration,
    due,
    next_look,
    next_words,
    taken,
    words_given,
)
from aib.studies.plan import Plan


def take_look(
    plan: Plan,
    results_root: Path,
    folder: Path,
    number: int | None = None,
    allow_mixed_code: bool = False,
) -> list[str]:
    """Take the look of that number, or the next one, and write it to `folder`, reports/STUDY.

    One that was taken is only shown. Returns lines for the terminal. `AibError` for a look that is
    not the next one, for missing runs, and where the runs contradict an earlier look.
    """
    check_declared(plan)
    looks = taken(plan, folder)
    coming = next_look(plan, looks)
    number = number or coming or len(looks)
    if number > len(looks):
        if number != coming:
            first = next_words(plan, coming) if coming else "it has no further look"
            raise AibError(f"look {number} cannot be taken: {first}")
        looks = (*looks, _judged(plan, results_root, folder, looks, allow_mixed_code))
        content = Looks(study=plan.name, declaration=declaration(plan), looks=looks)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / LOOKS, content.model_dump(mode="json"))
    return [*_lines(plan, number, looks[number - 1]), _afterwards(plan, looks)]


def check_looks(results: StudyResults, looks: Sequence[Taken], folder: Path) -> None:
    """Refuse runs that say another word than the looks did, as newly trained ones may."""
    given = words_given(looks)
    for row in verdict_rows(results):
        key = tuple(row[part] for part in KEY)
        word = row["seeds"], row["verdict"]
        again = None if word[1] == "undecided" or row["look"] > len(looks) else word
        if again != given.get(key):
            raise AibError(
                f"{folder / LOOKS}: {row['treatment']} against {row['control']} on "
                f"{row['dataset']} was {_said(given.get(key))}; by the runs that are here it is "
                f"{_said(again)}; bring those runs back, or delete this file and take all looks "
                "again"
            )


def _said(word: tuple[int, str] | None) -> str:
    return f"{word[1]} after {word[0]} seeds" if word else "undecided"


def _judged(
    plan: Plan, results_root: Path, folder: Path, looks: Sequence[Taken], allow_mixed_code: bool
) -> Taken:
    """The next look, from the records of all runs that are due."""
    part = due(plan, looks)
    missing = [
        folder
        for folder in part.by_folder
        if not (results_root / "runs" / folder / RESULT).exists()
    ]
    if missing:
        raise AibError(
            f"{len(missing)} runs of the block are missing, first {missing[0]}: "
            f"{next_words(plan, len(looks) + 1)}"
        )
    results = collect(part, results_root, allow_mixed_code)
    check_looks(results, looks, folder)
    now = [row for row in verdict_rows(results) if row["look"] == len(looks) + 1]
    words = [Word(**{key: row[key] for key in Word.model_fields}) for row in plain(now)]
    return Taken(seeds=plan.study.looks.after[len(looks)], questions=tuple(words))


def _lines(plan: Plan, number: int, look: Taken) -> list[str]:
    head = f"study {plan.name}, look {number} of {len(plan.study.looks.after)}, "
    lines = [f"{head}{look.seeds} seeds an arm"]
    for word in look.questions:
        text = f"  {word.verdict:<10} {word.treatment} against {word.control} on {word.dataset}"
        if word.difference is not None:
            text += f": {shown(word.difference, sign='+')} points"
        if word.low is not None and word.high is not None:
            text += f" [{shown(word.low, sign='+')}, {shown(word.high, sign='+')}]"
        lines.append(text)
    return lines


def _afterwards(plan: Plan, looks: Sequence[Taken]) -> str:
    coming = next_look(plan, looks)
    if coming:
        return next_words(plan, coming)
    return f"no further block is due; run: snakemake --cores all --config study={plan.name}"
