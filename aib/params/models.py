"""Models and their sizes: params/models.yaml and `networks` of params/scales.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from aib.params.base import Positive, Strict


class Model(Strict):
    """One network: a family with or without attention, anchors and bottleneck (docs/method.md)."""

    family: Literal["vgg"]
    attention: Literal["none", "continuous", "quantised"] = "none"
    bottleneck: bool = False
    anchors: int | None = Field(default=None, ge=2, description="Q, of quantised attention")

    @model_validator(mode="after")
    def _anchors_go_with_quantised(self) -> Self:
        if (self.attention == "quantised") != (self.anchors is not None):
            raise ValueError("'anchors' is needed by attention: quantised, and by no other")
        if self.attention != "none" and not self.bottleneck:
            raise ValueError("attention needs bottleneck: true")
        return self


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
