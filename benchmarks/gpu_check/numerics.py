"""Does every precision compute the loss that it should, and does a compiled network too?"""

import os
import shutil
from typing import NamedTuple

import torch
from setting import MODEL, Failed, Found, NotHere, Setting, sentence
from steps import images_per_second
from torch import Tensor
from torch.utils._triton import has_triton

from aib.models import build
from aib.models.initialise import initialise
from aib.objective import losses
from aib.spec.run import RunSpec
from aib.training.device import prepare_device
from aib.training.loop import AUTOCAST

IMAGES = 8  # float64 on a CPU is slow
# Most that a loss may be off, relative. Gradients have no bound: in a new network with batch
# normalisation they magnify roundings so much that even fp32 is off by 1 % (measured on a CPU).
MOST = {"fp32": 1e-5, "tf32": 2e-3, "fp16": 2e-3, "bf16": 1e-2}
LOSS_SCALE = 2.0**10  # keeps small gradients in fp16's range; a power of two rounds nothing


class Step(NamedTuple):
    """The loss of a batch at the start weights, without noise, and its gradient in one vector."""

    loss: float
    gradient: Tensor


def precisions(setting: Setting) -> Found:
    """The loss in each precision, and its gradient, against float64 on a CPU."""
    exact = _step(setting.standard(MODEL), torch.device("cpu"), torch.float64)
    errors = {}
    for precision in setting.precisions:
        device = prepare_device(setting.device, precision)
        errors[precision] = _errors(
            _step(setting.standard(MODEL, precision=precision), device), exact
        )
    _check(errors)
    return Found(sentence({name: _words(found) for name, found in errors.items()}), errors)


def compiled(setting: Setting) -> Found:
    """The same against the network as it is, and what compiling does to the speed."""
    device = prepare_device(setting.device, "fp32")
    plain, spec = (setting.standard(MODEL, compile=each) for each in (False, True))
    if not shutil.which(os.environ.get("CXX", "g++")):
        raise NotHere("torch.compile needs a C++ compiler, and there is none")
    if device.type == "cuda" and not has_triton():
        raise NotHere("torch.compile needs Triton, which does not take this GPU")
    errors = {"fp32": _errors(_step(spec, device), _step(plain, device))}
    _check(errors)
    speeds = [images_per_second(each, device, setting.small) for each in (plain, spec)]
    ratio = speeds[1] / speeds[0]
    words = (
        f"{ratio:.2f} times the speed ({speeds[0]:,.0f} images/s before); {_words(errors['fp32'])}"
    )
    return Found(words, {"images_per_second": speeds, **errors["fp32"]})


def _step(spec: RunSpec, device: torch.device, dtype: torch.dtype = torch.float32) -> Step:
    network = build(spec.model, spec.network, len(spec.dataset.classes), spec.image_size)
    initialise(network, spec.initialisation, torch.Generator().manual_seed(0))
    network.train().to(device, dtype, memory_format=torch.channels_last)
    forward = torch.compile(network) if spec.training.compile else network
    shape = (IMAGES, 3, spec.image_size, spec.image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(device, dtype)
    labels = torch.arange(IMAGES, device=device) % len(spec.dataset.classes)
    low = AUTOCAST.get(spec.training.precision)
    with torch.autocast(device.type, dtype=low, enabled=low is not None):
        prediction = forward(images.to(memory_format=torch.channels_last), 0)
    loss = losses(prediction, labels, spec.objective).total
    (LOSS_SCALE * loss).backward()
    # Without noise some have no gradient, which compiled code fills with zeros.
    given = [(0 * p if p.grad is None else p.grad).detach().flatten() for p in network.parameters()]
    return Step(loss.item(), torch.cat(given).double().cpu() / LOSS_SCALE)


def _errors(found: Step, exact: Step) -> dict[str, float]:
    """Relative errors of both."""
    difference = (found.gradient - exact.gradient).norm() / exact.gradient.norm()
    return {"loss": abs(found.loss / exact.loss - 1), "gradient": difference.item()}


def _check(errors: dict[str, dict[str, float]]) -> None:
    for precision, found in errors.items():
        if not found["loss"] <= MOST[precision]:  # NaN neither
            off = f"{found['loss']:.0e}, at most {MOST[precision]:.0e}"
            raise Failed(f"{precision}: the loss is off by {off}")


def _words(found: dict[str, float]) -> str:
    return f"loss off by {found['loss']:.0e}, gradient by {found['gradient']:.0e}"
