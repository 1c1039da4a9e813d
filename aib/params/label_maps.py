"""Label maps: which class of one dataset is which of another; params/label_maps.yaml."""

from typing import Self

from pydantic import Field, model_validator

from aib.spec.base import Strict


class LabelMap(Strict):
    """Class names of the source, on which a classifier was trained, to those of the target."""

    sources: tuple[str, ...] = Field(min_length=1, description="datasets with the same classes")
    targets: tuple[str, ...] = Field(min_length=1, description="datasets with the same classes")
    classes: dict[str, str] = Field(min_length=1, description="a class not named has no partner")

    @model_validator(mode="after")
    def _one_to_one(self) -> Self:
        targets = list(self.classes.values())
        twice = sorted({name for name in targets if targets.count(name) > 1})
        if twice:
            raise ValueError(f"two classes are mapped to '{twice[0]}'")
        return self
