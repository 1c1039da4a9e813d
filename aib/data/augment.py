"""Random crop after padding, and horizontal flip, of many images at once.

What happens to an image is decided for a whole epoch beforehand (`augmentation_plan`) and done by
index arithmetic on uint8 (`crop_and_flip`): no padded copy, no loop over images, no branch on a
value, hence no wait for the device.
"""

from typing import Literal

import torch
from torch import Tensor

PaddingMode = Literal["reflect", "zero"]


def augmentation_plan(
    count: int, crop_padding: int, surplus: int, horizontal_flip: bool, generator: torch.Generator
) -> Tensor:
    """Draw what happens to each of `count` images, from a CPU generator.

    `surplus` is by how many pixels an image is larger than the crop.

    Returns:
        int64 (count, 3): offsets of the crop down and to the right, uniform from -crop_padding to
        crop_padding + surplus, and whether to flip (1, half of the time) or not (0).
    """
    highest = crop_padding + surplus
    offsets = torch.randint(-crop_padding, highest + 1, (count, 2), generator=generator)
    flips = torch.randint(0, 1 + horizontal_flip, (count, 1), generator=generator)
    return torch.cat([offsets, flips], dim=1)


def crop_and_flip(
    images: Tensor, indices: Tensor, plan: Tensor, padding_mode: PaddingMode, size: int
) -> Tensor:
    """Select, pad, crop to `size` pixels each way, then flip.

    Equal to padding each selected image by the crop padding, cutting out a window at the planned
    offset from the image's own corner, and mirroring it where planned. Reflection leaves the edge
    pixel single, as in numpy and torchvision; "zero" gives black.

    Args:
        images: contiguous (N, H, W, C); offsets must be smaller than H and W.
        indices: int64 (B,), which images.
        plan: int64 (B, 3), what happens to each.

    Returns:
        contiguous (B, size, size, C) of the type of `images`.
    """
    height, width, channels = images.shape[1:]
    down, right, flip = plan.unsqueeze(-1).unbind(1)
    steps = torch.arange(size, device=images.device)
    rows = down + steps
    columns = right + torch.where(flip.bool(), steps.flip(0), steps)
    # Whole rows are picked first, then values within rows.
    source_rows = indices.unsqueeze(1) * height + _reflect(rows, height)
    picked = images.view(-1, width * channels).index_select(0, source_rows.view(-1))
    picked = picked.view(len(indices), size, width * channels)
    source_columns = _reflect(columns, width).unsqueeze(2) * channels
    values = source_columns + torch.arange(channels, device=images.device)
    values = values.view(len(indices), 1, -1).expand(-1, size, -1)
    result = picked.gather(2, values).view(-1, size, size, channels)
    if padding_mode == "zero":
        outside = _outside(rows, height).unsqueeze(2) | _outside(columns, width).unsqueeze(1)
        result.masked_fill_(outside.unsqueeze(3), 0)
    return result


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Map positions from -(size - 1) to 2 * (size - 1) into the image, mirrored at the edges."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()


def _outside(positions: Tensor, size: int) -> Tensor:
    return (positions < 0) | (positions >= size)
