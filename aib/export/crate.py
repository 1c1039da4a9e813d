"""RO-Crate 1.1: what the folder holds, and which software and data it came from."""

import mimetypes
from datetime import date
from pathlib import Path
from typing import Any

from aib.reporting.answer import answer

METADATA = "ro-crate-metadata.json"
VERSION = "https://w3id.org/ro/crate/1.1"
LICENCE = "https://spdx.org/licenses/MIT"
FORMATS = {".xz": "application/x-xz", ".bib": "application/x-bibtex", ".yml": "application/yaml"}
FORMATS |= {".md": "text/markdown", ".tex": "application/x-tex"}

Entity = dict[str, Any]


def crate(folder: Path, summary: dict[str, Any], software: dict[str, Any], day: date) -> Entity:
    """The metadata of all files below `folder`.

    Args:
        folder: the exported files.
        summary: that of the study.
        software: CITATION.cff.
        day: of publication.
    """
    files = [_file(folder, path) for path in sorted(folder.rglob("*")) if _counts(path)]
    data = [
        {"@id": f"#{name}", "@type": "Dataset", "name": name, "identifier": digest}
        for name, digest in summary["provenance"]["data_digest"].items()
    ]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{summary['title']} (study {summary['study']})",
        "description": answer(summary),
        "datePublished": day.isoformat(),
        "license": {"@id": LICENCE},
        "hasPart": [{"@id": file["@id"]} for file in files],
        "mentions": {"@id": "#training"},
    }
    return {
        "@context": f"{VERSION}/context",
        "@graph": [_descriptor(), root, *files, *data, *_made(summary, software, data), _licence()],
    }


def _counts(path: Path) -> bool:
    return path.is_file() and path.name != METADATA


def _descriptor() -> Entity:
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": VERSION},
        "about": {"@id": "./"},
    }


def _file(folder: Path, path: Path) -> Entity:
    kind = FORMATS.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return {
        "@id": path.relative_to(folder).as_posix(),
        "@type": "File",
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": kind or "application/octet-stream",
    }


def _made(summary: dict, software: dict, data: list[Entity]) -> list[Entity]:
    """The runs as an action, and the software that did it."""
    provenance = summary["provenance"]
    program = {
        "@id": "#software",
        "@type": "SoftwareApplication",
        "name": software["title"],
        "version": software["version"],
        "softwareVersion": ", ".join(provenance["git"]),
        "identifier": [f"training code {code}" for code in provenance["code_hash"]],
    }
    action = {
        "@id": "#training",
        "@type": "CreateAction",
        "name": f"{len(summary['runs'])} training runs and their report",
        "instrument": {"@id": "#software"},
        "object": [{"@id": each["@id"]} for each in data],
        "result": [{"@id": "report/summary.json"}, {"@id": "report/index.html"}],
    }
    return [program, action]


def _licence() -> Entity:
    return {"@id": LICENCE, "@type": "CreativeWork", "name": "MIT"}
