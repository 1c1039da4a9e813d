"""The attention maps that a run keeps."""

from itertools import islice

import numpy as np
import torch
from torch import nn

from aib.data.crop import centre
from aib.data.loader import Loader
from aib.data.prepared import PreparedData
from aib.evaluation.accuracy import BATCH
from aib.generators import derived_seed

GALLERY = 12  # images


@torch.no_grad()
def gallery_means(model: nn.Module, loader: Loader) -> torch.Tensor:
    """Mean maps (12, h, w) of a split's first images, on the CPU.

    The model is put into evaluation mode and left there.
    """
    model.eval()
    images, _ = next(iter(loader.evaluation_batches(GALLERY)))
    return model(images, 0).attention.mean.float().squeeze(1).cpu()


@torch.no_grad()
def attention_arrays(
    model: nn.Module,
    loaders: dict[str, Loader],
    data: PreparedData,
    splits: tuple[str, ...],
    sample: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Mean maps (n, h, w) of the first `sample` images of each split, and a gallery.

    The gallery holds the first 12 images of the last split with mask (if the data has masks), mean
    map, one sampled map and its quantised form; it makes the file self-contained.
    """
    model.eval()
    arrays = {}
    for split in splits:
        batches = islice(loaders[split].evaluation_batches(BATCH), -(-sample // BATCH))
        means = [model(images, 0).attention.mean.float().cpu() for images, _ in batches]
        arrays[f"{split}_mean"] = torch.cat(means)[:sample].squeeze(1).numpy()
    shown, loader = getattr(data, splits[-1]), loaders[splits[-1]]
    images, _ = next(iter(loader.evaluation_batches(GALLERY)))
    device = images.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, "gallery"))
        attention = model(images, 1).attention
    window = centre(shown.images.shape[-1], loader.size)
    arrays["gallery_images"] = np.array(shown.images[:GALLERY, :, window, window])
    if shown.masks is not None:
        arrays["gallery_masks"] = np.array(shown.masks[:GALLERY, window, window])
    for name in ("mean", "map", "quantised"):
        key = "gallery_sample" if name == "map" else f"gallery_{name}"
        arrays[key] = getattr(attention, name).float().squeeze(1).cpu().numpy()
    return arrays
