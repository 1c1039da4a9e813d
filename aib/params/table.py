"""The protocols side by side, as the table of docs/method.md."""

from pathlib import Path
from typing import Any

from aib.errors import AibError
from aib.params.loading import Parameters
from aib.params.protocols import Protocol

BEGIN, END = "<!-- protocols: written by `aib params table` -->\n", "<!-- end of protocols -->\n"
NOT_SWITCHES = {"description", "facts"}


def protocol_table(parameters: Parameters) -> str:
    """Markdown: a row a switch, a column a protocol, each value with its item of facts.md."""
    columns = {name: _switches(protocol) for name, protocol in parameters.protocols.items()}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    # A part that some protocol leaves out is told by its own keys; those of a part stand together.
    parts = list(dict.fromkeys(key.split(".")[0] for key in keys))
    keys = [key for key in keys if not any(other.startswith(f"{key}.") for other in keys)]
    rows = sorted(keys, key=lambda key: parts.index(key.split(".")[0]))
    lines = [["switch", *columns], ["---"] * (len(columns) + 1)]
    for key in rows:
        cells = [
            _cell(columns[name].get(key), protocol.facts.get(key))
            for name, protocol in parameters.protocols.items()
        ]
        lines.append([f"`{key}`", *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_table(root: Path, parameters: Parameters) -> Path:
    """Put the table between its marks in docs/method.md."""
    path = root / "docs" / "method.md"
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise AibError(f"{path}: the lines '{BEGIN.strip()}' and '{END.strip()}' are missing")
    path.write_text(f"{before}{BEGIN}\n{protocol_table(parameters)}\n{END}{after}")
    return path


def _switches(protocol: Protocol) -> dict[str, Any]:
    """Every value by its dotted key; what differs by family or attention is one value."""
    content = protocol.model_dump(mode="json", exclude=NOT_SWITCHES)
    apart = {key: content.pop(key) for key in ("per_family", "per_attention")}
    return _flat(content) | {
        key: "; ".join(
            f"{name}: {', '.join(f'{k} {v}' for k, v in changes.items())}"
            for name, changes in value.items()
        )
        for key, value in apart.items()
    }


def _flat(tree: dict, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _cell(value: Any, fact: str | None) -> str:
    match value:
        case None:
            shown = ""
        case bool():
            shown = "on" if value else "off"
        case list():
            shown = ", ".join(map(str, value))
        case _:
            shown = str(value)
    return f"{shown} ({fact})" if fact else shown
