"""The report: one page that opens offline, its tables as CSV, its figures, its numbers as JSON."""

import math
import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aib.files import write_json
from aib.params import Published
from aib.reporting import tables
from aib.reporting.collect import CellResults, StudyResults, optimism
from aib.reporting.drawing import PAGE, STYLE, Drawn, colour, run_anchor, save
from aib.reporting.ending import was_checked
from aib.reporting.evaluations import tell
from aib.reporting.figures import make_figures
from aib.reporting.figures.differences import reach
from aib.reporting.headline import interaction_words, seeds_words
from aib.reporting.questions import MAIN_EFFECTS
from aib.reporting.summary import summarise
from aib.reporting.words import listed, number

SYMBOLS = {"better": "▲", "worse": "▼", "higher": "▲", "lower": "▼", "equivalent": "="}
SYMBOLS |= {"undecided": "?"}
SWITCHES = (
    *("model", "objective", "optimiser", "schedule", "training", "augmentation"),
    *("normalisation", "initialisation", "evaluation", "network"),
)
WORDS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent within the margin",
    "undecided": "undecided",
}
FAMILIES = {
    MAIN_EFFECTS: "Main effects",
    "main": "The main question",
    "ablation": "Ablations",
}
RULES = {
    "last": "the weights of the last epoch",
    "best_validation": "the weights of the best epoch on validation",
    "best_test": "the weights of the best epoch on the test set, as the released code does: "
    "optimistic, see the column optimism",
}
BAR = 220  # width of the small interval bars, in their own units


def write_report(
    results: StudyResults,
    folder: Path,
    published: Published | None = None,
    reports: Path | None = None,
) -> dict[str, Any]:
    """Write index.html, tables/, figures/ and summary.json below `folder`; return the summary.

    `reports` is where the other studies' reports lie, of which one may have checked if this study
    was trained to its end; it is beside `folder` if not given.
    """
    summary = summarise(results)
    rows = tables.make_tables(results, published)
    for old in (*folder.glob("tables/*.csv"), *folder.glob("figures/*.[sp][vn]g")):
        old.unlink()
    tables.write_tables(rows, folder / "tables")
    titles = _point_titles(results)

    def shown(drawn: Drawn) -> dict[str, Any]:
        path = save(drawn, folder / "figures", titles)
        return {"drawn": drawn, "path": f"figures/{path.name}", "inline": _inline(drawn, path)}

    write_json(folder / "summary.json", summary)
    with mpl.rc_context(STYLE):
        drawn = [shown(figure) for figure in make_figures(results)]
        told = [each for dataset in results.datasets for each in tell(results, dataset)]
        asked = [{"told": each, "figures": [shown(f) for f in each.drawn()]} for each in told]
    page = (
        _environment(results)
        .get_template("page.html.j2")
        .render(
            **_context(results, summary, rows),
            was_checked=was_checked(results.plan.study, reports or folder.parent),
            figures=drawn,
            asked=asked,
        )
    )
    (folder / "index.html").write_text(page)
    return summary


# ---------------------------------------------------------------- what the template is given


def _context(results: StudyResults, summary: dict, rows: dict[str, list]) -> dict[str, Any]:
    study = results.plan.study
    return {
        "results": results,
        "study": study,
        "summary": summary,
        "tables": rows,
        "lede": lede(summary["verdicts"]),
        "verdicts": [
            {
                "row": row,
                "bar": _bar(row, summary["verdicts"]),
                **sentence(row, study.alpha, summary["split"]),
            }
            for row in summary["verdicts"]
        ],
        "split": summary["split"],
        "other_weights": any(
            record.result["selected"] != study.checkpoint
            for record, _ in results.runs
            if record.has_figures
        ),
        "no_validation": any(
            record.result["figures"]["best_validation"] is None
            for record, _ in results.runs
            if record.has_figures
        ),
        "switches": {dataset: _switches(results.arms(dataset)) for dataset in results.datasets},
        "classes": {dataset: _classes(rows, dataset) for dataset in results.datasets},
        "groups": _groups(results),
        "modes": sorted({str(cell.spec.evaluation.samples[0]) for cell in results.cells}),
        "averages": sorted({cell.spec.evaluation.average for cell in results.cells}),
        "failures": tables.failure_rows(results),
    }


