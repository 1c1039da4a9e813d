"""`aib …`: the command line, a thin layer over the package."""

import errno
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from aib.errors import AibError
from aib.terminal import printable

RESULTS = Path("results")
REPORTS = Path("reports")
WEIGHTS = RESULTS / "weights"

app = typer.Typer(
    help="Information-bottleneck spatial attention, reproduced.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
params_app = typer.Typer(help="Look at and check the parameters in params/.", no_args_is_help=True)
data_app = typer.Typer(help="Fetch, prepare and verify datasets.", no_args_is_help=True)
app.add_typer(params_app, name="params")
app.add_typer(data_app, name="data")
models_app = typer.Typer(help="Look at the models of params/models.yaml.")
app.add_typer(models_app, name="models")

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REMEDIES = {
    **dict.fromkeys(FULL, "what was finished is safe; make room and run again"),
    **dict.fromkeys(
        (errno.EROFS, errno.EACCES, errno.EPERM),
        "what was finished is safe; let it be read and written, and run again",
    ),
    **dict.fromkeys(
        (errno.EISDIR, errno.ENOTDIR, errno.ELOOP),
        "something else lies where a file is expected; move it away and run again",
    ),
    errno.EIO: "the disk fails; what was finished may be damaged",
}


def main() -> None:
    """Run the command line; what the user can act on is one line and exit status 1."""
    try:
        app()
    except AibError as error:
        sys.exit(f"error: {printable(str(error))}")
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        reason = "the disk is full" if error.errno in FULL else os.strerror(error.errno)
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(printable(f"error: {where}{reason}; {REMEDIES[error.errno]}"))


def _name(value: str | None) -> str | None:
    """Refuse what is no name, since names become paths."""
    from aib.params import check
    from aib.spec.base import Name

    return None if value is None else check(Name, value, "name")


StudyName = Annotated[
    str, typer.Argument(help="a file of params/studies/, without .yaml", callback=_name)
]
DatasetName = Annotated[
    str, typer.Argument(help="a dataset of params/datasets.yaml", callback=_name)
]
Split = Literal["train", "validation", "test"]


def _plan(study: str):
    from aib.params import load
    from aib.studies.plan import plan

    return plan(load(Path.cwd()), study)


def _due(study: str):
    """The plan with the runs alone that are due, in a study with looks."""
    from aib.studies.blocks import due, taken

    plan = _plan(study)
    return due(plan, taken(plan, REPORTS / study))


def _library():
    from aib.data.library import Library
    from aib.params import load

    return Library(load(Path.cwd()).datasets, RESULTS)


# ---------------------------------------------------------------- params


@params_app.command("check")
def params_check() -> None:
    """Validate all of params/; each study with a mistake is a line, and exit status 1."""
    from aib.params import check_claims, load
    from aib.studies.plan import plan_all

    parameters = load(Path.cwd())
    plans, mistakes = plan_all(parameters)
    for mistake in mistakes.values():
        print(printable(f"error: {mistake}"), file=sys.stderr)
    check_claims(parameters)
    if mistakes:
        sys.exit(1)
    print(f"params/: {len(plans)} studies, all sound")


@params_app.command("show")
def params_show(study: StudyName) -> None:
    """Print the resolved grid of a study: arms, seeds, keys, contrasts."""
    from aib.status import grid

    grid(_plan(study))


@params_app.command("schema")
def params_schema() -> None:
    """Write params/schema/*.json from the typed models."""
    from aib.params import write_schemas

    for path in write_schemas(Path.cwd()):
        print(path.relative_to(Path.cwd()))


@params_app.command("table")
def params_table() -> None:
    """Write the table of protocols in docs/method.md from params/protocols.yaml."""
    from aib.params import load
    from aib.params.table import write_table

    print(write_table(Path.cwd(), load(Path.cwd())).relative_to(Path.cwd()))


# ---------------------------------------------------------------- data


@data_app.command("list")
def data_list() -> None:
    """Show every dataset: its size, what of it is here, and when that was last verified."""
    from aib.terminal import print_whole

    print_whole(_library().table())
    print(f"files: {RESULTS}/downloads/NAME, arrays: {RESULTS}/data/NAME, more: docs/data.md")


@data_app.command("fetch")
def data_fetch(
    name: DatasetName,
    file: Annotated[str | None, typer.Argument(help="only this file of it")] = None,
) -> None:
    """Download a dataset's files, from AIB_MIRROR or their addresses; resumes and verifies."""
    print("\n".join(map(str, _library().fetch(name, file))))


@data_app.command("prepare")
def data_prepare(name: DatasetName) -> None:
    """Decode a fetched dataset once into arrays and a manifest."""
    _library().prepare(name)


@data_app.command("verify")
def data_verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="all that is here if not given")
    ] = None,
) -> None:
    """Hash fetched files and prepared arrays again and compare with what was declared."""
    library = _library()
    names = names or library.present()
    if not names:
        raise AibError("no dataset is fetched or prepared; run: aib data prepare NAME")
    problems = []
    for name in names:
        try:
            print(library.verify(name), flush=True)
        except AibError as error:
            problems.append(str(error))
    if problems:
        raise AibError("; and ".join(problems))


