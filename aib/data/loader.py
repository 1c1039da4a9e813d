"""Batches from images that live on the training device: no worker processes, no copies, no waits.

Order and augmentation come from two generators that the caller owns and can save, so a run
resumes in the middle of an epoch by drawing the epoch again and skipping the batches done:

    order = loader.epoch_order(order_generator)
    plan = loader.augmentation_plan(augmentation_generator)
    for indices in order.split(batch_size):
        images, labels = loader.batch(indices, plan)
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from aib.data.augment import PaddingMode, augmentation_plan, crop_and_flip
from aib.data.crop import centre


class Loader:
    """Images and labels on a device, served augmented and normalised.

    Args:
        images: uint8 (N, C, H, W); copied to the device.
        labels: integers (N,).
        mean, std: of each channel, images scaled to [0, 1].
        crop_padding: pixels of padding on each side before the random crop; 0 for no crop.
        padding_mode: "reflect" or "zero" (black).
        crop_size: side of the random crop, and of the central one in evaluation; None for that of
            the images.
        horizontal_flip: flip half of the images.
        device: where the images stay and the batches are made.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        crop_padding: int = 0,
        padding_mode: PaddingMode = "reflect",
        crop_size: int | None = None,
        horizontal_flip: bool = False,
        device: torch.device | str = "cpu",
    ):
        side = min(images.shape[2:])
        self.size = crop_size or side
        if crop_padding >= side or self.size > side:
            raise ValueError(f"crop {self.size}+{crop_padding} does not fit images {images.shape}")
        self.surplus = side - self.size
        self.device = torch.device(device)
        # Kept with channels last, in which these narrow networks trained faster on a CPU too.
        self._pixels = torch.tensor(images).permute(0, 2, 3, 1).contiguous().to(self.device)
        self.labels = torch.tensor(labels, dtype=torch.int64, device=self.device)
        self.crop_padding = crop_padding
        self.padding_mode = padding_mode
        self.horizontal_flip = horizontal_flip
        # (pixel / 255 - mean) / std as one multiplication and one addition, for a row of pixels:
        # one long inner loop instead of one over the three channels
        row = torch.tensor([mean, std], dtype=torch.float64).repeat(1, self.size)
        self._factor = (1 / (255 * row[1])).to(self.device, torch.float32)
        self._shift = (-row[0] / row[1]).to(self.device, torch.float32)

    def __len__(self) -> int:
        """The number of images."""
        return len(self._pixels)

    def epoch_order(self, generator: torch.Generator) -> Tensor:
        """Draw a permutation of all images, int64 (N,) on the device, from a CPU generator."""
        return torch.randperm(len(self), generator=generator).to(self.device)

    def augmentation_plan(self, generator: torch.Generator) -> Tensor:
        """Draw an epoch's augmentation of every image, (N, 3) on the device; see `augment`."""
        plan = augmentation_plan(
            len(self), self.crop_padding, self.surplus, self.horizontal_flip, generator
        )
        return plan.to(self.device)

    def batch(self, indices: Tensor, plan: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images `indices`, augmented by an epoch's plan, and their labels.

        Returns:
            float32 (B, C, H, W) with channels last in memory, normalised, and int64 (B,).
            Nothing here waits for the device.
        """
        pixels = crop_and_flip(self._pixels, indices, plan[indices], self.padding_mode, self.size)
        return self._normalise(pixels), self.labels[indices]

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images in order, cropped to their centre and normalised, and their labels."""
        window = centre(self._pixels.shape[1], self.size)
        for pixels, labels in zip(
            self._pixels.split(batch_size), self.labels.split(batch_size), strict=True
        ):
            yield self._normalise(pixels[:, window, window]), labels

    def _normalise(self, pixels: Tensor) -> Tensor:
        rows = pixels.flatten(2).to(torch.float32).mul_(self._factor).add_(self._shift)
        return rows.view(pixels.shape).permute(0, 3, 1, 2)
