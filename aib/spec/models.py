"""Models, their sizes, and the families that both belong to.

A model says what a network consists of, a size how large it is; `FAMILIES` says which class builds
it. A family is one line here and one class in `aib.models` (docs/adding-a-model.md).
"""

from typing import Annotated, Literal, NamedTuple, Self, Union

from pydantic import Discriminator, Field, Tag, model_validator

from aib.spec.base import NonNegative, Positive, Strict

# ---------------------------------------------------------------- what a network consists of


class Model(Strict):
    """One network. The properties are what the rest of the pipeline asks of any model."""

    family: str

    @property
    def has_map(self) -> bool:
        """Does it give one map an image that can be compared with masks?"""
        return False

    @property
    def has_rate(self) -> bool:
        """Does its latent variable carry noise, and so a countable number of bits?"""
        return False

    @property
    def anchor_count(self) -> int | None:
        """Q, where the map is quantised."""
        return None

    @property
    def pretrained(self) -> bool:
        """Does training start from a file of weights?"""
        return False

    @property
    def attention_kind(self) -> str:
        """None, continuous or quantised: what a protocol's `per_attention` goes by."""
        return "none"

    def check_sizes(self, network: "Network", image_size: int) -> None:
        """Raise `ValueError` where the network cannot be built for such images."""
        if isinstance(network, VGGNetwork):
            network.output_size(image_size)


class AttentionModel(Model):
    """A network with or without bottleneck, attention, and anchors (docs/method.md)."""

    attention: Literal["none", "continuous", "quantised"] = "none"
    anchors: int | None = Field(default=None, ge=2, description="Q, of quantised attention")
    modulation: Literal["residual", "multiplicative"] = Field(
        default="residual", description="f + f * a as released (#8), or f * a"
    )
    bottleneck: Literal["none", "variational", "deterministic"] = Field(
        default="none",
        description="variational: z is sampled and has a rate; deterministic: the same layers, but "
        "z is its mean, without noise or rate",
    )

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        if (self.attention == "quantised") != (self.anchors is not None):
            raise ValueError("'anchors' is needed by attention: quantised, and by no other")
        if self.attention == "none" and self.modulation != "residual":
            raise ValueError("'modulation' is that of an attention map, and attention is none")
        return self

    @property
    def has_map(self) -> bool:
        return self.attention != "none"

    @property
    def has_rate(self) -> bool:
        return self.bottleneck == "variational"

    @property
    def anchor_count(self) -> int | None:
        return self.anchors

    @property
    def attention_kind(self) -> str:
        return self.attention


class WRNModel(AttentionModel):
    """A wide residual network."""

    dropout: float = Field(default=0.3, ge=0, lt=1, description="between a block's convolutions")


class PretrainedModel(AttentionModel):
    """A network of torchvision."""

    weights: Literal["none", "imagenet"] = Field(
        default="none", description="start weights; imagenet: torchvision's IMAGENET1K_V1"
    )

    @property
    def pretrained(self) -> bool:
        return self.weights != "none"


class VGG16Model(PretrainedModel):
    """torchvision's VGG-16."""

    attention_convolutions: NonNegative = Field(
        default=0, description="more 3x3 convolutions before the map; 3 in the released qt (#9)"
    )

    def check_sizes(self, network: "Network", image_size: int) -> None:
        if image_size < 16:
            raise ValueError(f"{image_size} pixels are too small for VGG-16: 16 at least")


class MapModel(Model):
    """A baseline that has a map by construction."""

    @property
    def has_map(self) -> bool:
        return True


class PayModel(MapModel):
    """Learn to Pay Attention."""

    levels: Positive = Field(description="blocks that are attended to, the last ones but one")

    def check_sizes(self, network: "Network", image_size: int) -> None:
        super().check_sizes(network, image_size)
        before = network.blocks[:-1]
        if self.levels > len(before):
            raise ValueError(
                f"'levels' is {self.levels}, and {len(before)} blocks stand before the last one"
            )
        if any(block.pool == "each" for block in before[-self.levels :]):
            raise ValueError("an attended block may not pool between its convolutions")


class ABNModel(MapModel):
    """Attention Branch Network on a wide residual network."""

    dropout: float = Field(default=0.3, ge=0, lt=1, description="between a block's convolutions")


