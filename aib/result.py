"""What result.json and evaluation.json hold, to the last key: anything else is found when read.

Nothing is converted: what is read stays as it was written.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from aib.files import SPEC
from aib.spec.base import NonNegative, Positive, Seed, Strict
from aib.spec.run import Names

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Rule = Literal["last", "best_validation", "best_test"]
Split = Literal["validation", "test"]


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

    values: list[float]
    usage: list[Fraction]
    dead: NonNegative
    perplexity: float


class Cost(Strict):
    """Seconds and bytes, and on what."""

    seconds: Amount
    step_seconds: Amount
    evaluation_seconds: Amount
    images_per_second: Amount
    peak_memory_bytes: NonNegative
    device: str
    threads: Positive
    precision: str


class Common(Strict):
    """Of every run."""

    schema_: int = Field(alias="schema")
    key: Hash
    seed: Seed
    names: Names
    code_hash: Hash
    data_digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    pretrained_sha256: Digest | None = None
    cost: Cost
    files: dict[str, Digest]

    @model_validator(mode="after")
    def _seals_its_spec(self) -> Self:
        if SPEC not in self.files:
            raise ValueError(f"'files' lacks {SPEC}")
        return self


class Diverged(Common):
    """A run that was lost to a figure that is not finite."""

    status: Literal["diverged"]
    epoch: NonNegative
    step: NonNegative
    reason: str


class WithFigures(Common):
    """A run that reached its end."""

    status: Literal["completed", "collapsed"]
    reason: str | None = None
    parameters: Positive
    selected: Rule
    headline: str
    scored: Split
    figures: dict[Rule, dict[str, float] | None]
    evaluation: dict[str, dict[Split, SplitFigures]]  # by way of sampling
    information: Information
    anchors: Anchors | None
    weights_sha256: Digest

    @model_validator(mode="after")
    def _has_its_own(self) -> Self:
        chosen = self.figures.get(self.selected) or {}
        scored = self.evaluation.get(self.headline, {})
        if "epoch" not in chosen or self.scored not in scored or not self.figures.get("last"):
            raise ValueError("the figures of its own epoch, mode or split are missing")
        if self.status == "collapsed" and self.reason is None:
            raise ValueError("a run that collapsed says why")
        return self


class Evaluated(Strict):
    """One entry of evaluation.json: what was found, or why it says nothing of this run."""

    identity: dict[str, Any]
    seconds: Amount
    numbers: dict[str, Any] | None = None
    inapplicable: str | None = None
    arrays: Digest | None = None
    digest: Digest | None = None  # of all the rest; entries of before have none


def _kind(content: Any) -> str:
    diverged = isinstance(content, dict) and content.get("status") == "diverged"
    return "diverged" if diverged else "with figures"


RESULT_FORM = TypeAdapter(
    Annotated[
        Annotated[Diverged, Tag("diverged")] | Annotated[WithFigures, Tag("with figures")],
        Discriminator(_kind),
    ]
)
