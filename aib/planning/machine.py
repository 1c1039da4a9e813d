"""The machine that a study is planned for: the one in use, or one that is not at hand."""

import os
from dataclasses import dataclass, replace
from typing import Any

from aib.errors import AibError
from aib.gpus import visible_gpus
from aib.params import ParameterError, nearest
from aib.params.devices import Device
from aib.provenance import environment
from aib.spec.parts import Precision


@dataclass(frozen=True)
class Machine:
    """Devices of one kind, and what is known of them."""

    name: str
    kind: str  # cpu or gpu
    sharing: int  # trainings on one GPU; a core always has one
    entry: Device | None  # of params/devices.yaml
    count: int = 1  # GPUs, or processor cores
    recorded_as: str | None = None  # how its records begin `cost.device`; None: no record counts
    processor: str | None = None  # of a CPU, where records must have the same
    given_rate: float | None = None  # operations a second, from the command line
    in_use: bool = False
    card_bytes: int | None = None  # memory of the GPU in use

    @property
    def memory_bytes(self) -> float | None:
        """Of one device: of the one in use, or as declared."""
        declared = self.entry and self.entry.memory
        return self.card_bytes or (declared.gb * 1e9 if declared else None)

    @property
    def slots(self) -> int:
        """Trainings at once."""
        return self.count * self.sharing

    @property
    def least_step(self) -> float:
        """Seconds that a step takes at least; 0 where none is declared, or the rate is given."""
        if self.given_rate or self.entry is None or self.entry.least_step is None:
            return 0.0
        return self.entry.least_step.milliseconds / 1e3

    def rate(self, precision: Precision) -> tuple[float, str] | None:
        """Operations a second of one device, and who says so."""
        if self.given_rate:
            return self.given_rate, "--device-rate"
        declared = self.entry and self.entry.rates.get(precision)
        return (declared.reached, declared.source) if declared else None

    def has_measured(self, device: str, processor: str | None) -> bool:
        """Does a record of that device stand for this machine?"""
        if self.recorded_as is None or not device.startswith(self.recorded_as):
            return False
        return self.processor is None or processor == self.processor


def find_machine(
    devices: dict[str, Device],
    device: str = "auto",
    gpus: int | None = None,
    cores: int | None = None,
    tflops: float | None = None,
    sharing: int = 1,
) -> Machine:
    """The machine that the options of the command line mean.

    Args:
        devices: of params/devices.yaml.
        device: auto, cpu or cuda for what is here; else a name among `devices`.
        gpus, cores: how many; those that are here, or one of a device that is not.
        tflops: that trainings reach on it, in place of everything measured or declared.
        sharing: trainings on one GPU.
    """
    if gpus and cores:
        raise AibError("--gpus and --cores: one of them, a training has either")
    valid = {"auto", "cpu", "cuda", *devices}
    if device not in valid:
        raise ParameterError(f"params/devices.yaml: no device '{device}'; {nearest(device, valid)}")
    if tflops is not None:
        kind = "cpu" if cores or device == "cpu" else "gpu"
        name = f"a {'core' if kind == 'cpu' else 'GPU'} of {tflops:g} TFLOP/s"
        found = _machine(name, kind, sharing, devices.get(device), given_rate=tflops * 1e12)
    elif device in ("auto", "cpu", "cuda"):
        found = _in_use(devices, "cpu" if cores else device, sharing, wants_gpu=bool(gpus))
    else:
        entry = devices[device]
        found = _machine(device, entry.kind, sharing, entry, recorded_as=entry.recorded_as)
    if (gpus and found.kind == "cpu") or (cores and found.kind == "gpu"):
        raise AibError(f"--{'gpus' if gpus else 'cores'}: {found.name} is a {found.kind}")
    return replace(found, count=gpus or cores or found.count)


def entry_of(devices: dict[str, Device], recorded: str) -> Device | None:
    """The declared device that records call so."""
    return next((d for d in devices.values() if recorded.startswith(d.recorded_as)), None)


def recorded_machine(devices: dict[str, Device], recorded: str, sharing: int) -> Machine:
    """One device of a finished run, by the name that its record gives it."""
    kind = "cpu" if recorded == "cpu" else "gpu"
    return _machine(recorded, kind, sharing, entry_of(devices, recorded), recorded_as=recorded)


def _machine(name: str, kind: str, sharing: int, entry: Device | None, **known: Any) -> Machine:
    return Machine(name, kind, sharing=sharing if kind == "gpu" else 1, entry=entry, **known)


def _in_use(devices: dict[str, Device], device: str, sharing: int, wants_gpu: bool) -> Machine:
    gpus = visible_gpus() if device != "cpu" else []
    if not gpus:
        if wants_gpu or device == "cuda":
            raise AibError(
                "this machine has no GPU; say which one is meant with --device "
                f"({', '.join(n for n, d in devices.items() if d.kind == 'gpu')}) or --device-rate"
            )
        found, processor = recorded_machine(devices, "cpu", sharing), environment()["processor"]
        cores = len(os.sched_getaffinity(0))
        return replace(found, count=cores, processor=processor, in_use=True)
    import torch  # takes seconds, and a GPU tells its name to nobody else

    found = recorded_machine(devices, torch.cuda.get_device_name(), sharing)
    card = torch.cuda.get_device_properties(0).total_memory
    return replace(found, count=len(gpus), in_use=True, card_bytes=card)
