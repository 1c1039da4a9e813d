# What every rule file shares: the study's plan, the code hashes, and safe defaults.
import sys
from pathlib import Path

from aib import params
from aib.errors import AibError
from aib.params import ArchiveDataset, load
from aib.provenance import code_hash
from aib.runs import plan
from aib.gpus import visible_gpus

STUDY = config.setdefault("study", "quick")
DEVICE = config.setdefault("device", "auto")
TRAININGS_PER_GPU = int(config.setdefault("trainings_per_gpu", 1))

try:
    PARAMETERS = load(Path.cwd())
    PLAN = plan(PARAMETERS, STUDY)
except AibError as error:
    sys.exit(f"error: {error}")

# One failing run does not stop the others; and without a limit of its own a resource is ignored.
if workflow.execution_settings is not None:
    workflow.execution_settings.keep_going = True
if DEVICE != "cpu" and visible_gpus():
    workflow.global_resources.setdefault("gpu", len(visible_gpus()) * TRAININGS_PER_GPU)


wildcard_constraints:
    dataset=r"[^/]+",
    model=r"[^/]+",
    key=r"[0-9a-f]{12}",
    seed=r"\d+",


RUN = "results/runs/{dataset}/{model}/{key}/seed-{seed}"
DATASETS = sorted({run.names.dataset for run in PLAN.runs})


def run_files(name, runs=PLAN.runs):
    """That file of each of the study's runs."""
    return [f"results/runs/{run.folder}/{name}" for run in runs]
