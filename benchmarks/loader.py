"""Images/s of our loader and of a torchvision pipeline, in one run: `python benchmarks/loader.py`.

Both crop after reflect padding by 4, flip and normalise 32x32 images. Ours runs on one thread;
torchvision's transforms of PIL images run in a DataLoader with two worker processes. Each is the
best of several epochs over the same random images, after one to warm up. Aim: a ratio of 10.
"""

import platform
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from aib.data.loader import Loader

IMAGES, SIZE, PADDING, WORKERS, EPOCHS = 10_000, 32, 4, 2, 5
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class PILDataset(Dataset):
    """What torchvision's CIFAR10 does: arrays in memory, a PIL image for each access."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images.transpose(0, 2, 3, 1).copy(), labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(SIZE, padding=PADDING, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def our_epochs(images: np.ndarray, labels: np.ndarray, batch_size: int) -> Callable:
    """Return a function that iterates over one epoch of our loader."""
    loader = Loader(images, labels, MEAN, STD, crop_padding=PADDING, horizontal_flip=True)
    generator = torch.Generator().manual_seed(0)

    def epoch() -> Iterator[torch.Tensor]:
        plan = loader.augmentation_plan(generator)
        for indices in loader.epoch_order(generator).split(batch_size):
            yield loader.batch(indices, plan)[0]

    return epoch


def torchvision_epochs(images: np.ndarray, labels: np.ndarray, batch_size: int) -> Callable:
    """Return a function that iterates over one epoch of the torchvision pipeline."""
    dataset = PILDataset(images, labels)
    loader = DataLoader(
        dataset, batch_size, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )

    def epoch() -> Iterator[torch.Tensor]:
        for batch, _ in loader:
            yield batch

    return epoch


def best_rate(epoch: Callable[[], Iterator[torch.Tensor]]) -> float:
    """Return images/s of the fastest epoch; the first one, which starts workers, not counted."""
    rates = []
    for _ in range(1 + EPOCHS):
        started = time.perf_counter()
        count = sum(len(batch) for batch in epoch())
        rates.append(count / (time.perf_counter() - started))
    return max(rates[1:])


def main() -> None:
    """Print both rates and their ratio for two batch sizes."""
    torch.set_num_threads(1)
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (IMAGES, 3, SIZE, SIZE), dtype=np.uint8)
    labels = random.randint(0, 10, IMAGES)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, {platform.machine()}")
    for batch_size in (64, 128):
        ours = best_rate(our_epochs(images, labels, batch_size))
        theirs = best_rate(torchvision_epochs(images, labels, batch_size))
        print(
            f"batch {batch_size}: ours {ours:,.0f} images/s on one thread, torchvision "
            f"{theirs:,.0f} images/s with {WORKERS} workers, ratio {ours / theirs:.1f}"
        )


if __name__ == "__main__":
    main()
