"""Networks, and the modules a reader can lift into their own."""

from aib.models.attention import AnchorQuantiser, Attention, IBSpatialAttention
from aib.models.bottleneck import (
    InformationBottleneck,
    Prediction,
    full_precision,
    gaussian_kl,
)
from aib.models.registry import build

__all__ = [
    "AnchorQuantiser",
    "Attention",
    "IBSpatialAttention",
    "InformationBottleneck",
    "Prediction",
    "build",
    "full_precision",
    "gaussian_kl",
]
