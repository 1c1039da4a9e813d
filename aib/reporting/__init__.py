"""The report, made from run records alone."""

from pathlib import Path


def template_files() -> list[Path]:
    """What the page is made from besides code, so that a workflow can watch it."""
    return sorted((Path(__file__).parent / "templates").iterdir())
