"""What result.json must hold for all that read it, so that a damaged one is found when read.

Only the form is checked, and nothing converted: what is read stays as it was written.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, TypeAdapter, model_validator

from aib.files import SPEC

Numbers = dict[str, float]


class _Part(BaseModel):
    """Further keys may stand there; numbers are finite."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Names(_Part):
    dataset: str
    model: str
    protocol: str
    scale: str


class _Cost(_Part):
    seconds: float
    step_seconds: float
    evaluation_seconds: float
    peak_memory_bytes: int
    device: str


class _Information(_Part):
    rate: float
    relevance: float


class _Anchors(_Part):
    values: list[float]
    usage: list[float]
    dead: int
    perplexity: float


class _Any(_Part):
    """Of every run; one that diverged has no more than that and a reason."""

    key: str
    seed: int
    names: _Names
    code_hash: str
    data_digest: str
    cost: _Cost
    files: dict[str, str]

    @model_validator(mode="after")
    def _seals_its_spec(self) -> Self:
        if SPEC not in self.files:
            raise ValueError(f"'files' lacks {SPEC}")
        return self


class _Diverged(_Any):
    epoch: int
    reason: str


class _WithFigures(_Any):
    status: Literal["completed", "collapsed"]
    reason: str | None = None
    selected: Literal["last", "best_validation", "best_test"]
    headline: str
    scored: Literal["validation", "test"]
    parameters: int
    figures: dict[str, Numbers | None]
    evaluation: dict[str, dict[str, Numbers]]  # mode, split
    information: _Information
    anchors: _Anchors | None
    weights_sha256: str

    @model_validator(mode="after")
    def _has_its_own(self) -> Self:
        chosen = self.figures.get(self.selected) or {}
        scored = self.evaluation.get(self.headline, {}).get(self.scored, {})
        if "epoch" not in chosen or "accuracy" not in scored or not self.figures.get("last"):
            raise ValueError("the figures of its own epoch, mode or split are missing")
        if self.status == "collapsed" and self.reason is None:
            raise ValueError("a run that collapsed says why")
        return self


def _kind(content: Any) -> str:
    diverged = isinstance(content, dict) and content.get("status") == "diverged"
    return "diverged" if diverged else "with figures"


RESULT_FORM = TypeAdapter(
    Annotated[
        Annotated[_Diverged, Tag("diverged")] | Annotated[_WithFigures, Tag("with figures")],
        Discriminator(_kind),
    ]
)
