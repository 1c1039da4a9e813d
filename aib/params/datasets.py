"""Datasets: params/datasets.yaml."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from aib.params.downloads import Download
from aib.spec.base import NonNegative, Positive, Share, Strict

# What changes no array: where a file lies (its checksum says what it is), what is refused, what
# training does with the images, and what a person should know.
_NOT_IDENTITY = {
    "files": {"__all__": {"addresses", "bytes"}},
    **dict.fromkeys(("unpacked_limit", "counts", "released_normalisation"), True),
    **dict.fromkeys(("licence", "citation", "horizontal_flip"), True),
}


# What a protocol may say, and the backbone whose released code has the constants (facts.md 2.1).
RELEASED_NORMALISATIONS = {"released-vgg": "vgg", "released-wrn": "wrn"}


class SplitCounts(Strict):
    """How many images the source has; the validation split is taken from train."""

    train: Positive
    test: Positive


class _Dataset(Strict):
    """What every dataset has."""

    released_normalisation: dict[Literal["vgg", "wrn"], str] = Field(
        default={}, description="backbone to a name in normalisations.yaml, as released (#37)"
    )
    licence: str = ""
    citation: str = ""

    def identity(self) -> dict[str, Any]:
        """What decides the images; run keys hash it, manifests hold it, training compares it."""
        return self.model_dump(mode="json", exclude=_NOT_IDENTITY)

    @property
    def downloads(self) -> tuple[Download, ...]:
        """The files that have to be fetched first."""
        return ()

    @property
    def has_masks(self) -> bool:
        """Is it known where the object lies?"""
        return False


class ClutterDataset(_Dataset):
    """Handwritten digits among shuffled others, with the digit's mask (`data.clutter`)."""

    kind: Literal["clutter"]
    image_size: Positive = 32
    train: Positive
    validation: Positive
    test: Positive
    distractors: NonNegative = Field(description="shuffled digits an image")
    digit_sizes: tuple[Positive, Positive] = Field(
        description="smallest and largest height of a digit, and of a fragment, in pixels"
    )
    contrast: int = Field(ge=1, le=255, description="brightness above the background's")
    texture: int = Field(ge=0, le=255, description="how far the background strays from its level")
    generator_seed: NonNegative = 0
    horizontal_flip: bool = Field(description="does a mirrored image keep its label?")

    @model_validator(mode="after")
    def _digits_fit(self) -> Self:
        smallest, largest = self.digit_sizes
        if not 8 <= smallest <= largest <= self.image_size:
            raise ValueError("'digit_sizes' must rise, from 8 to image_size at most")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the labels."""
        return tuple("0123456789")

    @property
    def has_masks(self) -> bool:
        """Is it known where the object lies?"""
        return True


class _LabelledImages(_Dataset):
    """Images of declared classes, in a train and a test split."""

    classes: tuple[str, ...] = Field(min_length=2, description="in the order of the labels")
    image_size: Positive
    resize: bool = Field(
        default=False,
        description="scale every image to image_size, aspect not kept; else others are refused",
    )
    validation_share: Share = Field(default=0.1, description="of each class of train")
    counts: SplitCounts | None = Field(default=None, description="other counts are refused")
    horizontal_flip: bool = Field(description="does a mirrored image keep its label?")

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError("a class stands twice")
        return classes


class ArchiveDataset(_LabelledImages):
    """Labelled images in downloaded files."""

    kind: Literal["archive"]
    files: tuple[Download, ...] = Field(min_length=1)
    decoder: Literal[
        "cifar-python", "cifar100-python", "class-folders", "cub", "idx", "stl10", "svhn"
    ]
    box: Literal["crop", "mask"] | None = Field(
        default=None, description="cub: crop by the object's box, or keep the box as the mask"
    )
    unpacked_limit: Positive = Field(description="bytes; a file that unpacks to more is refused")
    licence: str
    citation: str

    @model_validator(mode="after")
    def _decoder_fits(self) -> Self:
        if (self.decoder == "cub") != (self.box is not None):
            raise ValueError("'box' is needed by decoder: cub, and by no other")
        names = [file.file for file in self.files]
        if len(set(names)) < len(names):
            raise ValueError("'files' names a file twice")
        if len(names) > 1 and self.decoder not in ("idx", "svhn"):
            raise ValueError(f"decoder: {self.decoder} reads one file, 'files' names {len(names)}")
        return self

    @model_validator(mode="after")
    def _size_fits(self) -> Self:
        if self.resize and self.decoder == "cub":
            raise ValueError("decoder: cub always scales to image_size; drop 'resize'")
        if self.resize and self.decoder not in ("class-folders", "stl10"):
            raise ValueError(f"decoder: {self.decoder} scales no image; drop 'resize'")
        if self.decoder == "stl10" and self.image_size != 96 and not self.resize:
            raise ValueError("decoder: stl10 needs image_size: 96 or resize: true")
        if self.decoder in ("cifar-python", "cifar100-python", "svhn") and self.image_size != 32:
            raise ValueError(f"decoder: {self.decoder} needs image_size: 32")
        return self

    @property
    def downloads(self) -> tuple[Download, ...]:
        """The files that have to be fetched first."""
        return self.files

    @property
    def has_masks(self) -> bool:
        """Is it known where the object lies?"""
        return self.box == "mask"


class FolderDataset(_LabelledImages):
    """Labelled images in a local folder: train/CLASS/IMAGE and test/CLASS/IMAGE."""

    kind: Literal["folder"]
    folder: str = Field(description="relative to the project, or absolute")


Dataset = Annotated[ClutterDataset | ArchiveDataset | FolderDataset, Field(discriminator="kind")]
