"""Datasets and normalisations: params/datasets.yaml, params/normalisations.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from aib.params.base import NonNegative, Positive, Share, Strict


class Normalisation(Strict):
    """Per-channel mean and standard deviation of images scaled to [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ClutterDataset(Strict):
    """Handwritten digits among fragments of others, with the digit's mask (`data.clutter`)."""

    kind: Literal["clutter"]
    image_size: Positive = 32
    train: Positive
    validation: Positive
    test: Positive
    distractors: NonNegative = Field(description="fragments of other digits an image")
    fragment: int = Field(ge=2, le=7, description="side of a fragment; a source digit has 8 pixels")
    digit_sizes: tuple[Positive, Positive] = Field(
        description="smallest and largest side of a digit on the canvas, in pixels"
    )
    contrast: int = Field(ge=1, le=255, description="brightness above the background's")
    texture: int = Field(ge=0, le=255, description="amplitude of the background texture")
    generator_seed: NonNegative = 0
    horizontal_flip: bool = Field(description="does a mirrored image keep its label?")

    @model_validator(mode="after")
    def _digits_fit(self) -> Self:
        smallest, largest = self.digit_sizes
        if not 8 <= smallest <= largest <= self.image_size:
            raise ValueError("'digit_sizes' must rise, from 8 to image_size at most")
        return self

    @property
    def has_masks(self) -> bool:
        return True


class ArchiveDataset(Strict):
    """Labelled images in one downloaded archive."""

    kind: Literal["archive"]
    file: str
    addresses: tuple[str, ...]
    checksum: str = Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    bytes: Positive | None = Field(default=None, description="size of the archive")
    decoder: Literal["cifar-python", "class-folders"]
    classes: tuple[str, ...] = Field(min_length=2)
    image_size: Positive
    validation_share: Share = 0.1
    unpacked_limit: Positive = Field(description="bytes; a larger archive is refused")
    horizontal_flip: bool = Field(description="does a mirrored image keep its label?")

    @property
    def has_masks(self) -> bool:
        return False


# Where an archive lies changes nothing: its checksum says what it is.
NOT_IN_KEY = {"addresses", "bytes", "unpacked_limit"}

Dataset = Annotated[ClutterDataset | ArchiveDataset, Field(discriminator="kind")]