@data_app.command("show")
def data_show(
    name: DatasetName,
    split: Annotated[Split, typer.Option(help="which images")] = "train",
    classes: Annotated[int, typer.Option(min=1, help="rows: the first classes")] = 20,
    examples: Annotated[int, typer.Option(min=1, max=100, help="images of each class")] = 10,
) -> None:
    """Draw a contact sheet of a prepared dataset, with the outlines of its masks."""
    from aib.data.contact_sheet import contact_sheet

    library = _library()
    data = library.load(name)
    if not library.is_current(name):
        print(f"warning: {library.otherwise(name)}", file=sys.stderr)
    sheet = contact_sheet(getattr(data, split), data.classes, classes, examples)
    path = RESULTS / "sheets" / f"{name}-{split}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    print(path)


# ---------------------------------------------------------------- models


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    scale: Annotated[str, typer.Option(help="a scale of params/scales.yaml")] = "paper",
    classes: Annotated[int, typer.Option(min=2, help="classes to tell apart")] = 10,
) -> None:
    """List every model: parameters, operations, input and attention size; or `show` one."""
    if context.invoked_subcommand is None:
        from aib.catalogue import list_models
        from aib.params import load

        list_models(load(Path.cwd()), scale, classes)


@models_app.command("show")
def models_show(
    name: Annotated[str, typer.Argument(help="a model of params/models.yaml")],
    scale: Annotated[str, typer.Option(help="a scale of params/scales.yaml")] = "paper",
    classes: Annotated[int, typer.Option(min=2, help="classes to tell apart")] = 10,
) -> None:
    """Print the layers of a model with the shapes of what they give."""
    from aib.catalogue import show_model
    from aib.params import load

    show_model(load(Path.cwd()), name, scale, classes)


@models_app.command("fetch")
def models_fetch(
    family: Annotated[str, typer.Argument(help="a family with ImageNet weights: vgg16, wrn50-2")],
    source: Annotated[
        Path | None, typer.Option("--from", help="a local file of the same content, of any name")
    ] = None,
) -> None:
    """Fetch the ImageNet weights of a family: a local file, AIB_MIRROR, torchvision's address."""
    from aib.data.sources import fetch
    from aib.data.weights import download_of

    download = download_of(family)
    if source is not None:
        download = download.model_copy(update={"addresses": (str(source), *download.addresses)})
    print(fetch(download, WEIGHTS))


# ---------------------------------------------------------------- runs


