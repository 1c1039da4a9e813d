"""Reading YAML and naming a mistake in one line: file, key, what was found, nearest valid name."""

import difflib
import itertools
import json
import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from aib.errors import AibError


class ParameterError(AibError):
    """A mistake in params/, as one line."""


# What YAML 1.1 reads as a number in base 8 or 60, and people do not.
_OTHER_BASES = re.compile(r"[-+]?(0[0-7_]+|[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


LARGEST_FILE, MOST_NODES, DEEPEST = 1 << 18, 100_000, 50  # bytes; values; tables in tables


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML without surprises: no key stands twice, no number is in base 8 or 60.

    Nor is it larger than it looks: an alias counts as often as it is written.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth, self._sizes = 0, {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        """Compose a node; refuse one that is too deep, too large or inside of itself."""
        line = self.peek_event().start_mark.line + 1
        if self._depth == DEEPEST:
            raise ParameterError(f"nested more than {DEEPEST} deep (line {line})")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node not in self._sizes:
            self._sizes[node] = 1 + sum(self._sizes[child] for child in _children(node))
        if self._sizes[node] > MOST_NODES:
            raise ParameterError(f"more than {MOST_NODES:,} values, with aliases (line {line})")
        return node

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if number and _OTHER_BASES.fullmatch(node.value):
            raise ParameterError(
                f"{node.value} is a number in base {60 if ':' in node.value else 8} "
                f"(line {node.start_mark.line + 1}); write it in base 10, or quote it as text"
            )
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = set()
        for key in (self.construct_object(key, deep=deep) for key, _ in node.value):
            if not isinstance(key, Hashable):
                raise ParameterError(f"a key is no text (line {node.start_mark.line + 1})")
            if key in keys:
                raise ParameterError(f"key '{key}' stands twice (line {node.start_mark.line + 1})")
            keys.add(key)
        return super().construct_mapping(node, deep)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from itertools.chain.from_iterable(node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def read_yaml(path: Path, where: str) -> Any:
    """The content of a YAML file; `ParameterError` names it as `where`, and a mistake's line."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ParameterError(f"more than {LARGEST_FILE:,} bytes")
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise ParameterError(f"{where}: no such file; run in the project's folder") from None
    except OSError as error:
        raise ParameterError(f"{where}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ParameterError(f"{where}: not text in UTF-8: {error.reason}") from None
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", error)).split())
        raise ParameterError(f"{where}{line}: not YAML: {reason}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # a date, a number
        raise ParameterError(f"{where}: a value that cannot be: {error}") from None


def nearest(name: str, valid: list[str] | set[str]) -> str:
    """A hint for a wrong name: the closest valid one, else all of them, or the first of many."""
    names = sorted(map(str, valid))
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    if close:
        return f"nearest: '{close[0]}'"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return "valid: " + ", ".join(names[:8]) + more


def check(shape: Any, data: Any, where: str) -> Any:
    """Validate `data` as the type `shape`; the error names `where`, key, found and nearest."""
    adapter = TypeAdapter(shape)
    try:
        # Through JSON, so that lists become tuples while numbers and texts stay strict.
        text = json.dumps(data, default=str)
    except (TypeError, ValueError) as error:  # a date for a key, a list that holds itself
        raise ParameterError(f"{where}: not plain YAML: {error}") from None
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        data = json.loads(text)  # in which every key is a text
        raise ParameterError(f"{where}: {_explain(error, adapter.json_schema(), data)}") from None


def _keys(error: dict, data: Any) -> list:
    """Where an error is, without the tags that pydantic puts between the keys for unions."""
    keys = []
    for part in error["loc"]:
        inside = isinstance(data, dict) and part in data
        inside |= isinstance(data, list) and isinstance(part, int) and part < len(data)
        if inside:
            keys.append(part)
            data = data[part]
    return [*keys, error["loc"][-1]] if error["type"] == "missing" else keys


def _explain(error: ValidationError, json_schema: dict, data: Any) -> str:
    # A misspelt key also makes the right one missing; the misspelling is what helps.
    first = sorted(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")[0]
    path = _keys(first, data)
    key = ".".join(str(part) for part in path)
    found = json.dumps(first["input"], default=str)
    found = found if len(found) < 60 else found[:57] + "..."
    if first["type"] == "extra_forbidden":
        # Without the key itself, which another branch of a union may have.
        valid = _properties(json_schema, json_schema, path[:-1]) - {path[-1]}
        return f"{key}: unknown key '{path[-1]}'; {nearest(str(path[-1]), valid)}"
    if first["type"] == "literal_error":
        valid = [v.strip("' ") for v in first["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{key}: {found} is not one of them; {nearest(first['input'], valid)}"
    if first["type"] == "union_tag_invalid":
        valid = first["ctx"]["expected_tags"].replace("'", "").split(", ")
        field, tag = first["ctx"]["discriminator"].strip("'()"), first["ctx"]["tag"]
        return f"{key}: no {field} '{tag}'; {nearest(tag, valid)}"
    if first["type"] == "union_tag_not_found":
        return f"{key}: '{first['ctx']['discriminator'].strip(chr(39) + '()')}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "float_type" and isinstance(first["input"], str):
        message += " (YAML wants a point: 1.0e-4)"
    return f"{key}: {message}; found {found}" if key else f"{message}; found {found}"


def _properties(root: dict, node: dict, path: list) -> set[str]:
    """The property names that the schema allows at `path`, in any branch of a union."""
    if "$ref" in node:
        return _properties(root, root["$defs"][node["$ref"].rsplit("/", 1)[1]], path)
    branches = node.get("oneOf", []) + node.get("anyOf", [])
    if branches:
        return set().union(*(_properties(root, branch, path) for branch in branches))
    if not path:
        return set(node.get("properties", {}))
    if path[0] in node.get("properties", {}):
        return _properties(root, node["properties"][path[0]], path[1:])
    if isinstance(path[0], int):
        return _properties(root, node.get("items", {}), path[1:])
    inner = node.get("additionalProperties")
    if not isinstance(inner, dict):
        inner = next(iter(node.get("patternProperties", {}).values()), {})
    return _properties(root, inner, path[1:])


def set_dotted(tree: dict, key: str, value: Any, where: str) -> None:
    """Set `tree["a"]["b"]` for the key "a.b"; the key must exist."""
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        if not isinstance(node, dict) or parent not in node:
            valid = set(node) if isinstance(node, dict) else {"none"}
            raise ParameterError(
                f"{where}: {key}: unknown key '{parent}'; {nearest(parent, valid)}"
            )
        node = node[parent]
    if not isinstance(node, dict) or last not in node:
        valid = set(node) if isinstance(node, dict) else {"none"}
        deeper = {f"{k}.{last}" for k, v in tree.items() if isinstance(v, dict) and last in v}
        valid = deeper or valid
        raise ParameterError(f"{where}: {key}: unknown key '{last}'; {nearest(last, valid)}")
    node[last] = value
