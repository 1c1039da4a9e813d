"""How the anchors are used: which are chosen, which are dead, how many count."""

from typing import Any

import torch
from torch import nn

from aib.models import AnchorQuantiser, Prediction


class UsageCounts:
    """Counts, over batches, the pixels of the maps that each anchor is nearest to."""

    def __init__(self, model: nn.Module) -> None:
        quantisers = [each for each in model.modules() if isinstance(each, AnchorQuantiser)]
        self.quantiser = quantisers[0] if quantisers else None
        if quantisers:
            anchors = self.quantiser.anchors
            self.counts = torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)

    def add(self, prediction: Prediction) -> None:
        """Take in one batch."""
        if self.quantiser is not None:
            nearest = self.quantiser.nearest(prediction.attention.map).flatten()
            self.counts += torch.bincount(nearest, minlength=len(self.counts))

    def usage(self) -> dict[str, Any] | None:
        """Values of the anchors, the share of pixels of each, and two figures of the shares.

        "dead" counts anchors that no pixel chose. "perplexity" is 2 to the entropy of the shares in
        bits: Q when all are used alike, 1 when one is. None without anchors.
        """
        if self.quantiser is None:
            return None
        shares = self.counts.double() / self.counts.sum()
        return {
            "values": self.quantiser.anchors.tolist(),
            "usage": shares.tolist(),
            "dead": int((shares == 0).sum()),
            "perplexity": float(torch.exp(torch.special.entr(shares).sum())),
        }
