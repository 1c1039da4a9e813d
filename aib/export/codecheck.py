"""A CODECHECK manifest: which files a codechecker makes again, and how.

Who checks, when, and the certificate are theirs to fill in: nobody has checked by writing this.
"""

from pathlib import Path
from typing import Any

import yaml

VERSION = "https://codecheck.org.uk/spec/config/1.0/"
HEAD = "# codechecker, check_time, certificate and report are for whoever checks.\n"


def codecheck(report: Path, summary: dict[str, Any], citation: dict[str, Any]) -> str:
    """codecheck.yml of the files in report/, those that a page shows first."""
    study = summary["study"]
    paper = citation["references"][0]
    tables = [report / f"tables/{name}.csv" for name in ("arms", "main_effects", "contrasts")]
    files = [report / "index.html", report / "summary.json", *tables]
    files += sorted(report.glob("figures/*"))
    content = {
        "version": VERSION,
        "paper": {
            "title": paper["title"],
            "authors": [
                {"name": f"{each['given-names']} {each['family-names']}"}
                for each in paper["authors"]
            ],
            "reference": paper["identifiers"][0]["value"],
        },
        "manifest": [
            {"file": f"report/{path.relative_to(report).as_posix()}", "comment": _comment(path)}
            for path in files
            if path.exists()
        ],
        "codechecker": [],
        "summary": (
            f"Not yet checked. `snakemake --cores all --config study={study}` trains "
            f"{len(summary['runs'])} networks and writes the files; `aib compare {study}` holds "
            f"them against those here, and `aib verify {study}` checks records against the report."
        ),
    }
    return "---\n" + HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=90)


def _comment(path: Path) -> str:
    if path.parent.name == "figures":
        return "a figure of the page; coordinates agree to hundredths of a point"
    return {
        "index.html": "the page; times differ, nothing else on the same processor",
        "summary.json": "all numbers of the page",
    }.get(path.name, "a table of the page")
