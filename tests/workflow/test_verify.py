"""Every tampering with a finished study is caught and named; an untouched one passes."""

import io
import json
import lzma
import shutil
import tarfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from tiny import run

from aib import files
from aib.errors import AibError
from aib.record import EVALUATION, PARTS, evaluation_digest
from aib.verification.command import Retrain, verify_target

AGAIN = Retrain(0, None, "cpu")
RESULTS, REPORTS = Path("results"), Path("reports")
PAGE, PACKED = "reports/quick/index.html", "reports/quick/evidence/runs.tar.xz"


@pytest.fixture(scope="module")
def sound(finished, tmp_path_factory) -> Path:
    """A finished project with evidence; not to be changed."""
    project = tmp_path_factory.mktemp("sound") / "project"
    shutil.copytree(finished, project, symlinks=True)
    run(project, "aib", "evidence", "quick")
    return project


@pytest.fixture
def project(sound, tmp_path, monkeypatch) -> Path:
    """A copy to tamper with, which is the current folder."""
    for part in ("params", "results/data", "results/runs", "reports"):
        shutil.copytree(sound / part, tmp_path / part)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(name: str = "quick", again: Retrain = AGAIN, study: str | None = None) -> list[str]:
    found = verify_target(name, study, RESULTS, REPORTS, None, again)
    return [problem.line() for problem in found.problems]


# ---------------------------------------------------------------- what a forger has at hand


def runs(model: str) -> list[Path]:
    return sorted(Path("results/runs/cluttered-digits").glob(f"{model}/*/seed-*"))


def quantised() -> Path:
    return runs("vgg-aib-qt")[0]


def change(path: Path, edit) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content, indent=1) + "\n")


def arrays(path: Path, edit) -> None:
    with np.load(path) as kept:
        content = dict(kept)
    edit(content)
    np.savez_compressed(path, **content)


def reseal(folder: Path) -> None:
    """Seal what is there now, as a forger would; weights are named twice."""

    def edit(result: dict) -> None:
        result["files"] = files.seal(folder)
        result["weights_sha256"] = result["files"][files.WEIGHTS]

    result(edit, folder)


def result(edit, folder: Path | None = None) -> None:
    folder = folder or quantised()
    change(folder / files.RESULT, edit)
    shutil.copy(folder / files.RESULT, folder / files.FINISHED)


def spec(edit) -> None:
    change(quantised() / files.SPEC, edit)
    reseal(quantised())


def history(edit) -> None:
    path = quantised() / files.METRICS
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    edit(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reseal(quantised())


def predictions(edit) -> None:
    arrays(quantised() / files.PREDICTIONS, edit)
    reseal(quantised())


def maps(edit) -> None:
    arrays(quantised() / files.ATTENTION, edit)
    reseal(quantised())


def evaluation(name: str, edit) -> None:
    """Both copies of an evaluation's figures, edited alike, with their digest."""

    def sealed(entry: dict) -> None:
        edit(entry)
        entry["digest"] = evaluation_digest(entry)

    change(quantised() / EVALUATION, lambda content: sealed(content[name]))
    change(quantised() / PARTS / f"{name}.json", sealed)


def take(name: str, other: Path) -> None:
    shutil.copy(other / name, quantised() / name)
    reseal(quantised())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def put(content: dict, place: str, value) -> None:
    *parents, last = place.split(".")
    for parent in parents:
        content = content[int(parent) if parent.isdigit() else parent]
    content[int(last) if isinstance(content, list) else last] = value


def text(path: str, old: str, new: str) -> None:
    content = Path(path).read_text()
    assert old in content
    Path(path).write_text(content.replace(old, new, 1))


def page_number() -> None:
    summary = json.loads(Path("reports/quick/summary.json").read_text())
    error = summary["cells"]["cluttered-digits"]["vgg"]["test_error_mean"]
    text(PAGE, f">{error:.2f}<", f">{error - 1:.2f}<")


def swap_seeds() -> None:
    first, second = runs("vgg-aib-qt")
    first.rename("kept")
    second.rename(first)
    Path("kept").rename(second)


def another_as_seed_1() -> None:
    """Seed 0 once more, called seed 1 wherever it says."""
    first, second = runs("vgg-aib-qt")
    shutil.rmtree(second)
    shutil.copytree(first, second)
    for name in (files.SPEC, files.RESULT):
        change(second / name, lambda content: content.update(seed=1))
    change(second / files.SPEC, lambda content: content["spec"].update(seed=1))
    reseal(second)


def best_of_three() -> None:
    """A seed that nobody declared."""
    folder = quantised()
    shutil.copytree(folder, folder.with_name("seed-7"))


def array_and_numbers() -> None:
    """Localisation shifted in its array, with digest, mean and polarity that fit."""
    path = quantised() / PARTS / "localisation.npz"
    arrays(path, lambda content: content.update(primary=content["primary"] * 0 + np.float32(0.9)))

    def edit(found: dict) -> None:
        found["arrays"] = files.file_sha256(path)
        found["numbers"]["as_learned"]["primary"] = found["numbers"]["chosen"]["primary"] = 0.9
        found["numbers"]["polarity"] = "object"
        found["numbers"]["validation"] |= {"low": 0.8, "high": 0.95}

    evaluation("localisation", edit)


def repacked(edit) -> None:
    """Evidence with other content, whose own digests fit."""
    with tarfile.open(PACKED) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar}
    manifest = json.loads(members.pop("evidence.json"))
    edit(members)
    manifest["members"] = {name: sha256(each).hexdigest() for name, each in members.items()}
    with tarfile.open(PACKED, "w:xz") as tar:
        for name, content in {"evidence.json": json.dumps(manifest).encode(), **members}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def packed_accuracy(members: dict[str, bytes]) -> None:
    name = next(name for name in members if name.endswith(files.RESULT))
    content = json.loads(members[name])
    put(content, "evaluation.mean.test.accuracy", 0.99)
    members[name] = json.dumps(content).encode()


