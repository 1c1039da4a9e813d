"""BibTeX of the paper and of this repository, from CITATION.cff."""

from typing import Any

from aib.export.tables import escaped


def bibtex(citation: dict[str, Any]) -> str:
    """The software first, then every reference of the file."""
    return "\n".join(_entry(each) for each in (citation, *citation.get("references", [])))


def _entry(work: dict[str, Any]) -> str:
    kind = "inproceedings" if work["type"] == "conference-paper" else "software"
    authors = [_author(person) for person in work["authors"]]
    preprints = [each["value"] for each in work.get("identifiers", [])]
    fields = {
        "title": f"{{{escaped(work['title'])}}}",
        "author": " and ".join(authors),
        "year": work.get("year"),
        "booktitle": work.get("collection-title"),
        "version": work.get("version"),
        "note": ", ".join(preprints),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{_key(work)},", *lines, "}"]) + "\n"


def _author(person: dict[str, str]) -> str:
    if "family-names" in person:
        return f"{person['family-names']}, {person['given-names']}"
    return f"{{{person['name']}}}"  # an organisation, kept whole


def _key(work: dict[str, Any]) -> str:
    first = work["authors"][0]
    name = first.get("family-names", "aib").lower()
    return f"{name}{work.get('year', '')}"
