"""How many trainings should share a GPU? Images a second in all, of 1, 2, 4, … side by side."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError

from setting import MODEL, PROCESSES, Found, Setting, sentence
from steps import images_per_second

from aib.planning.sharing import what_decides
from aib.spec.run import RunSpec
from aib.training.device import prepare_device

PROTOCOLS = {"compact": "stated-compact", "paper": "stated"}  # by scale
PATIENCE = 60  # seconds that one waits for the others to be ready


def side_by_side(setting: Setting) -> Found:
    """Of a small and of the paper's VGG, since a network that fills the device gains nothing."""
    rows = []
    for scale, protocol in ({"tiny": None} if setting.small else PROTOCOLS).items():
        spec = setting.standard(MODEL, scale, protocol)
        speeds: dict[int, float] = {}
        for number in (1, 2) if setting.small else (1, 2, 4, 8):
            speed = _in_all(spec, setting, number)
            if speed is None:  # they do not fit
                break
            speeds[number] = speed
            print(f"{scale}, {number} side by side: {speed:,.0f} images/s in all", flush=True)
        rows.append({"scale": scale, "model": MODEL, "run": what_decides(spec),
                     "images_per_second": speeds})  # fmt: skip
    return Found(sentence({row["scale"]: _words(row["images_per_second"]) for row in rows}),
                 {"rows": rows})  # fmt: skip


def _words(speeds: dict[int, float]) -> str:
    return ", ".join(f"{k}: {speed / speeds[1]:.2f}" for k, speed in speeds.items())


def _in_all(spec: RunSpec, setting: Setting, number: int) -> float | None:
    """Of so many processes that begin together; None where their memory does not suffice."""
    ready = PROCESSES.Barrier(number)
    with ProcessPoolExecutor(number, PROCESSES, _prepare, (ready,)) as pool:
        made = [pool.submit(_one, spec, setting) for _ in range(number)]
        speeds = [each.result() for each in made]
    return None if None in speeds else sum(speeds)


def _prepare(ready: Barrier) -> None:
    global _ready
    _ready = ready


def _one(spec: RunSpec, setting: Setting) -> float | None:
    import torch

    device = prepare_device(setting.device, spec.training.precision)
    try:
        return images_per_second(spec, device, setting.small, lambda: _ready.wait(PATIENCE))
    except (torch.OutOfMemoryError, BrokenBarrierError):
        _ready.abort()
        return None
