"""What evaluation.json holds, to the last key."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aib.result import Amount, Digest
from aib.spec.base import Strict


class Evaluated(Strict):
    """One entry of evaluation.json."""

    identity: dict[str, Any]
    seconds: Amount
    numbers: dict[str, Any] | None = None
    inapplicable: str | None = None
    arrays: Digest | None = None
    digest: Digest | None = None  # of all the rest; entries of before have none


EVALUATION = TypeAdapter(dict[str, Evaluated])


def misfits(shape: TypeAdapter, content: str, name: str) -> Iterator[str]:
    """What of a JSON text is not of that shape, a line each."""
    try:
        shape.validate_json(content)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False)[:5]:
            place = ".".join(str(part) for part in each["loc"])
            yield f"{name}: {place or 'content'}: {each['msg']}"
