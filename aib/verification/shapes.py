"""What result.json and evaluation.json hold, to the last key: schema 2 of a record."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from aib.files import SCHEMA
from aib.spec.base import NonNegative, Positive, Seed, Strict
from aib.spec.run import Names

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


class SplitFigures(Strict):
    """One split under one way of sampling; the last two in bits an image."""

    accuracy: Fraction
    cross_entropy: Amount
    rate: float


class Information(Strict):
    """Bounds on I(Z; X, A) and I(Z; Y), bits an image."""

    rate: float
    relevance: float


class Anchors(Strict):
    """Values of the anchors and the share of pixels that each has."""

    values: tuple[float, ...]
    usage: tuple[Fraction, ...]
    dead: NonNegative
    perplexity: float


class Cost(Strict):
    """Seconds, bytes, and on what."""

    seconds: Amount
    step_seconds: Amount
    evaluation_seconds: Amount
    images_per_second: Amount
    peak_memory_bytes: NonNegative | None
    device: str
    threads: Positive
    precision: str


class Identity(Strict):
    """What every result says of itself."""

    schema_: Literal[SCHEMA] = Field(alias="schema")
    key: str = Field(pattern=r"^[0-9a-f]{12}$")
    seed: Seed
    names: Names
    code_hash: str = Field(pattern=r"^[0-9a-f]{12}$")
    data_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    pretrained_sha256: Digest | None = None
    cost: Cost
    files: dict[str, Digest]


class Diverged(Identity):
    """A run that was lost to a figure that is not finite."""

    status: Literal["diverged"]
    epoch: NonNegative
    step: NonNegative
    reason: str


class Finished(Identity):
    """A run that reached its end."""

    status: Literal["completed", "collapsed"]
    reason: str | None = None
    parameters: Positive
    selected: Literal["last", "best_validation", "best_test"]
    headline: str
    scored: Literal["validation", "test"]
    figures: dict[Literal["last", "best_validation", "best_test"], dict[str, float] | None]
    evaluation: dict[str, dict[Literal["validation", "test"], SplitFigures]]
    information: Information
    anchors: Anchors | None
    weights_sha256: Digest


class Evaluated(Strict):
    """One entry of evaluation.json."""

    identity: dict[str, Any]
    seconds: Amount
    numbers: dict[str, Any] | None = None
    inapplicable: str | None = None
    arrays: Digest | None = None


RESULT = TypeAdapter(Annotated[Diverged | Finished, Field(discriminator="status")])
EVALUATION = TypeAdapter(dict[str, Evaluated])


def misfits(shape: TypeAdapter, content: str, name: str) -> Iterator[str]:
    """What of a JSON text is not of that shape, a line each."""
    try:
        shape.validate_json(content)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False)[:5]:
            place = ".".join(str(part) for part in each["loc"])
            yield f"{name}: {place or 'content'}: {each['msg']}"
