"""How fast is each family, as a share of what the device does in plain matrix products?"""

import time

import torch
from setting import MODEL, Found, Setting, sentence
from steps import images_per_second

from aib.models.description import describe
from aib.spec.parts import Precision
from aib.spec.run import RunSpec
from aib.studies.cost import BACKWARD
from aib.training.device import prepare_device, synchronise
from aib.training.loop import AUTOCAST

MODELS = (MODEL, "vgg-gap", "vgg-att2", "wrn-aib-qt", "wrn-abn")  # one of every family
LARGE = ("vgg16-aib-qt", "wrn50-2-aib-qt")  # at any size that they have


def matrices(setting: Setting) -> Found:
    """Operations a second of the best of several square products, by precision."""
    rates = {each: matrix_rate(setting, each) for each in setting.precisions}
    words = sentence({name: f"{rate / 1e12:.3g} TFLOP/s" for name, rate in rates.items()})
    return Found(words, {"operations_per_second": rates})


def families(setting: Setting) -> Found:
    """Images a second of one training of every family, and the share that its products reach."""
    rows, models = [], MODELS if setting.small else MODELS + LARGE
    for precision in setting.precisions:
        product = matrix_rate(setting, precision)
        for model in models:
            spec = setting.standard(model, precision=precision)
            device = prepare_device(setting.device, precision)
            speed = images_per_second(spec, device, setting.small)
            share = speed * (1 + BACKWARD) * _operations(spec) / product
            rows.append({"model": model, "precision": precision, "batch": spec.training.batch_size,
                         "images_per_second": speed, "share": share})  # fmt: skip
            print(f"{model} in {precision}: {speed:,.0f} images/s, {share:.0%}", flush=True)
    slowest, fastest = (pick(row["share"] for row in rows) for pick in (min, max))
    words = f"{len(models)} families reach {slowest:.0%} to {fastest:.0%} of the matrix rate"
    return Found(words, {"rows": rows})


def matrix_rate(setting: Setting, precision: Precision) -> float:
    """Operations a second."""
    device, side = prepare_device(setting.device, precision), 512 if setting.small else 8192
    dtype = AUTOCAST.get(precision, torch.float32)
    left, right = torch.randn(2, side, side, device=device, dtype=dtype).unbind()

    def seconds() -> float:
        synchronise(device)
        started = time.perf_counter()
        torch.matmul(left, right)
        synchronise(device)
        return time.perf_counter() - started

    return 2 * side**3 / min(seconds() for _ in range(6))


def _operations(spec: RunSpec) -> int:
    """Of a forward pass of one image."""
    found = describe(spec.model, spec.network, len(spec.dataset.classes), spec.image_size)
    return found.operations
