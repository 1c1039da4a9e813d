"""Which device is checked, in which environment."""

import subprocess
from typing import Any

import torch
from setting import ROOT, Found, Setting

from aib.provenance import environment, git_state
from aib.training.device import describe, prepare_device


def found_device(setting: Setting) -> Found:
    """The device as records name it; of a GPU also its memory, driver and libraries."""
    device = prepare_device(setting.device, "fp32")
    figures: dict[str, Any] = {"name": describe(device)}
    figures |= {"environment": environment(), "git": git_state(ROOT)}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        figures |= {
            "memory_bytes": card.total_memory,
            "capability": f"{card.major}.{card.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver(),
        }
    return Found(f"{figures['name']}, torch {torch.__version__}", figures)


def _driver() -> str | None:
    """As nvidia-smi says; None without that tool, which containers may lack."""
    query = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.splitlines()[0].strip()