@app.command()
def train(
    run: Annotated[str, typer.Argument(help="dataset/model/key/seed-N of a run of any study")],
    device: Annotated[str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu or cuda")] = "auto",
    trainings_per_gpu: Annotated[
        int, typer.Option(envvar="AIB_TRAININGS_PER_GPU", help="trainings that may share a GPU")
    ] = 1,
    checkpoint_seconds: Annotated[
        float, typer.Option(envvar="AIB_CHECKPOINT_SECONDS", help="time between checkpoints")
    ] = 60.0,
    code: Annotated[
        str, typer.Option(envvar="AIB_TRAINING_CODE", help="hash that is expected; refuse another")
    ] = "",
) -> None:
    """Train one run; go on from its checkpoint if there is one."""
    from aib.provenance import TRAINING, code_hash
    from aib.studies.specs import find_spec

    found = code_hash(TRAINING)
    if code and code != found:
        raise AibError(f"the code changed while the study ran ({code}, now {found}); run it again")
    spec = find_spec(Path.cwd(), RESULTS, run)
    from aib.launch import launch

    folder = RESULTS / "runs" / spec.folder
    launch(spec, RESULTS, folder, found, device, checkpoint_seconds, trainings_per_gpu)


@app.command()
def code(
    part: Annotated[
        Literal["training", "data", "evaluation", "report"], typer.Argument()
    ] = "training",
) -> None:
    """Print the modules that a code hash covers, and the hash: what counts as other code."""
    from aib.provenance import ENTRIES, code_hash, import_closure

    print("\n".join(sorted(import_closure(ENTRIES[part]))))
    print(f"{part}: {code_hash(ENTRIES[part])}")


@app.command()
def adopt(
    study: StudyName,
    retrain: Annotated[int, typer.Option(min=1, help="runs to train again, drawn at random")] = 3,
    seed: Annotated[int | None, typer.Option(help="of the draw; a new one if not given")] = None,
    device: Annotated[str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu or cuda")] = "auto",
) -> None:
    """After a refactoring: let finished runs stand for the new code, if it gives the same bits."""
    from aib.adoption import adopt as adopt_study

    print(adopt_study(_due(study), RESULTS, retrain, seed, device))


@app.command()
def evaluate(
    target: Annotated[Path, typer.Argument(help="folder of a finished run, or a safetensors file")],
    what: Annotated[
        list[str] | None, typer.Option(help="entries of params/evaluations.yaml; all if not given")
    ] = None,
    model: Annotated[str | None, typer.Option(help="of a file: its network")] = None,
    dataset: Annotated[str | None, typer.Option(help="of a file: what it was trained on")] = None,
    protocol: Annotated[str, typer.Option(help="of a file: normalisation and crop")] = "stated",
    scale: Annotated[str, typer.Option(help="of a file: the network's sizes")] = "paper",
    device: Annotated[str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu or cuda")] = "auto",
    trainings_per_gpu: Annotated[
        int, typer.Option(envvar="AIB_TRAININGS_PER_GPU", help="trainings that may share a GPU")
    ] = 1,
) -> None:
    """Ask what a network's map and predictions are worth: a finished run, or anybody's weights.

    A run keeps what was found in evaluation.json; of a file it is printed as JSON.
    """
    from aib.evaluation.command import evaluate_file, evaluate_folder
    from aib.spec.run import Names

    if target.suffix != ".safetensors":
        evaluate_folder(target, RESULTS, what, device, trainings_per_gpu)
        return
    if model is None or dataset is None:
        raise AibError(f"{target}: say which network it is of with --model and --dataset")
    names = Names(dataset=dataset, model=model, protocol=protocol, scale=scale)
    print(evaluate_file(target, names, RESULTS, what, device))


@app.command()
def predict(
    run: Annotated[
        str, typer.Argument(help="folder of a finished run, or its name below results/runs")
    ],
    images: Annotated[list[Path], typer.Argument(help="pictures of any size")],
    top: Annotated[int, typer.Option(min=1, help="how many classes, the likeliest first")] = 3,
    to: Annotated[
        Path | None, typer.Option(help="folder for the maps; beside each image if not given")
    ] = None,
    device: Annotated[str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu or cuda")] = "cpu",
    data: Annotated[
        Path | None, typer.Option(help="folder of the run's prepared dataset, if elsewhere")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="all of it, for programs")] = False,
) -> None:
    """Say what a trained network sees in pictures; draw its map over each, as NAME-map.png."""
    from aib.use.command import predict as predict_pictures

    predict_pictures(run, images, RESULTS, top, to, device, data, as_json)


@app.command()
def claims(
    as_json: Annotated[bool, typer.Option("--json", help="all of it, for programs")] = False,
    readme: Annotated[bool, typer.Option("--readme", help="write its table in README.md")] = False,
) -> None:
    """Print the ledger: every claim of the paper, what tests it, and what came of that.

    It is written to reports/index.html too, with a list of all studies.
    """
    import json

    from aib.claims import coverage, ledger
    from aib.claims.readme import write_readme
    from aib.claims.tree import show
    from aib.params import load
    from aib.reporting.index import write_index

    parameters = load(Path.cwd())
    findings = ledger(parameters, REPORTS)
    path = write_index(parameters, findings, REPORTS)
    if readme:
        write_readme(Path("README.md"), findings)
    if as_json:
        content = {"findings": [each.content() for each in findings]}
        print(json.dumps(content | {"coverage": coverage(findings)}, indent=1))
        return
    show(findings)
    print(path)


@app.command()
def status(
    study: StudyName = "quick",
    watch: Annotated[bool, typer.Option("--watch", help="refresh until all is done")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="each run, where a study of over 100 is told by arm")
    ] = False,
) -> None:
    """Show where the runs of a study are, what they took, and what is left."""
    from aib.status import show
    from aib.studies.blocks import due, next_look, next_words, taken

    plan = _plan(study)
    looks = taken(plan, REPORTS / study)
    while show(due(plan, looks), RESULTS, clear=watch, every=every) and watch:
        time.sleep(2)
    number = next_look(plan, looks)
    if number:
        print(next_words(plan, number))


@app.command("plan")
def plan_costs(
    study: StudyName,
    device: Annotated[
        str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu, cuda, or of params/devices.yaml")
    ] = "auto",
    gpus: Annotated[int | None, typer.Option(min=1, help="how many, if not those here")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="how many, if not those here")] = None,
    device_rate: Annotated[
        float | None, typer.Option(min=1e-6, help="TFLOP/s that trainings reach on one device")
    ] = None,
    trainings_per_gpu: Annotated[
        int, typer.Option(min=1, envvar="AIB_TRAININGS_PER_GPU", help="that share a GPU")
    ] = 1,
    probe: Annotated[
        bool, typer.Option("--probe", help="take a few steps of what no run and no pilot tells of")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="all of it, for programs")] = False,
) -> None:
    """Say what a study costs and what it can show, before it is run; afterwards, what it took."""
    from aib.planning.command import plan_study

    machine = (device, gpus, cores, device_rate, trainings_per_gpu)
    plan_study(study, RESULTS, REPORTS, *machine, probe, as_json)


