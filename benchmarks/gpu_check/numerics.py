"""Does every precision compute the loss and its gradient, and does a compiled network too?"""

from typing import NamedTuple

import torch
from setting import MODEL, Failed, Found, NotHere, Setting, sentence
from steps import images_per_second
from torch import Tensor

from aib.models import build
from aib.models.initialise import initialise
from aib.objective import losses
from aib.spec.run import RunSpec
from aib.training.device import prepare_device
from aib.training.loop import AUTOCAST

IMAGES = 8  # float64 on a CPU is slow
# Rounding of one operation, relative; many of them add up, and gradients lose more than losses.
ROUNDING = {"fp32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-9, "fp16": 2.0**-11}
MOST = {"loss": 64, "gradient": 128}  # roundings that an error may be worth
LOSS_SCALE = 2.0**10  # keeps small gradients in fp16's range; a power of two rounds nothing


class Step(NamedTuple):
    """The loss of a batch at the start weights, without noise, and its gradient in one vector."""

    loss: float
    gradient: Tensor


def precisions(setting: Setting) -> Found:
    """Loss and gradient in each precision against float64 on a CPU."""
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
    try:
        errors = {"fp32": _errors(_step(spec, device), _step(plain, device))}
    except torch._dynamo.exc.TorchRuntimeError:
        raise
    except torch._inductor.exc.InductorError as error:  # no compiler, no Triton
        raise NotHere(f"torch.compile does not work here: {str(error).splitlines()[0]}") from None
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
    given = [each.grad.flatten() for each in network.parameters() if each.grad is not None]
    return Step(loss.item(), torch.cat(given).double().cpu() / LOSS_SCALE)


def _errors(found: Step, exact: Step) -> dict[str, float]:
    """Relative errors of both."""
    difference = (found.gradient - exact.gradient).norm() / exact.gradient.norm()
    return {"loss": abs(found.loss / exact.loss - 1), "gradient": difference.item()}


def _check(errors: dict[str, dict[str, float]]) -> None:
    for precision, found in errors.items():
        for what, error in found.items():
            most = MOST[what] * ROUNDING[precision]
            if not error <= most:
                raise Failed(f"{precision}: {what} is off by {error:.1e}, at most {most:.1e}")


def _words(found: dict[str, float]) -> str:
    return f"loss off by {found['loss']:.0e}, gradient by {found['gradient']:.0e}"