TAMPERINGS = {
    # the files of a run
    "weights, a bit flipped": (
        lambda: flip(quantised() / files.WEIGHTS),
        "files: {place}: weights.safetensors is not what training wrote",
    ),
    "weights deleted": (
        lambda: (quantised() / files.WEIGHTS).unlink(),
        "files: {place}: weights.safetensors is missing",
    ),
    "weights of another seed": (
        lambda: take(files.WEIGHTS, runs("vgg-aib-qt")[1]),
        "have the same weights: one is a copy",
    ),
    "predictions, a bit flipped": (
        lambda: flip(quantised() / files.PREDICTIONS),
        "files: {place}: predictions.npz is not what training wrote",
    ),
    "predictions of another seed": (
        lambda: take(files.PREDICTIONS, runs("vgg-aib-qt")[1]),
        "predictions: {place}: cross-entropy",
    ),
    "predictions of another arm": (
        lambda: take(files.PREDICTIONS, runs("vgg")[0]),
        "predictions: {place}: cross-entropy",
    ),
    "one prediction corrected": (
        lambda: predictions(lambda kept: kept["predicted"].__setitem__(3, kept["labels"][3] - 1)),
        "what it says it predicted is not the likeliest class",
    ),
    "labels made to fit": (
        lambda: predictions(lambda kept: kept.update(labels=kept["predicted"])),
        "its labels are not those of the prepared test images",
    ),
    "attention deleted": (
        lambda: (quantised() / files.ATTENTION).unlink(),
        "files: {place}: attention.npz is missing",
    ),
    "attention of another seed": (
        lambda: take(files.ATTENTION, runs("vgg-aib-qt")[1]),
        "the maps that were kept give other figures, image by image",
    ),
    "maps out of range": (
        lambda: maps(lambda kept: kept.update(test_mean=kept["test_mean"] + 1)),
        "maps: {place}: test_mean holds values outside of 0 to 1",
    ),
    "maps of fewer images": (
        lambda: maps(lambda kept: kept.update(test_mean=kept["test_mean"][:20])),
        "maps: {place}: holds 20 maps of test images, expected 50",
    ),
    "log edited": (
        lambda: text(str(quantised() / files.LOG), "epoch 1", "epoch 2"),
        "files: {place}: log.txt is not what training wrote",
    ),
    # result.json
    "accuracy 0.99": (
        lambda: result(lambda r: put(r, "evaluation.mean.test.accuracy", 0.99)),
        "result.json says 0.9900",
    ),
    "cross-entropy halved": (
        lambda: result(lambda r: put(r, "evaluation.mean.test.cross_entropy", 1.0)),
        "result.json says 1.00000",
    ),
    "rate lowered": (
        lambda: result(lambda r: put(r, "evaluation.mean.test.rate", 0.5)),
        "history: {place}: rate of the kept weights is 0.50000",
    ),
    "figures of the best epoch": (
        lambda: result(lambda r: put(r, "figures.last.test_accuracy", 0.99)),
        "history: {place}: figures of last are not those of metrics.jsonl",
    ),
    "parameters counted wrongly": (
        lambda: result(lambda r: put(r, "parameters", 10)),
        "result.json says 10",
    ),
    "anchors all in use": (
        lambda: result(lambda r: put(r, "anchors.perplexity", 20.0)),
        "of its anchors, it says 20.0000",
    ),
    "relevance": (
        lambda: result(lambda r: put(r, "information.relevance", 3.9)),
        "its relevance is higher than the entropy of the labels",
    ),
    "copy of result.json left behind": (
        lambda: change(quantised() / files.FINISHED, lambda r: put(r, "cost.threads", 2)),
        "record: {place}: {any}result.json: differs from its copy finished.json",
    ),
    "result.json of another shape": (
        lambda: result(lambda r: r.update(test_accuracy=0.99)),
        "record: {place}: {any}test_accuracy: Extra inputs are not permitted",
    ),
    "result.json without a part": (
        lambda: result(lambda r: r.pop("information")),
        "record: {place}: {any}information: Field required",
    ),
    "result.json no JSON": (
        lambda: (quantised() / files.RESULT).write_text("{"),
        "record: {place}: {any}result.json: not JSON",
    ),
    "seconds lowered": (
        lambda: result(lambda r: put(r, "cost.step_seconds", 0.1)),
        "history: {place}: the epochs took",
    ),
    # history and spec
    "an epoch left out": (
        lambda: history(lambda lines: lines.pop(0)),
        "history: {place}: 1 lines of metrics.jsonl are not epochs 1 to 2",
    ),
    "history with a better end": (
        lambda: history(lambda lines: lines[-1].update(test_accuracy=0.99)),
        "figures of last are not those of metrics.jsonl",
    ),
    "history with a lower loss": (
        lambda: history(lambda lines: lines[-1].update(cross_entropy=0.1)),
        "history: {place}: epoch 2: loss",
    ),
    "history at another rate": (
        lambda: history(lambda lines: lines[0].update(learning_rate=1.0)),
        "history: {place}: epoch 1: learning rate 1 is not the schedule's",
    ),
    "spec of another seed": (
        lambda: spec(lambda content: put(content, "spec.seed", 5)),
        "spec: {place}: the spec has seed 5, result.json says 0",
    ),
    "spec with another learning rate": (
        lambda: spec(lambda content: put(content, "spec.optimiser.learning_rate", 0.3)),
        "spec: {place}: the spec has key",
    ),
    "spec by another name": (
        lambda: spec(lambda content: put(content, "spec.names.model", "vgg-aib")),
        "spec.json and result.json name different parts",
    ),
    "spec with other classes": (
        lambda: spec(lambda content: put(content, "spec.dataset.classes.0", "zero!")),
        "its spec is not what params/ declares for it",
    ),
    "other code": (
        lambda: (
            result(lambda r: r.update(code_hash="0" * 12)),
            spec(lambda content: content.update(code_hash="0" * 12)),
        ),
        "trained by code 000000000000, this checkout has",
    ),
    "other data": (
        lambda: result(lambda r: r.update(data_digest="sha256:" + "0" * 64)),
        "saw other arrays than those that is here",
    ),
    "an image of the data": (
        lambda: flip(Path("results/data/cluttered-digits/test_images.npy")),
        "data: cluttered-digits: ",
    ),
    # which runs
    "seeds swapped": (swap_seeds, "spec: {place}: is the record of"),
    "a seed that is another once more": (another_as_seed_1, "have the same weights: one is a copy"),
    "a bad seed dropped": (
        lambda: shutil.rmtree(runs("vgg-aib-qt")[1]),
        "declared: study: arm vgg-aib-qt on cluttered-digits: no run of seed 1, of 2 declared",
    ),
    "a seed added": (best_of_three, "seed-7: is there, and no study of params/ declares it"),
    # evaluations
    "evaluations deleted": (
        lambda: (quantised() / EVALUATION).unlink(),
        "evaluations: {place}: 3 of 3 were not made",
    ),
    "evaluation's arrays deleted": (
        lambda: (quantised() / PARTS / "localisation.npz").unlink(),
        "evaluations: {place}: localisation: evaluation/localisation.npz is missing",
    ),
    "evaluation's arrays edited": (
        lambda: arrays(
            quantised() / PARTS / "localisation.npz",
            lambda kept: kept.update(primary=kept["primary"] + 0.1),
        ),
        "localisation.npz: damaged (not what was evaluated)",
    ),
    "evaluations of another run": (
        lambda: [
            shutil.copy(path, quantised() / path.relative_to(runs("vgg-aib-qt")[1]))
            for path in (
                runs("vgg-aib-qt")[1] / EVALUATION,
                *runs("vgg-aib-qt")[1].glob("*/*.json"),
            )
        ],
        "evaluations: {place}: interventions: was made of other weights",
    ),
    "localisation edited once": (
        lambda: change(
            quantised() / EVALUATION,
            lambda e: put(e, "localisation.numbers.as_learned.auroc", 0.9),
        ),
        "evaluations: {place}: {any}localisation is not what was found",
    ),
    "localisation edited twice": (
        lambda: evaluation("localisation", lambda e: put(e, "numbers.as_learned.primary", 0.9)),
        "localisation: the mean over images is",
    ),
    "polarity": (
        lambda: evaluation("localisation", lambda e: put(e, "numbers.polarity", "nothing")),
        "it says nothing",
    ),
    "localisation, array and figures": (
        array_and_numbers,
        "the maps that were kept give other figures, image by image",
    ),
    "interventions": (
        lambda: evaluation("interventions", lambda e: put(e, "numbers.other.accuracy", 0.01)),
        "interventions: accuracy of other is",
    ),
    "calibration": (
        lambda: evaluation("calibration", lambda e: put(e, "numbers.as_is.brier", 0.1)),
        "calibration: brier as_is is",
    ),
    # what was made of the runs
    "a number of the page": (page_number, "report: reports/quick: index.html: line"),
    "a verdict of the page": (
        lambda: text(PAGE, "</span> undecided", "</span> better"),
        "report: reports/quick: index.html: line",
    ),
    "a number of the summary": (
        lambda: change(
            Path("reports/quick/summary.json"),
            lambda s: put(s, "cells.cluttered-digits.vgg.test_error_mean", 1.0),
        ),
        "report: {any}summary.json: cells.cluttered-digits.vgg.test_error_mean is 1.0, the records",
    ),
    "a verdict of the summary": (
        lambda: change(
            Path("reports/quick/summary.json"), lambda s: put(s, "verdicts.0.verdict", "better")
        ),
        "report: {any}summary.json: verdicts.0.verdict is 'better'",
    ),
    "a table": (
        lambda: text("reports/quick/tables/runs.csv", ",last,mean,", ",best,mean,"),
        "report: {any}tables/runs.csv: line 2 is",
    ),
    "a figure": (
        lambda: text("reports/quick/figures/runs-cluttered-digits.svg", "vgg", "VGG"),
        "report: {any}figures/runs-cluttered-digits.svg: line",
    ),
    "the summary deleted": (
        lambda: Path("reports/quick/summary.json").unlink(),
        "report: {any}summary.json is missing",
    ),
    "the page deleted": (
        lambda: Path(PAGE).unlink(),
        "report: {any}index.html is missing",
    ),
    "a figure deleted": (
        lambda: Path("reports/quick/figures/runs-cluttered-digits.svg").unlink(),
        "report: {any}figures/runs-cluttered-digits.svg is missing",
    ),
    "evidence of other results": (
        lambda: repacked(packed_accuracy),
        "evidence: reports/quick/evidence: {any}: of the same weights it has another evaluation",
    ),
}


