"""Is a run the same to the bit, when it is repeated, and when it was killed and resumed?"""

import shutil
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from setting import PROCESSES, Failed, Found, Setting

from aib import record
from aib.files import CHECKPOINT, RESULT
from aib.launch import launch
from aib.provenance import TRAINING, code_hash
from aib.retraining import differences
from aib.spec.run import RunSpec

KILLS = 3


def repeat(setting: Setting) -> Found:
    """The same short training twice, in every precision."""
    found = {}
    for precision in setting.precisions:
        spec = setting.digits(precision=precision)
        first, second = (_trained(setting, spec, name) for name in ("first", "second"))
        found[precision] = differences(record.read(first), record.read(second))
        shutil.rmtree(first.parent)
    if any(found.values()):
        raise Failed(f"not the same bits: { {name: each for name, each in found.items() if each} }")
    return Found(f"the same bits twice in {', '.join(found)}", {"precisions": list(found)})


def resume(setting: Setting) -> Found:
    """A training killed with -9 after some steps, again and again, beside one left alone."""
    spec = setting.digits()
    alone = _trained(setting, spec, "alone")
    killed, kills = _folder(setting, "killed"), 0
    while not (killed / RESULT).exists():
        process = _start(setting, spec, killed, checkpoint_seconds=0.0)
        for _ in range(2):
            _wait_for_newer_checkpoint(process, killed / CHECKPOINT)
        if kills < KILLS and process.is_alive():
            process.kill()
            kills += 1
            process.join()
        else:
            _joined(process)
    if kills < KILLS:
        raise Failed(f"the training ended after {kills} kills, too soon to tell")
    found = differences(record.read(alone), record.read(killed))
    if found:
        raise Failed(f"not the same bits after {kills} kills: {', '.join(found)}")
    return Found(f"the same bits after {kills} kills", {"kills": kills})


def _folder(setting: Setting, name: str) -> Path:
    return setting.project / "results/again" / name


def _trained(setting: Setting, spec: RunSpec, name: str) -> Path:
    folder = _folder(setting, name)
    _joined(_start(setting, spec, folder))
    return folder


def _start(
    setting: Setting, spec: RunSpec, folder: Path, checkpoint_seconds: float = 60.0
) -> BaseProcess:
    arguments = (spec, setting.project / "results", folder, code_hash(TRAINING), setting.device)
    process = PROCESSES.Process(target=launch, args=(*arguments, checkpoint_seconds))
    process.start()
    return process


def _joined(process: BaseProcess) -> None:
    process.join()
    if process.exitcode != 0:
        raise Failed(f"a training ended with status {process.exitcode}")


def _wait_for_newer_checkpoint(process: BaseProcess, path: Path) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.is_alive() and not (path.exists() and path.stat().st_mtime_ns > before):
        time.sleep(0.01)