def lede(rows: list[dict[str, Any]]) -> str:
    """One honest sentence over the main effects, else the main family, else all contrasts."""
    effects = [row for row in rows if row["family"] == MAIN_EFFECTS]
    main = effects or [row for row in rows if row["family"] == "main"] or rows
    if not main:
        return "This study declares no contrast: it describes its arms and decides nothing."
    counts = Counter(row["verdict"] for row in main)
    kind = "main effect" if effects else "contrast"
    if counts["undecided"] == len(main):
        which = "The one declared contrast is" if len(main) == 1 else f"All {len(main)} {kind}s are"
        return f"{which} undecided: these runs neither support the hypothesis nor refute it."
    if effects:
        found = [
            f"{row['treatment']} is {WORDS[row['verdict']]}{_where(row, rows)}" for row in main
        ]
        text = f"Main effects: {listed(found)}."
    elif len(main) == 1:
        words = next(words for word, words in WORDS.items() if counts[word])
        return f"In the one contrast declared, the first-named arm is {words}."
    else:
        found = [f"{words} in {counts[word]}" for word, words in WORDS.items() if counts[word]]
        text = (
            f"Of {len(main)} contrasts declared for the main question, the first-named arm is "
            f"{listed(found)}."
        )
    if counts["undecided"]:
        text += " What is undecided is no finding of “no effect”: the runs do not suffice."
    return text