def test_an_untouched_study_passes_in_every_form(project):
    found = verify_target("quick", None, RESULTS, REPORTS, None, AGAIN)
    assert found.problems == []
    looked = {check: count for check, count in found.looked.items() if check != "retraining"}
    assert all(looked.values())  # by every check, and by those of a run at every run
    each = ("files", "record", "spec", "history", "predictions", "maps", "evaluations")
    assert {looked[check] for check in each} == {4}
    assert found.notes == []
    assert problems("results") == []
    assert problems(PACKED) == []
    shutil.rmtree("results/runs")  # the committed files alone
    assert problems() == []


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_caught_and_named(project, name):
    place = str(quantised().relative_to("results/runs"))
    tamper, said = TAMPERINGS[name]
    tamper()
    reported = said.startswith(("report", "evidence"))  # the rest takes half the time
    found = problems() if reported else problems("results", study="quick")
    parts = said.format(place=place, any="\0").split("\0")
    assert any(all(part in line for part in parts) for line in found), found


def test_evidence_alone_is_held_against_itself(project):
    repacked(packed_accuracy)
    assert any("result.json says 0.9900" in line for line in problems(PACKED))
    with lzma.open(PACKED) as stream:
        content = bytearray(stream.read())
    content[content.index(b'"accuracy"') + 12] ^= 1
    with lzma.open(PACKED, "w") as stream:
        stream.write(content)
    with pytest.raises(AibError, match="is not what was packed"):
        problems(PACKED)


