"""A whole study from data to report: Snakemake, trainings, evaluations, verification."""

import os
import subprocess

from setting import Failed, Found, Setting

from aib import record
from aib.params import load
from aib.studies.plan import plan


def end_to_end(setting: Setting) -> Found:
    """Study tiny by `snakemake`, then `aib verify`; every run was made on the device."""
    _run(setting, "snakemake", "--cores", "2", "--config", "study=tiny", f"device={setting.device}")
    _run(setting, "aib", "verify", "tiny")
    made = plan(load(setting.project), "tiny").runs
    folders = [setting.project / "results/runs" / run.folder for run in made]
    devices = {record.read(folder).result["cost"]["device"] for folder in folders}
    if setting.device == "cuda" and "cpu" in devices:
        raise Failed("trainings that were to use the GPU ran on the CPU")
    found = f"{len(made)} runs on {', '.join(devices)}, evaluated, reported and verified"
    return Found(found, {"runs": len(made), "devices": sorted(devices)})


def _run(setting: Setting, *command: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(setting.project)}
    done = subprocess.run(
        command, cwd=setting.project, env=environment, capture_output=True, text=True
    )
    print(done.stdout, done.stderr, flush=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(f"{' '.join(command)}: status {done.returncode}: {said[-1] if said else ''}")
