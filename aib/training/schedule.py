"""Learning rates over time."""

import math

from aib.spec.parts import CosineSchedule, Schedule


def learning_rate(schedule: Schedule, peak: float, epoch: float, epochs: int) -> float:
    """The rate at `epoch`, counted from 0; its fraction is the share of the epoch already done.

    - "halving" follows the released VGG code: each plateau ends one epoch early, because the
      release steps its schedule before the first epoch (facts.md 2.2).
    - "milestones" follows the released WRN code, "decay" the CUB code (facts.md 2.1, 2.2).
    - "cosine" rises linearly, then falls to zero along half a cosine, step by step.

    The warm-up of the first three is that of the VGG: a tenth of the next epoch's rate.
    """
    if isinstance(schedule, CosineSchedule):
        return peak * _cosine(schedule.warmup_epochs, epoch, epochs)
    whole = math.floor(epoch)
    if whole < schedule.warmup_epochs:
        return peak * 10.0 ** (whole - schedule.warmup_epochs)
    match schedule.name:
        case "halving":
            steps = (whole + 1) // schedule.every
        case "milestones":
            steps = sum(whole >= milestone for milestone in schedule.epochs)
        case "decay":
            steps = whole // schedule.every
    return peak * schedule.factor**steps


def _cosine(warmup: int, epoch: float, epochs: int) -> float:
    if epoch < warmup:
        return epoch / warmup
    progress = (epoch - warmup) / max(epochs - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
