"""The paper's claims and what would decide each; params/claims.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from aib.spec.base import Name, Strict


class OfStudy(Strict):
    """What every test says that a study can answer."""

    study: Name
    dataset: Name


class Contrasted(OfStudy):
    """A question that a study declares: a contrast of two arms, or a main effect."""

    treatment: str = Field(description="an arm; attention or bottleneck for a main effect")
    control: str = Field(description="an arm; 'no attention' or 'no bottleneck' for a main effect")
    expects: Literal["better", "worse", "equivalent"] = "better"


class Measured(OfStudy):
    """A measure that a study declares: a figure of an evaluation in one arm against another."""

    evaluation: Name
    figure: str
    treatment: str
    control: str
    expects: Literal["higher", "lower", "equivalent"] = "higher"


class Placed(OfStudy):
    """A figure in every named arm of a study, that the claim puts on a side of a limit."""

    evaluation: Name | None = Field(default=None, description="none: of the table of arms")
    figure: str = Field(description="a column of that table")
    arms: tuple[str, ...] = Field(min_length=1)
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either 'above' or 'below'")
        return self


class Costed(OfStudy):
    """What an arm costs, as a ratio to another that the claim puts below a limit."""

    cost: Literal["parameters", "step_seconds"]
    treatment: str
    control: str
    below: float = Field(gt=0, description="ratio, treatment to control")


class Missing(Strict):
    """What nothing here tests yet, and why."""

    missing: str


def kind(entry: object) -> str:
    """Which kind of test an entry, parsed or not, is."""
    has = entry.__contains__ if isinstance(entry, dict) else lambda key: hasattr(entry, key)
    if has("missing"):
        return "missing"
    if has("cost"):
        return "costed"
    if has("arms") or has("above") or has("below"):
        return "placed"
    return "measured" if has("evaluation") or has("figure") else "contrasted"


AnyTest = Annotated[
    Annotated[Contrasted, Tag("contrasted")]
    | Annotated[Measured, Tag("measured")]
    | Annotated[Placed, Tag("placed")]
    | Annotated[Costed, Tag("costed")]
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
