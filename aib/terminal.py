"""How tables and foreign texts look on the terminal."""

import re
from collections.abc import Collection

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WHOLE = ("model", "key")  # what people copy


def table(
    title: str, *headings: str, whole: Collection[str] = WHOLE, right: Collection[str] = ()
) -> Table:
    """An empty table; its columns fold, but for the whole ones: those that hold names to copy.

    Args:
        title: what stands above.
        headings: of the columns.
        whole: the columns that do not fold.
        right: the columns of numbers, which end at the same place.
    """
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in headings:
        justify = "right" if heading in right else "left"
        made.add_column(heading, justify=justify, overflow="fold", no_wrap=heading in whole)
    return made


def printable(text: str) -> str:
    """A text on one line that moves no cursor and tells no password of an address."""
    spelt = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return without_passwords(spelt)


def verbatim(text: str) -> str:
    """A foreign text for a rich console, in which it is no markup."""
    return escape("\n".join(map(printable, text.splitlines())))


def without_passwords(text: str) -> str:
    """The text with its addresses less the name and password before their hosts."""
    # A password may hold @ and, against the rules, a slash; a host's port is none.
    return re.sub(r"://([^/\s]*|[^/\s:]*:(?!\d+/)\S*)@", "://", text)


def print_whole(rows: Table) -> None:
    """Print a table in its full width, be the terminal narrower."""
    needed = Console(width=1000).measure(rows).maximum
    Console(width=max(Console().width, needed)).print(rows)
