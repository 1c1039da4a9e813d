"""One seed, several named streams of random numbers."""

import hashlib

import torch


def derived_seed(seed: int, name: str) -> int:
    """A 63-bit seed for the stream `name` of the run `seed`."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


class Generators:
    """The streams of one run: init, order and augmentation on the CPU, noise on the device.

    Noise is the device's default generator, so that modules which draw their own noise, dropout
    included, work anywhere; nothing else may draw from it.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.init, self.order, self.augmentation = (
            torch.Generator().manual_seed(derived_seed(seed, name))
            for name in ("init", "order", "augmentation")
        )
        torch.manual_seed(derived_seed(seed, "noise"))

    def state(self) -> dict[str, torch.Tensor]:
        """All positions, as tensors."""
        return {
            "order": self.order.get_state(),
            "augmentation": self.augmentation.get_state(),
            "noise": self._noise_state(),
        }

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Go back to saved positions."""
        self.order.set_state(state["order"])
        self.augmentation.set_state(state["augmentation"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["noise"], self.device)
        else:
            torch.set_rng_state(state["noise"])

    def _noise_state(self) -> torch.Tensor:
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.get_rng_state()
