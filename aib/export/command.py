"""`aib export`: the report of a study in the forms that others take."""

import json
import shutil
from datetime import date
from pathlib import Path

import yaml

from aib.errors import AibError
from aib.export.checklist import checklist
from aib.export.citation import bibtex
from aib.export.codecheck import codecheck
from aib.export.crate import METADATA, crate
from aib.export.schema import json_schema, read_summary
from aib.export.tables import arms, latex, markdown, questions
from aib.files import write_json
from aib.params.studies import Study

COPY = "report"


def export(study: Study, report: Path, citation: Path, folder: Path) -> list[Path]:
    """Write all forms below `folder`, which then is an RO-Crate; return what it holds at its top.

    Args:
        study: its declaration.
        report: reports/STUDY, which is copied whole.
        citation: CITATION.cff.
        folder: empty, new, or an export of before.

    `AibError` for a report that is missing or of another form, and for a folder of other things.
    """
    summary = read_summary(report)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / METADATA).exists():
        raise AibError(f"{folder}: holds something else than an export; name another folder")
    software = yaml.safe_load(citation.read_text())
    if (folder / COPY).exists():
        shutil.rmtree(folder / COPY)
    shutil.copytree(report, folder / COPY)
    write_json(folder / "summary.schema.json", json_schema())
    texts = {"citation.bib": bibtex(software), "checklist.md": checklist(study, summary)}
    texts["codecheck.yml"] = codecheck(folder / COPY, summary, software)
    for table in (arms(summary), questions(summary)):
        name = "arms" if "arm" in table.heads else "questions"
        texts |= {f"{name}.md": markdown(table), f"{name}.tex": latex(table)}
    for name, text in texts.items():
        (folder / name).write_text(text)
    metadata = crate(folder, summary, software, date.today())
    (folder / METADATA).write_text(json.dumps(metadata, indent=1, ensure_ascii=False) + "\n")
    return sorted(folder.iterdir())
