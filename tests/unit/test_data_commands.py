"""`aib data …` on a small project: list, fetch, prepare, verify, show."""

import errno
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from archives import (
    CUB,
    class_folder_files,
    cub_files,
    encoded,
    entry,
    put,
    random_images,
    svhn_files,
    tar,
)
from PIL import Image

from aib.cli import main
from aib.data.contact_sheet import CELL, GAP, OUTLINE, contact_sheet
from aib.data.prepared import load
from aib.params import load as load_parameters

ROOT = Path(__file__).parents[2]
BIRDS = {"archive.tar.gz": b""}


def birds() -> dict[str, bytes]:
    photographs = [encoded(image, "PNG") for image in random_images(18, size=20)]
    return tar(cub_files(photographs, [(4, 6, 10, 8)] * 18))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """params/ with four small datasets, their files in a mirror; the working directory."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    mirror = put(tmp_path / "mirror", svhn_files())
    put(mirror, {"birds.tgz": birds()["archive.tar.gz"]})
    digits = yaml.safe_load((ROOT / "params/datasets.yaml").read_text())["cluttered-digits"]
    declare(tmp_path, "digits", digits | {"train": 60, "validation": 20, "test": 40})
    declare(tmp_path, "numbers", entry(svhn_files(), "svhn").model_dump(mode="json"))
    declare(tmp_path, "numbers-again", entry(svhn_files(), "svhn").model_dump(mode="json"))
    files = {"birds.tgz": birds()["archive.tar.gz"]}
    whole = entry(files, "cub", **CUB, box="mask", image_size=16)
    declare(tmp_path, "birds", whole.model_dump(mode="json"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIB_MIRROR", str(mirror))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def declare(project: Path, name: str, values: dict) -> None:
    path = project / "params/datasets.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {name: values}))


@pytest.fixture
def aib(project, monkeypatch, capsys):
    """Run the command; returns status and standard output, or the one line of an error."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["aib", "data", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr().out
        if isinstance(caught.value.code, str):
            assert "\n" not in caught.value.code
            return 1, caught.value.code
        return caught.value.code or 0, output

    return run


def row(output: str, name: str) -> list[str]:
    return next(line for line in output.splitlines() if line.split()[:1] == [name]).split()


def test_fetch_prepare_verify_list(aib, project):
    status, output = aib("fetch", "numbers")
    assert (status, output.split()) == (
        0,
        [f"results/downloads/numbers/{name}" for name in ("train_32x32.mat", "test_32x32.mat")],
    )
    assert row(aib("list")[1], "numbers") == ["numbers", "?", "?", "32", "yes", "no", "-"]
    assert aib("prepare", "numbers")[0] == 0
    assert row(aib("list")[1], "numbers")[4:] == ["yes", "0", "MB", "-"]
    status, output = aib("verify")
    assert (status, output) == (0, "numbers: 2 fetched files and the arrays as declared\n")
    assert len(row(aib("list")[1], "numbers")[-1]) == len("2026-01-01")
    assert row(aib("list")[1], "svhn-extra")[1:] == [
        *("604,388", "26,032", "32", "no,", "1,576", "MB", "no", "-")
    ]


def test_every_declared_dataset_is_listed(aib, project):
    output = aib("list")[1]
    for name in load_parameters(project).datasets:
        assert row(output, name)


def test_fetch_one_file(aib, project):
    assert aib("fetch", "numbers", "test_32x32.mat")[0] == 0
    assert [p.name for p in (project / "results/downloads/numbers").glob("*.mat")] == [
        "test_32x32.mat"
    ]
    assert row(aib("list")[1], "numbers")[4:] == ["1", "of", "2", "no", "-"]


def test_files_that_another_dataset_has_are_not_downloaded_again(aib, project, monkeypatch):
    assert aib("fetch", "numbers")[0] == 0
    monkeypatch.delenv("AIB_MIRROR")
    assert aib("fetch", "numbers-again")[0] == 0
    assert aib("prepare", "numbers-again")[0] == 0