@app.command()
def pilot(
    study: StudyName,
    device: Annotated[str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu or cuda")] = "auto",
) -> None:
    """Train every arm of a study for a few epochs on a seed of its own, and judge what came."""
    from aib.launch import launch
    from aib.params import load
    from aib.provenance import TRAINING, code_hash
    from aib.reporting.pilot import judge
    from aib.studies.pilot import pilot_plan

    short = pilot_plan(load(Path.cwd()), study)
    for run in short.runs:
        launch(run, RESULTS, RESULTS / "runs" / run.folder, code_hash(TRAINING), device)
    passed = judge(short, _plan(study), RESULTS, REPORTS)
    # Exit status 0 either way: Snakemake would delete the verdict of a job that failed.
    print("passed" if passed else f"did not pass: study {study} will be refused")


@app.command()
def look(
    study: StudyName,
    number: Annotated[
        int | None, typer.Option(min=1, help="from 1; the next one if not given")
    ] = None,
    allow_mixed_code: Annotated[
        bool, typer.Option("--allow-mixed-code", help="judge runs of different code together")
    ] = False,
) -> None:
    """Judge the open questions of a study with looks after a block; write reports/STUDY/looks.json.

    Snakemake calls it: `snakemake --cores all block --config study=STUDY`.
    """
    from aib.reporting.looks import take_look

    folder = REPORTS / study
    print("\n".join(take_look(_plan(study), RESULTS, folder, number, allow_mixed_code)))


# ---------------------------------------------------------------- reports


@app.command()
def report(
    study: StudyName = "quick",
    allow_mixed_code: Annotated[
        bool, typer.Option("--allow-mixed-code", help="report runs of different code together")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="report what is there")
    ] = False,
    evidence: Annotated[
        Path | None, typer.Option("--from", help="evidence of the study, in place of results/")
    ] = None,
    add: Annotated[
        Path | None, typer.Option(help="evidence of runs that were made elsewhere and are not here")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="another folder than reports/STUDY")] = None,
) -> None:
    """Write reports/STUDY from the records, from evidence alone, or from both.

    Evidence has no maps: figures that show them are left out, or show the runs that are here.
    """
    from aib.params import load
    from aib.reporting.gathering import gathered
    from aib.reporting.headline import headline_lines
    from aib.reporting.page import write_report

    if evidence is not None and (to is None or add is not None):
        raise AibError(
            "--from is a report from evidence alone: say where to with --to, since reports/STUDY "
            "has figures that evidence does not; what is missing in results/ is taken with --add"
        )
    folder, alone = to or REPORTS / study, evidence is not None
    with gathered(
        _plan(study),
        None if alone else RESULTS,
        REPORTS / study,
        evidence or add,
        allow_mixed_code=allow_mixed_code,
        allow_missing=allow_missing,
    ) as results:
        summary = write_report(results, folder, load(Path.cwd()).published)
    print("\n".join([*headline_lines(summary), str(folder / "index.html")]))
    if results.plan.study.tuning:
        from aib.files import write_json
        from aib.reporting.winners import winners, winners_table
        from aib.terminal import print_whole

        write_json(folder / "winners.json", winners(results))
        print_whole(winners_table(results))


