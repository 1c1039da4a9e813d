"""The machine learning reproducibility checklist (Pineau et al. 2021), filled from the records.

What the records cannot say is left open and says who must.
"""

from typing import Any

from aib.params.studies import Study
from aib.reporting.words import duration, listed, spanned

Item = tuple[bool, str, str]


def checklist(study: Study, summary: dict[str, Any]) -> str:
    """Markdown: each item ticked or not, with where it is answered."""
    parts = {
        "Models and algorithms": _models(summary),
        "Data": _data(summary),
        "Code": _code(summary),
        "Experimental results": _results(study, summary),
    }
    lines = [f"# Reproducibility checklist of study {summary['study']}", ""]
    for title, items in parts.items():
        lines += [f"## {title}", ""]
        lines += [f"- [{'x' if done else ' '}] {what}: {where}" for done, what, where in items]
        lines.append("")
    return "\n".join(lines)


def _models(summary: dict[str, Any]) -> list[Item]:
    counts = [
        arm["parameters"]
        for cells in summary["cells"].values()
        for arm in cells.values()
        if arm.get("parameters")
    ]
    size = f"{spanned(counts, 0)} parameters (tables/arms.csv)" if counts else "no run finished"
    return [
        (True, "Mathematical setting, algorithm and model", "docs/method.md"),
        (True, "Assumptions", "docs/facts.md, differences between paper and released code"),
        (bool(counts), "Complexity", size),
    ]


def _data(summary: dict[str, Any]) -> list[Item]:
    digests = summary["provenance"]["data_digest"]
    told = listed([f"{name} {digest}" for name, digest in digests.items()])
    return [
        (True, "Statistics and splits", "docs/data.md; `aib data show` prints them"),
        (bool(digests), "The version that was used", told),
        (True, "Preprocessing and what was left out", "docs/data.md and params/datasets.yaml"),
        (True, "A link to the data", "params/datasets.yaml, with checksums"),
        (False, "Collection of new data", "for the authors, where a dataset is new"),
    ]


def _code(summary: dict[str, Any]) -> list[Item]:
    provenance = summary["provenance"]
    clean = not any("uncommitted" in commit for commit in provenance["git"])
    one = not provenance.get("mixed_code")
    return [
        (True, "Dependencies", "requirements.lock, with hashes"),
        (clean, "Training code", f"commit {listed(provenance['git'])}"),
        (one, "One version for all runs", f"hash {listed(provenance['code_hash'])}"),
        (True, "Evaluation code", "aib/evaluation; `aib evaluate`"),
        (
            False,
            "Trained weights",
            "not in the export; results/runs holds them where runs are kept",
        ),
        (True, "A command for every result", f"`snakemake --config study={summary['study']}`"),
    ]


def _results(study: Study, summary: dict[str, Any]) -> list[Item]:
    cells = [arm for arms in summary["cells"].values() for arm in arms.values()]
    tuned = study.tuned_in
    cost, machines = summary["cost"], summary["provenance"]["environments"]
    hardware = listed([f"{each['processor']} ({each['cores']} cores)" for each in machines])
    missing = sum(arm["missing"] for arm in cells)
    return [
        (True, "All settings", f"params/studies/{summary['study']}.yaml; the page, Protocol"),
        (
            tuned is not None,
            "How they were chosen",
            f"study {tuned}, the same grid for every arm" if tuned else "no tuning is declared",
        ),
        (
            missing == 0,
            "Number of runs",
            f"{len(summary['runs'])} finished, {spanned([arm['n'] for arm in cells], 0)} an arm, "
            f"{missing} missing; seeds {', '.join(map(str, study.seeds))}, declared beforehand",
        ),
        (True, "The measure", f"{summary['split']} accuracy of the {summary['checkpoint']} epoch"),
        (
            any(arm["n"] > 1 for arm in cells),
            "Central tendency and variation",
            f"means with {100 * (1 - summary['alpha']):g} % t intervals (tables/arms.csv)",
        ),
        (
            True,
            "Time",
            f"{duration(cost['run_seconds'])} of runs; each in tables/runs.csv",
        ),
        (bool(machines), "Machines", hardware),
    ]
