"""How tables look on the terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

WHOLE = ("model", "key")  # what people copy


def table(title: str, *headings: str) -> Table:
    """An empty table; its columns fold, but for those that hold names to copy."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in headings:
        made.add_column(heading, overflow="fold", no_wrap=heading in WHOLE)
    return made
