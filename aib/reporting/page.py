"""The report: one page that opens offline, its tables as CSV, its figures, its numbers as JSON."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined

from aib.files import write_json
from aib.params import Published
from aib.reporting import tables, words
from aib.reporting.collect import StudyResults, optimism
from aib.reporting.context import BAR, context
from aib.reporting.drawing import STYLE, Drawn, colour, save
from aib.reporting.ending import was_checked
from aib.reporting.evaluations import tell
from aib.reporting.figures import make_figures
from aib.reporting.figures.glance import glance
from aib.reporting.glance_words import glance_words
from aib.reporting.headline import interaction_words
from aib.reporting.inline import group_anchor, inlined, point_titles, runs_title, short
from aib.reporting.questions import MAIN_EFFECTS
from aib.reporting.summary import summarise

SYMBOLS = {"better": "▲", "worse": "▼", "higher": "▲", "lower": "▼", "equivalent": "="}
SYMBOLS |= {"undecided": "?"}
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
    titles = point_titles(results)

    def shown(drawn: Drawn) -> dict[str, Any]:
        path = save(drawn, folder / "figures", titles)
        return {"drawn": drawn, "path": f"figures/{path.name}", "inline": inlined(drawn, path)}

    write_json(folder / "summary.json", summary)
    with mpl.rc_context(STYLE):
        found = {dataset: glance_words(results, dataset) for dataset in results.datasets}
        seen = [
            {"dataset": name, "words": said, "figures": [shown(f) for f in glance(results, name)]}
            for name, said in found.items()
            if said
        ]
        drawn = [shown(figure) for figure in make_figures(results)]
        told = [each for dataset in results.datasets for each in tell(results, dataset)]
        asked = [{"told": each, "figures": [shown(f) for f in each.drawn()]} for each in told]
    page = (
        environment(cell=results.cell)
        .get_template("page.html.j2")
        .render(
            **context(results, summary, rows),
            was_checked=was_checked(results.plan.study, reports or folder.parent),
            seen=seen,
            figures=drawn,
            asked=asked,
        )
    )
    (folder / "index.html").write_text(page)
    return summary


def environment(**more: Any) -> Environment:
    """The templates, with numbers as text; `more` is what their macros know besides."""
    made = Environment(
        loader=PackageLoader("aib.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "signed": words.signed,
        "fixed": words.fixed,
        "p": words.p_value,
        "short": short,
        "points": words.points,
        "duration": words.duration,
        "mebibytes": lambda n: "—" if n is None else f"{n / 2**20:.0f} MiB",
    }
    made.globals |= {
        "symbols": SYMBOLS,
        "bar_width": BAR,
        "colour": colour,
        "group_anchor": group_anchor,
        "runs_title": runs_title,
        "between": words.between,
        "optimism": optimism,
        "families": FAMILIES,
        "rules": RULES,
        "main_effects": MAIN_EFFECTS,
        "interaction_words": interaction_words,
        **more,
    }
    return made
