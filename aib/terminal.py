"""How tables look on the terminal."""

from rich.box import SIMPLE_HEAD
from rich.table import Table


def table(title: str, *headings: str) -> Table:
    """An empty table whose columns fold."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made
