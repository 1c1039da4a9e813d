"""The device is asked for once, here, and set to compute the same way twice."""

import os
import resource

import torch

from aib.errors import AibError


def prepare_device(name: str, precision: str) -> torch.device:
    """Resolve "auto", "cpu" or "cuda" and fix precision, determinism and threads.

    Raises `AibError` when cuda is asked for and absent.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise AibError(f"device '{name}': auto, cpu or cuda")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
    if name == "cuda" and not torch.cuda.is_available():
        raise AibError("device cuda was asked for, and this machine has none; use device=cpu")
    device = torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)  # one training a core; and sums keep their order
    # As use_deterministic_algorithms(True), which also imports the compiler (0.9 s).
    torch.set_deterministic_debug_mode("error")
    # Filling fresh memory finds reads of uninitialised values; results do not need it.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return device


def synchronise(device: torch.device) -> None:
    """Wait for the device, so that a clock read after it means something."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int:
    """Largest memory so far in bytes: allocated on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def describe(device: torch.device) -> str:
    """Name of the device for the record."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
