"""What the template of the page is given, beside the results and the summary themselves."""

from itertools import groupby
from typing import Any

from aib.reporting import tables
from aib.reporting.answer import answer, rests_on
from aib.reporting.arms import about
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import run_anchor
from aib.reporting.figures.differences import reach
from aib.reporting.headline import verdict_words
from aib.reporting.questions import resolution

SWITCHES = (
    *("model", "objective", "optimiser", "schedule", "training", "augmentation"),
    *("normalisation", "initialisation", "evaluation", "network"),
)
BAR = 220  # width of the small interval bars, in their own units


def context(results: StudyResults, summary: dict, rows: dict[str, list]) -> dict[str, Any]:
    """All that the page shows and that is not in the summary or the tables as it is."""
    study, with_figures = results.plan.study, [r for r, _ in results.runs if r.has_figures]
    return {
        "results": results,
        "study": study,
        "summary": summary,
        "tables": rows,
        "answer": answer(summary),
        "rests_on": rests_on(summary),
        "images": {dataset: _images(results, dataset) for dataset in results.datasets},
        "about": {
            dataset: {cell.arm: about(results, cell) for cell in results.distinct(dataset)}
            for dataset in results.datasets
        },
        "verdicts": [
            {
                "row": row,
                "bar": bar(row, summary["verdicts"]),
                **verdict_words(row, study.alpha, summary["split"]),
            }
            for row in summary["verdicts"]
        ],
        "split": summary["split"],
        "other_weights": any(r.result["selected"] != study.checkpoint for r in with_figures),
        "no_validation": any(r.result["figures"]["best_validation"] is None for r in with_figures),
        "switches": {dataset: _switches(results.arms(dataset)) for dataset in results.datasets},
        "classes": {dataset: _classes(rows, dataset) for dataset in results.datasets},
        "groups": _groups(results),
        "modes": sorted({str(cell.spec.evaluation.samples[0]) for cell in results.cells}),
        "averages": sorted({cell.spec.evaluation.average for cell in results.cells}),
        "failures": tables.failure_rows(results),
    }


def _images(results: StudyResults, dataset: str) -> int | None:
    """How many images a network is scored on; None where no predictions are kept."""
    worth = resolution(results, dataset)
    return round(100 / worth) if worth else None


def bar(row: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Places on the small bar beside a verdict; all bars have one scale and end at its edge.

    `cut` names the sides at which the interval goes on beyond the edge; a difference beyond it has
    no point.
    """
    if row["low"] is None:
        return None
    limit = reach(rows, row["margin"]) * 1.05
    places = {k: row[k] for k in ("low", "high", "difference")} | {"left": -row["margin"]}
    places |= {"right": row["margin"], "zero": 0}
    inside = {k: min(max(v / limit, -1), 1) for k, v in places.items()}
    cut = [side for side, end in (("left", -row["low"]), ("right", row["high"])) if end > limit]
    found = {k: round(BAR * (v + 1) / 2, 1) for k, v in inside.items()}
    return found | {"cut": cut, "has_point": abs(row["difference"]) <= limit}


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