def test_files_that_another_dataset_has_come_before_mirrors(aib, project):
    assert aib("fetch", "numbers")[0] == 0
    assert aib("fetch", "numbers-again")[0] == 0
    for name in ("train_32x32.mat", "test_32x32.mat"):
        mine, other = (
            project / f"results/downloads/{n}" / name for n in ("numbers-again", "numbers")
        )
        assert mine.samefile(other)


def test_a_repaired_file_verifies_again(aib, project):
    aib("fetch", "numbers")
    aib("prepare", "numbers")
    aib("prepare", "digits")
    path = project / "results/downloads/numbers/test_32x32.mat"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"!")
    status, line = aib("verify")
    assert status == 1
    assert line.startswith("error: results/downloads/numbers/test_32x32.mat: expected sha256:")
    assert row(aib("list")[1], "numbers")[-1] == "-"
    assert row(aib("list")[1], "digits")[-1] != "-"  # the others are verified all the same
    path.write_bytes(content)
    assert aib("verify", "numbers")[0] == 0
    assert row(aib("list")[1], "numbers")[-1] != "-"


def test_verify_notices_a_changed_array_and_names_every_problem(aib, project):
    for name in ("numbers", "birds"):
        aib("fetch", name)
        aib("prepare", name)
        path = project / "results/data" / name / "test_images.npy"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    status, line = aib("verify")
    assert status == 1
    assert "results/data/numbers: expected content" in line
    assert "results/data/birds: expected content" in line


def test_a_verification_is_forgotten_when_the_data_change(aib, project):
    aib("prepare", "digits")
    aib("verify")
    manifest = project / "results/data/digits/manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"digest": "sha256:other"}))
    assert row(aib("list")[1], "digits")[-1] == "-"


def test_verify_notices_other_parameters(aib, project):
    aib("prepare", "digits")
    path = project / "params/datasets.yaml"
    path.write_text(path.read_text().replace("train: 60", "train: 61"))
    assert aib("verify") == (
        1,
        "error: digits: was prepared with other parameters; run: aib data prepare digits",
    )
    assert row(aib("list")[1], "digits")[5:] == ["other", "parameters", "-"]


def test_a_verification_is_not_of_other_parameters(aib, project):
    aib("prepare", "digits")
    aib("verify")
    path = project / "params/datasets.yaml"
    content = path.read_text()
    path.write_text(content.replace("train: 60", "train: 61"))
    assert row(aib("list")[1], "digits")[5:] == ["other", "parameters", "-"]
    path.write_text(content)
    assert len(row(aib("list")[1], "digits")[-1]) == len("2026-01-01")


def test_show_warns_of_other_parameters(aib, project, monkeypatch, capsys):
    aib("prepare", "digits")
    path = project / "params/datasets.yaml"
    path.write_text(path.read_text().replace("train: 60", "train: 61"))
    monkeypatch.setattr(sys, "argv", ["aib", "data", "show", "digits"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main()
    captured = capsys.readouterr()
    assert captured.out == "results/sheets/digits-train.png\n"
    assert captured.err == (
        "warning: digits: was prepared with other parameters; run: aib data prepare digits\n"
    )


def test_the_list_is_whole_on_a_narrow_terminal(aib, project, monkeypatch):
    aib("prepare", "digits")
    path = project / "params/datasets.yaml"
    path.write_text(path.read_text().replace("train: 60", "train: 61"))
    monkeypatch.setenv("COLUMNS", "40")
    output = aib("list")[1]
    assert row(output, "digits")[1:] == ["61", "40", "32", "-", "other", "parameters", "-"]
    assert row(output, "svhn-extra")[-1] == "-"


def damage(project, name, **changes):
    path = project / "results/data" / name / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": [0.5, 0.5, 0.5]}, "the manifest says mean [0.5, 0.5, 0.5], the train images"),
        ({"std": None}, "the manifest says std None, the train images have"),
        ({"digest": None}, "expected content None, found sha256:"),
        ({"classes": ["a"]}, "the manifest counts other classes in train than it names"),
        ({"masks": False}, "expected content sha256:"),
    ],
)
def test_verify_covers_the_manifest(aib, project, changes, words):
    aib("prepare", "digits")
    damage(project, "digits", **changes)
    status, line = aib("verify")
    assert status == 1
    assert line.startswith(f"error: results/data/digits: {words}")
    assert line.endswith("; delete it and prepare it again")
    assert row(aib("list")[1], "digits")[-1] == "-"