# ---------------------------------------------------------------- how large it is


class Block(Strict):
    """`layers` times convolution, batch normalisation, ReLU; then or between them 2x2 pooling."""

    channels: Positive
    layers: Positive
    kernel: Positive = 3
    stride: Positive = 1
    pool: Literal["none", "after", "each"] = "none"


class VGGNetwork(Strict):
    """Sizes of a VGG: blocks, where the attention sits, widths of the head."""

    blocks: tuple[Block, ...] = Field(min_length=1)
    attention_after: Positive = Field(description="the attention follows this block, from 1")
    dense: Positive = Field(description="channels of the last convolution, over what is left")
    latent: Positive = Field(description="K, dimensions of z")

    @model_validator(mode="after")
    def _attention_inside(self) -> Self:
        if self.attention_after > len(self.blocks):
            raise ValueError(
                f"'attention_after' is {self.attention_after}, there are {len(self.blocks)} blocks"
            )
        return self

    def output_size(self, image_size: int) -> int:
        """Side of the map after all blocks, for square images of that side.

        Raises `ValueError` when the blocks shrink them to nothing.
        """
        size = image_size
        for number, block in enumerate(self.blocks, 1):
            for index in range(block.layers):
                stride = block.stride if index == 0 else 1
                size = (size + 2 * ((block.kernel - 1) // 2) - block.kernel) // stride + 1
                if block.pool == "each" or (block.pool == "after" and index == block.layers - 1):
                    size //= 2
            if size < 1:
                raise ValueError(
                    f"an image of {image_size} pixels is too small: block {number} leaves none"
                )
        return size


class WRNNetwork(Strict):
    """Sizes of a wide residual network: three groups of (depth - 4) / 6 blocks each."""

    depth: int = Field(ge=10)
    widen: Positive = Field(description="factor on 16, 32 and 64 channels")
    latent: Positive = Field(description="K, dimensions of z")

    @model_validator(mode="after")
    def _depth_is_legal(self) -> Self:
        if (self.depth - 4) % 6:
            below = self.depth - (self.depth - 4) % 6
            raise ValueError(
                f"'depth' must be 6n + 4, for 3 groups of n blocks of 2 convolutions: "
                f"{below} or {below + 6}, not {self.depth}"
            )
        return self


class LatentNetwork(Strict):
    """A network whose sizes are given, but for the bottleneck's."""

    latent: Positive = Field(description="K, dimensions of z")


class Networks(Strict):
    """The sizes that a scale gives to families; a scale may leave out what it does not use."""

    vgg: VGGNetwork | None = None
    wrn: WRNNetwork | None = None
    imagenet: LatentNetwork | None = None


Network = VGGNetwork | WRNNetwork | LatentNetwork


# ---------------------------------------------------------------- families


class Family(NamedTuple):
    """What a family is made of."""

    builder: str  # "module:class", imported when a network is built
    model: type[Model]  # its entries in models.yaml
    sizes: str  # which of `Networks`
    image_size: int  # pixels, of the paper


FAMILIES = {
    "vgg": Family("aib.models.vgg:VGG", AttentionModel, "vgg", 32),
    "vgg-gap": Family("aib.models.baselines:VGGGap", MapModel, "vgg", 32),
    "vgg-pay": Family("aib.models.baselines:VGGPay", PayModel, "vgg", 32),
    "wrn": Family("aib.models.wrn:WRN", WRNModel, "wrn", 32),
    "wrn-abn": Family("aib.models.baselines:WRNABN", ABNModel, "wrn", 32),
    "vgg16": Family("aib.models.imagenet:VGG16", VGG16Model, "imagenet", 224),
    "wrn50-2": Family("aib.models.imagenet:WRN50", PretrainedModel, "imagenet", 224),
}


def family(entry: object) -> str | None:
    """The family that an entry, parsed or not, names."""
    name = entry.get("family") if isinstance(entry, dict) else getattr(entry, "family", None)
    return name if isinstance(name, str) else None


AnyModel = Annotated[
    Union[tuple(Annotated[each.model, Tag(name)] for name, each in FAMILIES.items())],  # noqa: UP007
    Discriminator(family),
]
