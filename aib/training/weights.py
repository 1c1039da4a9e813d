"""ImageNet weights, and the tensors of a network that they go into."""

from pathlib import Path

import torch
from torch import nn

from aib.errors import AibError

CLASSIFIERS = ("classifier.", "fc.")  # of ImageNet's classes: not used


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill the backbone of `model` from a file of torchvision's; the rest keeps its start weights.

    Raises `AibError` when the file is damaged or of another network.
    """
    try:
        theirs = torch.load(path, map_location="cpu", weights_only=True)
        theirs = {n: t for n, t in theirs.items() if not n.startswith(CLASSIFIERS)}
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:80]
        raise AibError(f"{path}: not a file of weights ({reason}); fetch it again") from None
    counters = "num_batches_tracked"  # older files have none
    ours = {n: t for n, t in model.backbone().items() if not n.endswith(counters)}
    theirs = {n: t for n, t in theirs.items() if not n.endswith(counters)}
    for name in [*ours, *theirs]:
        if name not in ours or name not in theirs:
            what = f"it has no '{name}'" if name in ours else f"'{name}' has no place"
            raise AibError(f"{path}: weights of another network: {what}")
        if ours[name].shape != theirs[name].shape:
            found, wanted = (list(each[name].shape) for each in (theirs, ours))
            raise AibError(
                f"{path}: weights of another network: '{name}' is {found}, expected {wanted}"
            )
    with torch.no_grad():
        for name, tensor in ours.items():
            tensor.copy_(theirs[name])