def test_verify_counts_the_labels(aib, project):
    aib("prepare", "digits")
    manifest = json.loads((project / "results/data/digits/manifest.json").read_text())
    one, two, *_ = manifest["classes"]
    counts = manifest["counts"]
    counts["test"] |= {one: counts["test"][one] + 1, two: counts["test"][two] - 1}
    damage(project, "digits", counts=counts)
    assert f"test images of '{one}', the labels do not; delete" in aib("verify")[1]


def test_verify_compares_with_the_entry(aib, project):
    aib("fetch", "numbers")
    aib("prepare", "numbers")
    counts = json.loads((project / "results/data/numbers/manifest.json").read_text())["counts"]
    train, test = (sum(counts[s].values()) for s in ("train", "test"))
    train += sum(counts["validation"].values())
    assert row(aib("list")[1], "numbers")[1:3] == [str(train), str(test)]
    path = project / "params/datasets.yaml"
    values = yaml.safe_load(path.read_text())["numbers"]
    for number, status in ((test, 0), (test + 1, 1)):
        declare(project, "numbers", values | {"counts": {"train": train, "test": number}})
        assert aib("verify")[0] == status
    assert "its counts are not those of params/datasets.yaml" in aib("verify")[1]


def test_a_consistent_forgery_of_classes_is_not_the_entry(aib, project):
    aib("prepare", "digits")
    manifest = json.loads((project / "results/data/digits/manifest.json").read_text())
    renamed = dict(zip(manifest["classes"], "abcdefghij", strict=True))
    counts = {
        split: {renamed[name]: n for name, n in said.items()}
        for split, said in manifest["counts"].items()
    }
    damage(project, "digits", classes=list(renamed.values()), counts=counts)
    assert "its classes are not those of params/datasets.yaml" in aib("verify")[1]


def test_verify_takes_all_that_is_here(aib, project):
    aib("prepare", "digits")
    aib("fetch", "birds")
    for name in ("numbers", "numbers-again"):
        aib("fetch", name)
        aib("prepare", name)
    (project / "results/data/numbers/manifest.json").write_text("{")
    (project / "results/data/numbers-again/manifest.json").unlink()
    status, line = aib("verify")
    assert status == 1
    assert "results/data/numbers: damaged" in line
    assert "results/data/numbers-again/manifest.json: no such file" in line
    assert row(aib("list")[1], "digits")[-1] != "-"
    assert row(aib("list")[1], "birds")[-1] != "-"


def test_verify_of_downloads_only(aib, project):
    aib("fetch", "birds")
    (project / "results/data/birds").mkdir(parents=True)  # as a failed job of Snakemake leaves it
    assert aib("verify") == (0, "birds: 1 fetched file as declared\n")


def test_a_full_disk_is_one_true_line(aib, project, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "results/x")

    monkeypatch.setattr("aib.data.library.Library.prepare", full)
    assert aib("prepare", "digits") == (
        1,
        "error: results/x: the disk is full; what was finished is safe; make room and run again",
    )