def _where(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """On which dataset, where there are several."""
    return f" on {row['dataset']}" if len({other["dataset"] for other in rows}) > 1 else ""


def sentence(row: dict[str, Any], alpha: float, split: str = "test") -> dict[str, str]:
    """A question in plain words: the claim, the numbers it rests on, and why."""
    treatment, control = row["treatment"], row["control"]
    if row["low"] is None:
        return {"claim": f"{treatment} against {control}.", "found": "", "rest": row["reason"]}
    interval = "repeated interval" if "look" in row else "interval"
    found = (
        f"{signed(row['difference'])} points of {split} accuracy, "
        f"{100 * (1 - alpha):g} % {interval} {signed(row['low'])} to {signed(row['high'])}."
    )
    rest = row["reason"]
    if row["verdict"] == "equivalent":
        claim = (
            f"{treatment} and {control} differ by less than the margin of {points(row['margin'])}."
        )
    elif row["verdict"] == "undecided":
        claim = f"Whether {treatment} differs from {control} stays open."
        rest = f"{rest} {seeds_words(row)}".rstrip()
    else:
        claim = f"{treatment} is {row['verdict']} than {control}."
    return {"claim": claim, "found": found, "rest": rest}


def points(value: float) -> str:
    """Percentage points with their unit."""
    return "1 point" if value == 1 else f"{value:g} points"


def _bar(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, float] | None:
    """Places on the small bar beside a verdict; all bars have one scale and end at its edge."""
    if row["low"] is None:
        return None
    limit = reach(rows, row["margin"]) * 1.05
    places = {k: row[k] for k in ("low", "high", "difference")} | {"left": -row["margin"]}
    places |= {"right": row["margin"], "zero": 0}
    inside = {k: min(max(v / limit, -1), 1) for k, v in places.items()}
    return {k: round(BAR * (v + 1) / 2, 1) for k, v in inside.items()}


def _switches(cells: list[CellResults]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Each switch with its values over the arms; equal neighbours are joined, with their count."""
    flat = [_flatten(cell.spec.model_dump(mode="json", include=set(SWITCHES))) for cell in cells]
    names = dict.fromkeys(name for values in flat for name in values)
    joined = {
        name: [
            (text, len(list(group)))
            for text, group in groupby(values.get(name, "—") for values in flat)
        ]
        for name in sorted(names, key=lambda name: SWITCHES.index(name.split(".")[0]))
    }
    return list(joined.items())


def _flatten(content: dict[str, Any], name: str = "") -> dict[str, str]:
    """Dotted keys to text; a list of tables becomes one line each."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        full = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            flat |= _flatten(value, full)
        elif isinstance(value, list) and isinstance(value[0], dict):
            flat |= {
                f"{full}.{i}": ", ".join(f"{k} {_text(v)}" for k, v in item.items())
                for i, item in enumerate(value, 1)
            }
        else:
            flat[full] = ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)
    return flat


def _text(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _classes(rows: dict[str, list], dataset: str) -> dict[str, dict[str, float]]:
    """Class to arm to mean test error."""
    found: dict[str, dict[str, float]] = {}
    for row in rows.get("per_class", []):
        if row["dataset"] == dataset:
            found.setdefault(row["class"], {})[row["arm"]] = row["test_error_mean"]
    return found


def _groups(results: StudyResults) -> list[dict[str, Any]]:
    """The runs by spec, with what the runs of a spec share."""
    groups: dict[str, dict[str, Any]] = {}
    for record, cells in results.runs:
        anchor = run_anchor(record)
        group = groups.setdefault(anchor.rsplit("-", 1)[0], {"cell": cells[0], "rows": []})
        group["arms"] = list(dict.fromkeys([*group.get("arms", []), *(c.arm for c in cells)]))
        group["rows"].append({"anchor": anchor, "record": record})
    return [{"anchor": anchor, **group} for anchor, group in groups.items()]


# ---------------------------------------------------------------- links, titles, inline figures


def group_anchor(cell: CellResults) -> str:
    """The id of the rows of a cell's runs in the page."""
    return f"{cell.dataset}-{cell.model}-{cell.spec.key}"


def runs_title(cell: CellResults) -> str:
    """Which runs a number rests on, for hovering."""
    if not cell.counted:
        return f"{cell.arm}: no run finished"
    result = cell.counted[0].result
    codes = " and ".join(sorted({record.result["code_hash"] for record in cell.counted}))
    seeds = ", ".join(map(str, cell.seeds))
    return (
        f"{cell.arm} on {cell.dataset}: {len(cell.counted)} runs of spec {cell.spec.key}, "
        f"seeds {seeds}; code {codes}; data {short(result['data_digest'])}"
    )


def short(digest: str) -> str:
    """The first twelve digits of a digest, without the name of its algorithm."""
    return digest.rsplit(":", 1)[-1][:12]


def _point_titles(results: StudyResults) -> dict[str, str]:
    return {
        run_anchor(record): (
            f"{' = '.join(cell.arm for cell in cells)}, seed {record.result['seed']}: "
            f"{results.split} error {cells[0].headline(record, 'error'):.2f} %, "
            f"spec {record.result['key']}, code {record.result['code_hash']}, "
            f"data {short(record.result['data_digest'])}"
        )
        for record, cells in results.runs
        if record.has_figures
    }


def _inline(drawn: Drawn, path: Path) -> Markup:
    """A figure as part of the page; ids get a prefix, since the page holds several figures."""
    label = Markup.escape(f"{drawn.title}. {drawn.caption}")
    text = path.read_text()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'(?<=\s)id="', f'id="{drawn.name}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{drawn.name}-", text)
    text = text.replace(f'"{PAGE}#', '"#')
    # The size gives way to the page's; the view box keeps the proportions.
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    return Markup(text.replace("<svg ", f'<svg role="group" aria-label="{label}" ', 1))


# ---------------------------------------------------------------- numbers as text


def _environment(results: StudyResults) -> Environment:
    environment = Environment(
        loader=PackageLoader("aib.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "signed": signed,
        "fixed": fixed,
        "p": p_value,
        "short": short,
        "points": points,
        "duration": duration,
        "mebibytes": lambda n: "—" if n is None else f"{n / 2**20:.0f} MiB",
    }
    environment.globals |= {
        "symbols": SYMBOLS,
        "bar_width": BAR,
        "colour": colour,
        "cell": results.cell,
        "group_anchor": group_anchor,
        "runs_title": runs_title,
        "between": between,
        "optimism": optimism,
        "families": FAMILIES,
        "rules": RULES,
        "main_effects": MAIN_EFFECTS,
        "interaction_words": interaction_words,
    }
    return environment


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with a fixed count of digits and a true minus sign; a dash for none."""
    if value is None or not math.isfinite(value):
        return "—"
    return number(value, digits)


def signed(value: float | None, digits: int = 2) -> str:
    """Like `fixed`, the plus sign written too."""
    text = fixed(value, digits)
    return f"+{text}" if text[0].isdigit() else text


def between(row: dict[str, Any], low: str, high: str, digits: int = 2) -> str:
    """An interval in brackets; nothing where there is none."""
    if row.get(low) is None or not math.isfinite(row[low]):
        return ""
    return f"[{fixed(row[low], digits)}, {fixed(row[high], digits)}]"


def p_value(value: float | None) -> str:
    """A p value with three digits."""
    if value is None or not math.isfinite(value):
        return "—"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds, the two largest."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
