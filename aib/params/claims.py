"""The paper's claims and what would decide each; params/claims.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from aib.spec.base import Name, Strict


class Contrasted(Strict):
    """A question that a study declares: a contrast of two arms, or a main effect."""

    study: Name
    dataset: Name
    treatment: str = Field(description="an arm; attention or bottleneck for a main effect")
    control: str = Field(description="an arm; 'no attention' or 'no bottleneck' for a main effect")
    expects: Literal["better", "worse", "equivalent"] = "better"


class Evaluated(Strict):
    """A figure of an evaluation, in every named arm of a study, that the claim puts on a side."""

    study: Name
    dataset: Name
    evaluation: Name
    figure: str = Field(description="a column of the evaluation's table")
    arms: tuple[str, ...] = Field(min_length=1)
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either 'above' or 'below'")
        return self


class Missing(Strict):
    """What nothing here tests yet, and why."""

    missing: str


def kind(entry: object) -> str:
    """Which of the three an entry, parsed or not, is."""
    has = entry.__contains__ if isinstance(entry, dict) else lambda key: hasattr(entry, key)
    return "missing" if has("missing") else "evaluated" if has("evaluation") else "contrasted"


AnyTest = Annotated[
    Annotated[Contrasted, Tag("contrasted")]
    | Annotated[Evaluated, Tag("evaluated")]
    | Annotated[Missing, Tag("missing")],
    Discriminator(kind),
]


class Claim(Strict):
    """One claim in the paper's terms, with each test of it apart: they are never pooled."""

    claim: str
    source: str = Field(description="where the paper says so, or why it is asked here")
    ours: bool = Field(default=False, description="asked here, and not claimed by the paper")
    tests: tuple[AnyTest, ...] = Field(min_length=1)


class ClaimGroup(Strict):
    """Claims that belong together."""

    title: str
    claims: dict[Name, Claim] = Field(min_length=1)