def test_a_damaged_manifest_is_not_overlooked(aib, project):
    aib("prepare", "digits")
    (project / "results/data/digits/manifest.json").write_text("{")
    assert row(aib("list")[1], "digits")[5] == "damaged"
    assert "digits: damaged" in aib("verify", "digits")[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("fetch", "numbrs"), "params/datasets.yaml: no dataset 'numbrs'; nearest: 'numbers'"),
        (("prepare", "digit"), "params/datasets.yaml: no dataset 'digit'; nearest: 'digits'"),
        (("verify", "digit"), "params/datasets.yaml: no dataset 'digit'; nearest: 'digits'"),
        (("show", "digit"), "params/datasets.yaml: no dataset 'digit'; nearest: 'digits'"),
        (("fetch", "digits"), "dataset 'digits' needs no download; run: aib data prepare digits"),
        (
            ("fetch", "numbers", "train.mat"),
            "dataset 'numbers' has no file 'train.mat'; nearest: 'train_32x32.mat'",
        ),
        (("show", "digits"), "digits: is not prepared; run: aib data prepare digits"),
        (("verify", "digits"), "digits: nothing is here to verify; run: aib data prepare digits"),
        (("verify",), "no dataset is fetched or prepared; run: aib data prepare NAME"),
        (
            ("prepare", "numbers"),
            "results/downloads/numbers/train_32x32.mat: no such file; run: aib data fetch numbers",
        ),
    ],
)
def test_mistakes_are_one_line(aib, arguments, line):
    assert aib(*arguments) == (1, f"error: {line}")


@pytest.mark.parametrize("command", ["list", "fetch", "prepare", "verify", "show"])
def test_help(aib, command):
    status, output = aib(command, "--help")
    assert status == 0
    assert f"data {command}" in output


# ---------------------------------------------------------------- contact sheets


def test_show_draws_classes_by_examples(aib, project):
    aib("prepare", "digits")
    status, output = aib("show", "digits", "--examples", "3", "--classes", "4", "--split", "test")
    assert (status, output) == (0, "results/sheets/digits-test.png\n")
    with Image.open(project / output.strip()) as sheet:
        assert sheet.height == GAP + 4 * (CELL + GAP)
        assert sheet.width > 3 * (CELL + GAP)


def test_a_sheet_shows_the_right_images_and_outlines_their_masks(aib, project):
    aib("fetch", "birds")
    aib("prepare", "birds")
    split = load(project / "results/data/birds").train
    names = ["a", "b", "c"]
    left = contact_sheet(split, names, 3, 0).width
    sheet = np.array(contact_sheet(split, names, 3, 2))
    for row_number in range(3):
        chosen = np.flatnonzero(split.labels == row_number)[:2]
        for column, index in enumerate(chosen):
            top, start = GAP + row_number * (CELL + GAP), left + column * (CELL + GAP)
            cell = sheet[top : top + CELL, start : start + CELL]
            scale = CELL // 16
            image = split.images[index].repeat(scale, 1).repeat(scale, 2).transpose(1, 2, 0)
            outlined = (cell == OUTLINE).all(axis=2)
            np.testing.assert_array_equal(cell[~outlined], image[~outlined])
            mask = split.masks[index].repeat(scale, 0).repeat(scale, 1)
            assert outlined.any()
            assert mask[outlined].all()
            rows, columns = np.nonzero(mask)
            assert outlined[rows.min(), columns.min() : columns.max() + 1].all()
            assert outlined.sum() == 2 * (np.ptp(rows) + np.ptp(columns))


def test_a_long_class_name_is_cut(project, aib):
    aib("prepare", "digits")
    split = load(project / "results/data/digits").train
    short, long = (contact_sheet(split, [name], 1, 1).width for name in ("a", "a" * 500))
    assert short < long < short + 300


def test_a_folder_dataset_needs_no_download(aib, project):
    for name, content in class_folder_files(6, 1, top="").items():
        put((project / "mine" / name).parent, {name.rsplit("/", 1)[-1]: content})
    values = {"kind": "folder", "folder": "mine", "classes": ["cat", "dog", "owl"]}
    declare(project, "mine", values | {"image_size": 8, "horizontal_flip": True})
    assert "needs no download" in aib("fetch", "mine")[1]
    assert aib("prepare", "mine")[0] == 0
    assert aib("verify", "mine") == (0, "mine: the arrays as declared\n")
    assert row(aib("list")[1], "mine")[:5] == ["mine", "18", "3", "8", "-"]
