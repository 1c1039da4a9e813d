"""A running average of a network's weights."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def running_average(model: nn.Module, decay: float) -> AveragedModel:
    """average = decay * average + (1 - decay) * now, after every step, from the start weights.

    As released (#26) the running statistics of BatchNorm are averaged as well, and nothing corrects
    for the start: torch would begin with the weights after the first step.
    """
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    average.n_averaged += 1
    return average.requires_grad_(False)
