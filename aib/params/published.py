"""Numbers from the literature, by the table that they stand in; params/published.yaml."""

from typing import Self

from pydantic import Field, model_validator

from aib.params.studies import Checkpoint
from aib.spec.base import Strict


class PublishedValue(Strict):
    """The test error of one model; `value` stays null until its source is at hand."""

    dataset: str
    model: str
    baseline: str | None = Field(
        default=None, description="the model of the same table that its gain is over"
    )
    value: float | None = Field(description="test error of one run, %")
    note: str = ""


class PublishedTable(Strict):
    """Numbers of one source, which chose its epochs by one rule."""

    source: str
    selection: Checkpoint = Field(description="the epoch whose test error it reports")
    values: tuple[PublishedValue, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Self:
        places = [(entry.dataset, entry.model) for entry in self.values]
        twice = sorted({place for place in places if places.count(place) > 1})
        if twice:
            raise ValueError(f"'values' has {' and '.join(twice[0])} twice")
        return self

    def models(self, dataset: str) -> dict[str, PublishedValue]:
        """Its values on a dataset, by model."""
        return {entry.model: entry for entry in self.values if entry.dataset == dataset}


class Published(Strict):
    """All tables, and when an interval of ours is too wide to be compared with them."""

    widest: float = Field(
        gt=0, description="points to a side; a wider prediction interval reproduces anything"
    )
    tables: tuple[PublishedTable, ...]
