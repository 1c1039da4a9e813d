# What all phases share: the plan of the study, the code hashes, safe defaults, lists of files.
import os
import sys
from functools import cache
from pathlib import Path

from aib.alive import announce
from aib.errors import AibError
from aib.evaluation.identity import applicable, identity
from aib.evaluation.parts import kinds
from aib.gpus import visible_gpus
from aib.params import WorkflowConfig, check, load
from aib.provenance import PREPARING, REPORT, TRAINING, code_hash
from aib.record import adopted_hashes, recorded_code
from aib.reporting import template_files
from aib.studies.blocks import LOOKS, check_declared, check_over, due, next_look, taken
from aib.studies.gates import check_gates
from aib.studies.pilot import pilot_plan
from aib.studies.plan import check_protocols, plan
from aib.studies.specs import write_specs
from snakemake.logging import logger

try:
    # Held as long as this process lives.
    ALIVE = announce(unlocking="--unlock" in sys.argv)
    CONFIG = check(WorkflowConfig, config, "--config")
    PARAMETERS = load(Path.cwd())
    check_protocols(PARAMETERS)
    # Of the other studies nothing is asked, so that a mistake in one of them stops none but it.
    WHOLE = plan(PARAMETERS, CONFIG.study)
    TAKEN = taken(WHOLE, Path("reports") / CONFIG.study)
    PILOT = pilot_plan(PARAMETERS, CONFIG.study) if WHOLE.study.pilot else None
    if WHOLE.study.measures:
        from aib.reporting.measures import check_measures

        check_measures(WHOLE, PARAMETERS.evaluations)
except AibError as error:
    sys.exit(f"error: {error}")

STUDY = CONFIG.study
TRAINING_CODE = code_hash(TRAINING)
PLAN = due(WHOLE, TAKEN)  # all of it, but in a study with looks
LOOK = next_look(WHOLE, TAKEN)
write_specs([PLAN, PILOT] if PILOT else [PLAN], Path("results"))
# Not params of a rule: where a run is trained must not make it another run, nor adopted code.
DEVICE = CONFIG.device or os.environ.get("AIB_DEVICE", "auto")
os.environ.update(
    AIB_DEVICE=DEVICE,
    AIB_TRAININGS_PER_GPU=str(CONFIG.trainings_per_gpu),
    AIB_TRAINING_CODE=TRAINING_CODE,
)
# A job asks a cluster for a GPU unless the study is to run without.
GPU = int(DEVICE != "cpu")
JOB = PARAMETERS.scales[WHOLE.study.scale].job
# Found by name while a report is written, so no import leads to them.
TELLERS = [f"aib.reporting.evaluations.{kind}" for kind in kinds()]
TEMPLATES = sorted(str(path) for path in template_files())

# Without a limit of its own a resource is ignored.
if DEVICE != "cpu" and visible_gpus():
    workflow.global_resources.setdefault(
        "gpu", len(visible_gpus()) * CONFIG.trainings_per_gpu
    )


# One failing run does not stop the others. While this file is read there are no settings to change.
onstart:
    workflow.scheduler.keepgoing = True
    # For the display (aib/display), which learns all else from Snakemake's own events.
    logger.info(
        f"study {STUDY}", extra={"plans": [PLAN, PILOT] if PILOT else [PLAN]}
    )


wildcard_constraints:
    dataset=r"[^/]+",
    model=r"[^/]+",
    key=r"[0-9a-f]{12}",
    seed=r"\d+",


def minutes(wildcards, attempt):
    """The time limit of a training's or an evaluation's job."""
    return attempt * JOB.minutes


def memory_mb(wildcards, attempt):
    """What such a job may hold in memory, apart from a GPU's."""
    return attempt * JOB.memory_gb * 1000


RUN = "results/runs/{dataset}/{model}/{key}/seed-{seed}"
DATASETS = sorted({cell.dataset for cell in PLAN.cells})


def run_files(name, made=PLAN):
    """That file of each of a plan's runs."""
    return [f"results/runs/{folder}/{name}" for folder in made.by_folder]


def files_of(wildcards):
    """What a dataset is prepared from: downloads, or all files of a local folder."""
    dataset = PARAMETERS.datasets[wildcards.dataset]
    if dataset.kind == "folder":
        # Snakemake takes {braces} for wildcards: the folder stands for a file named so.
        paths = Path(dataset.folder).glob("*/*/*")
        shown = {next(q for q in (p, *p.parents) if "{" not in str(q)) for p in paths}
        return sorted(map(str, shown))
    folder = f"results/downloads/{wildcards.dataset}"
    return [f"{folder}/{download.file}" for download in dataset.downloads]


def due_runs(check_due):
    """Every run that is due; refused before the study's stages, and by `check_due`."""
    try:
        check_gates(PARAMETERS, WHOLE, Path("reports"))
        check_due()
    except AibError as error:
        sys.exit(f"error: {error}")
    return run_files("result.json")


def block_runs(wildcards):
    """The runs of the block that is due, in a study with looks."""
    return due_runs(lambda: check_declared(WHOLE))


def all_runs(wildcards):
    """Every run of the study, and what is evaluated of it; refused before its last look."""
    runs = due_runs(lambda: check_over(WHOLE, TAKEN))
    looks = [f"reports/{STUDY}/{LOOKS}"] if TAKEN else []
    # A study that is scored on validation looks at no test image.
    on_test = [f for f, run in PLAN.by_folder.items() if run.evaluation.split == "test"]
    return (
        runs + [f"results/runs/{folder}/evaluation.json" for folder in on_test] + looks
    )


@cache  # asked for by every job
def entries_on(dataset):
    """The evaluations of a run on a dataset."""
    return applicable(PARAMETERS.evaluations, dataset)


@cache
def identities_on(dataset):
    """What decides that they are made again."""
    return {name: identity(entry) for name, entry in entries_on(dataset).items()}


@cache
def others_on(dataset):
    """The datasets that they need beside the run's own."""
    entries = entries_on(dataset).values()
    others = {name for entry in entries for name in entry.other_datasets}
    return [f"results/data/{name}/manifest.json" for name in sorted(others)]


PRETRAINED = {
    str(cell.folders[0].parent): cell.runs[0].model.family
    for cell in PLAN.cells + (PILOT.cells if PILOT else ())
    if cell.runs[0].model.pretrained
}


def weights_of(wildcards):
    """The fetched weights that a run starts from, if it does."""
    family = PRETRAINED.get("{dataset}/{model}/{key}".format(**wildcards))
    return f"results/weights/{family}.done" if family else []


def code_of(wildcards):
    """The code that a run is trained by; a finished run's own, if this code was adopted for it."""
    folder = Path(RUN.format(**wildcards))
    try:
        adopted = TRAINING_CODE in adopted_hashes(folder)
        there = (folder / "result.json").exists()
        return recorded_code(folder) if adopted and there else TRAINING_CODE
    except AibError as error:
        sys.exit(f"error: {error}")
