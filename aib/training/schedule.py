"""Learning rates over time."""

import math

from aib.params import CosineSchedule, HalvingSchedule


def learning_rate(
    schedule: HalvingSchedule | CosineSchedule, peak: float, epoch: float, epochs: int
) -> float:
    """The rate at `epoch`, counted from 0; its fraction is the share of the epoch already done.

    "halving" follows the released VGG code (facts.md 2.2): warm-up epochs at a tenth of the rate
    of the next, and each plateau ends one epoch early, because the release steps its schedule
    before the first epoch. "cosine" rises linearly, then falls to zero along half a cosine.
    """
    if schedule.name == "halving":
        whole = math.floor(epoch)
        if whole < schedule.warmup_epochs:
            return peak * 10.0 ** (whole - schedule.warmup_epochs)
        return peak * schedule.factor ** ((whole + 1) // schedule.every)
    if epoch < schedule.warmup_epochs:
        return peak * epoch / schedule.warmup_epochs
    progress = (epoch - schedule.warmup_epochs) / max(epochs - schedule.warmup_epochs, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