def test_a_consistent_forgery_is_found_by_training_again_alone(project):
    forge(quantised())
    shutil.rmtree("reports/quick")  # a forger would write a report of the new records
    assert problems() == []
    every = problems(again=Retrain(4, 1, "cpu"))
    assert [line for line in every if "predictions.npz differs" in line]
    assert len({line.split(": ")[1] for line in every}) == 1  # of the other three, none
    assert not list(Path("results").glob(".again-*"))


def forge(folder: Path) -> None:
    """One more image right, in all that says so."""
    with np.load(folder / files.PREDICTIONS) as kept:
        kept = dict(kept)
    image = int(np.flatnonzero(kept["predicted"] != kept["labels"])[0])
    right, wrong = kept["labels"][image], kept["predicted"][image]
    row = kept["logits"][image]
    row[[right, wrong]] = row[[wrong, right]]
    kept["predicted"][image] = right
    np.savez_compressed(folder / files.PREDICTIONS, **kept)
    own = kept["logits"][np.arange(len(kept["labels"])), kept["labels"]].astype(float)
    figures = {
        "accuracy": float((kept["predicted"] == kept["labels"]).mean()),
        "cross_entropy": float(-own.mean() / np.log(2)),
    }
    at_test = {f"test_{name}": value for name, value in figures.items()}

    def last(lines: list[dict]) -> None:
        lines[-1].update(at_test)

    def content(result: dict) -> None:
        result["evaluation"]["mean"]["test"].update(figures)
        for chosen in result["figures"].values():
            if chosen and chosen["epoch"] == 2:
                chosen.update(at_test)

    history(last)
    result(content, folder)
    part = folder / PARTS / "interventions.npz"
    arrays(part, lambda kept: kept["as_is"].__setitem__(image, right))
    with np.load(part) as kept:
        found = dict(kept)
    labels = np.load(folder / files.PREDICTIONS)["labels"]

    def numbers(entry: dict) -> None:
        entry["arrays"] = files.file_sha256(part)
        for name, predicted in found.items():
            entry["numbers"][name]["accuracy"] = float((predicted == labels).mean())
            entry["numbers"][name]["changed"] = float((predicted != found["as_is"]).mean())

    evaluation("interventions", numbers)
    evaluation("calibration", lambda entry: None)
    shutil.copy(folder / files.RESULT, folder / files.FINISHED)
    reseal(folder)


def test_the_command_says_what_it_looked_at(project, sound):
    shutil.copytree(sound / "aib", "aib")
    said = run(Path(), "aib", "verify", "quick").stdout
    assert "no problem found" in said
    flip(quantised() / files.WEIGHTS)
    failed = run(Path(), "aib", "verify", "quick", check=False)
    assert failed.returncode == 1
    assert failed.stdout.rstrip().endswith("problems found")
    assert "weights.safetensors is not what training wrote" in failed.stdout
    content = json.loads(run(Path(), "aib", "verify", "quick", "--json", check=False).stdout)
    assert {"check", "where", "what"} == set(content["problems"][0])
    unknown = run(Path(), "aib", "verify", "qick", check=False)
    assert "no file and no folder" in unknown.stderr
    assert "nearest: 'quick'" in unknown.stderr