@app.command()
def export(
    study: StudyName = "quick",
    to: Annotated[
        Path | None, typer.Option(help="a folder; results/export/STUDY if not given")
    ] = None,
) -> None:
    """Write a study's report in the forms that papers, archives and reviewers take.

    Tables in LaTeX and Markdown, BibTeX, the schema of summary.json, a reproducibility checklist,
    codecheck.yml and the metadata that make the folder an RO-Crate.
    """
    from aib.export.command import export as write

    folder = to or RESULTS / "export" / study
    for path in write(_plan(study).study, REPORTS / study, Path("CITATION.cff"), folder):
        print(path)


@app.command()
def evidence(study: StudyName = "quick") -> None:
    """Pack what a study's numbers are computed from into reports/STUDY/evidence/runs.tar.xz.

    Runs that the file holds already and that are not here stay in it; delete it to begin anew.
    """
    from aib.evidence import default_path, write
    from aib.params import load

    path = default_path(REPORTS, study)
    packed = write(_due(study), load(Path.cwd()).evaluations, RESULTS, path)
    print(f"{path}: {packed.here + packed.kept} runs, {path.stat().st_size / 1e6:.1f} MB")
    if packed.kept:
        print(f"{packed.kept} of them are not here and were in the file already")
    if packed.stale:
        print(f"{packed.stale} evaluations by other code or parameters were left out")


@app.command()
def verify(
    name: Annotated[
        str, typer.Argument(metavar="STUDY|FOLDER|FILE", help="a study, results, or evidence")
    ] = "quick",
    study: Annotated[str | None, typer.Option(help="of a folder: the study it is of")] = None,
    commit: Annotated[
        str | None, typer.Option(help="whose training code is expected, if not this checkout's")
    ] = None,
    retrain: Annotated[int, typer.Option(min=0, help="runs to train again, drawn at random")] = 0,
    draw_seed: Annotated[
        int | None, typer.Option(help="of that draw; a new one if not given")
    ] = None,
    device: Annotated[str, typer.Option(envvar="AIB_DEVICE", help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="all of it, for programs")] = False,
) -> None:
    """Check that a study, a folder of results or a file of evidence is what it says it is.

    Exit status 1 if anything is wrong. Predictions, history and result that were edited together
    and consistently are found by --retrain alone.
    """
    import json

    from aib.verification.command import Retrain, show, verify_target

    again = Retrain(retrain, draw_seed, device)
    findings = verify_target(name, study, RESULTS, REPORTS, commit, again)
    if as_json:
        print(json.dumps(findings.content(), indent=1))
    else:
        show(findings, name)
    if findings.problems:
        sys.exit(1)


