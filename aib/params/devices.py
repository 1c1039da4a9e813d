"""What a training reaches on a device that is not at hand; params/devices.yaml."""

from typing import Literal

from pydantic import Field

from aib.spec.base import Strict
from aib.spec.parts import Precision


class Rate(Strict):
    """Floating-point operations a second of the whole device; a multiply-add is two."""

    tflops: float = Field(gt=0)
    share: float = Field(
        default=1, gt=0, le=1, description="of it that trainings reach; 1 where it was reached"
    )
    source: str

    @property
    def reached(self) -> float:
        """Operations a second in training."""
        return self.tflops * 1e12 * self.share


class LeastStep(Strict):
    """What a step takes however small the network is: launches, and what is not counted."""

    milliseconds: float = Field(gt=0)
    source: str


class Memory(Strict):
    """Of the whole device."""

    gb: float = Field(gt=0)
    source: str


class Device(Strict):
    """A processor core or a GPU; every figure says where it was seen."""

    kind: Literal["cpu", "gpu"]
    recorded_as: str = Field(description="how records call it: the start of `cost.device`")
    rates: dict[Precision, Rate] = Field(
        min_length=1, description="a precision that is not here is not estimated"
    )
    least_step: LeastStep | None = None
    memory: Memory | None = None