@app.command()
def compare(
    found: Annotated[
        str,
        typer.Argument(
            metavar="[A]",
            help="a study, for its runs in results/; or a results folder, evidence or a reference",
        ),
    ] = "quick",
    expected: Annotated[
        str | None,
        typer.Argument(metavar="[B]", help="what A is held against; else its study's reference"),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="whose runs they are, where neither A nor B says so")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit 1 when different or without a reference")
    ] = False,
) -> None:
    """Compare a repetition with its reference: identical, same, different, or cannot tell.

    identical: every run has the same weights, figures and evaluations.

    different: a figure is further off than chance allows, a verdict is the
    opposite one, or arms or failures are others.

    same: neither, and a change of the margin would have been noticed with 80 %.

    cannot tell: neither, and it would not.
    """
    from aib.reporting.repetition import compare as compared
    from aib.reporting.repetition_words import print_comparison, question_lines
    from aib.reporting.sides import Sides

    sides = Sides(_plan, RESULTS, REPORTS)
    study = sides.study(study, found, expected)
    ours = sides.read(found, study)
    print("\n".join(question_lines(ours)))
    reference = expected or str(REPORTS / study / "reference.json")
    outcome = "without a reference"
    if expected or Path(reference).exists():
        comparison = compared(ours, sides.read(reference, study))
        print_comparison(comparison)
        outcome = comparison.outcome
    else:
        print(f"no reference to compare with; `aib accept {study}` makes this one the reference")
    print(f"{outcome}: {found} against {reference}")
    if strict and outcome in ("different", "without a reference"):
        sys.exit(1)


@app.command()
def accept(
    study: StudyName = "quick",
    evidence: Annotated[
        Path | None, typer.Option("--from", help="evidence of the study, in place of results/")
    ] = None,
) -> None:
    """Make the finished runs of a study the reference that later ones are compared with."""
    from aib.files import write_json
    from aib.reporting.sides import Sides

    content = Sides(_plan, RESULTS, REPORTS).read(str(evidence or study), study)
    path = REPORTS / study / "reference.json"
    write_json(path, content)
    print(path)


# ---------------------------------------------------------------- other tools


@app.command()
def unlock() -> None:
    """Wait until no Snakemake is alive in this folder; remove the locks of those that were killed.

    `snakemake --unlock` does not look, and is refused while one is alive.
    """
    from aib.alive import unlock as unlock_here

    unlock_here()


@app.command()
def keep(
    study: StudyName,
    part: Annotated[Literal["data", "runs"], typer.Argument(help="which of the two")],
) -> None:
    """Keep a study's prepared data or its finished runs in results/kept/STUDY, for DVC."""
    from aib.keeping import keep as keep_here

    print(keep_here(_due(study), RESULTS, part))


@app.command()
def restore(study: StudyName) -> None:
    """Put back into results/ what is kept in results/kept/STUDY and is not there any more."""
    from aib.keeping import restore as restore_here
    from aib.params import load

    print(restore_here(_due(study), load(Path.cwd()).evaluations, RESULTS))


@app.command()
def track(
    study: StudyName = "quick",
    models: Annotated[
        bool, typer.Option(help="with the weights, which a server gets a copy of")
    ] = True,
) -> None:
    """Import a study's finished runs into MLflow (mlflow.db, or MLFLOW_TRACKING_URI)."""
    from aib.tracking import import_study

    print(import_study(_due(study), RESULTS, REPORTS, models))


if __name__ == "__main__":
    main()
