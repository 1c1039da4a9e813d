"""The manifest, splits, order and files of prepared data."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import (
    CLASSES,
    CLUTTER,
    CUB,
    class_folder_files,
    cub_files,
    encoded,
    entry,
    prepared,
    put,
    random_images,
    svhn_files,
    tar,
)

from aib.data.prepared import SPLITS, load
from aib.data.preparing import prepare
from aib.data.spool import Spool
from aib.data.verifying import content_digest, verify
from aib.errors import AibError


def folders(folder: Path, **counts):
    """Class folders, prepared."""
    return prepared(folder, tar(class_folder_files(**counts)), "class-folders")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---------------------------------------------------------------- the manifest


def test_manifest(tmp_path):
    data = folders(tmp_path / "out")
    manifest = data.manifest
    assert manifest["dataset"] == "small"
    assert manifest["source"] == "archive.tar.gz"
    archive = (tmp_path / "out-downloads" / "archive.tar.gz").read_bytes()
    checksum = f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert manifest["checksum"] == {"archive.tar.gz": checksum}
    assert manifest["decoder"] == "class-folders"
    assert manifest["counts"] == {
        "train": dict.fromkeys(CLASSES, 18),
        "validation": dict.fromkeys(CLASSES, 2),
        "test": dict.fromkeys(CLASSES, 5),
    }
    scaled = data.train.images.astype(np.float64) / 255
    np.testing.assert_allclose(manifest["mean"], scaled.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(manifest["std"], scaled.std(axis=(0, 2, 3)), rtol=1e-12)
    assert data.digest == content_digest(data.arrays())


def test_manifest_of_several_files(tmp_path):
    files = svhn_files()
    manifest = prepared(tmp_path / "out", files, "svhn").manifest
    assert manifest["source"] == "train_32x32.mat, test_32x32.mat"
    assert list(manifest["checksum"]) == list(files)


def test_digest_sees_values_shapes_types_and_names():
    array = np.arange(12, dtype=np.uint8)
    variants = [
        {"a": array},
        {"b": array},
        {"a": array + 1},
        {"a": array.reshape(3, 4)},
        {"a": array.astype(np.int64)},
        {"a": array.view(np.int8)},
    ]
    assert len({content_digest(arrays) for arrays in variants}) == len(variants)
    both = {"a": array, "b": array + 1}
    assert content_digest(both) == content_digest(dict(reversed(both.items())))
    assert content_digest({"a": array[::2]}) == content_digest({"a": array[::2].copy()})


def test_what_a_person_should_know_changes_no_identity(tmp_path):
    files = tar(class_folder_files())
    plain = entry(files, "class-folders").identity()
    moved = entry(files, "class-folders").model_dump(mode="json")
    moved["files"][0] |= {"addresses": ["https://example.org/a.tar.gz"], "bytes": 5}
    moved |= {"licence": "MIT", "citation": "me", "unpacked_limit": 9}
    moved |= {"counts": {"train": 1, "test": 1}, "released_normalisation": {"vgg": "half"}}
    assert type(entry(files, "class-folders"))(**_tuples(moved)).identity() == plain
    for field, value in (("image_size", 9), ("resize", True), ("validation_share", 0.2)):
        assert entry(files, "class-folders", **{field: value}).identity() != plain
    other = entry(tar(class_folder_files(train=3)), "class-folders")
    assert other.identity() != plain  # another checksum


def _tuples(content: dict) -> dict:
    files = tuple(file | {"addresses": tuple(file["addresses"])} for file in content["files"])
    return content | {"files": files, "classes": tuple(content["classes"])}


# ---------------------------------------------------------------- splits and order


def test_validation_is_the_first_tenth_of_each_class_by_hash(tmp_path):
    data = folders(tmp_path / "out")

    def hashes(split, label) -> list[str]:
        return [
            hashlib.sha256(i.tobytes()).hexdigest() for i in split.images[split.labels == label]
        ]

    for label in range(len(CLASSES)):
        train, validation = hashes(data.train, label), hashes(data.validation, label)
        assert validation + train == sorted(validation + train)
        assert len(validation) == 2


def test_validation_share(tmp_path):
    files = tar(class_folder_files())
    data = prepared(tmp_path / "out", files, "class-folders", validation_share=0.25)
    assert np.bincount(data.validation.labels).tolist() == [5, 5, 5]


def test_no_split_is_in_order_of_class(tmp_path):
    data = folders(tmp_path / "out")
    for split in (data.train, data.test):
        assert set(split.labels[: len(split.labels) // 2]) == {0, 1, 2}


def test_a_repacked_archive_is_the_same_data(tmp_path):
    files = class_folder_files()
    files["top/train/dog/copy.jpg"] = files["top/train/cat/0000.jpg"]  # same image, other label
    one = prepared(tmp_path / "one", tar(files), "class-folders")
    two = prepared(tmp_path / "two", tar(dict(reversed(files.items()))), "class-folders")
    assert one.digest == two.digest
    assert one.manifest["checksum"] != two.manifest["checksum"]


def test_order_of_equal_images_with_other_masks(tmp_path):
    """Two photographs alike, with different boxes, stand in the same order however packed."""
    contents = [encoded(image, "PNG") for image in random_images(18)]
    contents[5] = contents[14] = contents[8]
    boxes = [(n % 5, n % 3, 3, 4) for n in range(18)]
    files = cub_files(contents, boxes)
    fields = CUB | {"box": "mask"}
    one = prepared(tmp_path / "one", tar(files), "cub", **fields)
    two = prepared(tmp_path / "two", tar(dict(reversed(files.items()))), "cub", **fields)
    assert one.digest == two.digest


def test_arrays_larger_than_a_block(tmp_path, monkeypatch):
    whole = folders(tmp_path / "one")
    monkeypatch.setattr("aib.data.spool.BLOCK_BYTES", 1000)  # five images
    monkeypatch.setattr("aib.data.verifying.CHUNK_BYTES", 777)
    parts = folders(tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert parts.manifest == whole.manifest
    verify(tmp_path / "two")


def test_boxes_become_masks_of_neither_nothing_nor_everything(tmp_path):
    contents = [encoded(image, "PNG") for image in random_images(18)]
    files = tar(cub_files(contents, [(1, 1, 3, 4)] * 18))
    masks = prepared(tmp_path / "out", files, "cub", **CUB, box="mask").test.masks
    assert ((masks.mean(axis=(1, 2)) > 0) & (masks.mean(axis=(1, 2)) < 1)).all()


# ---------------------------------------------------------------- declared counts


def test_declared_counts_are_checked(tmp_path):
    files = tar(class_folder_files())
    prepared(tmp_path / "out", files, "class-folders", counts={"train": 60, "test": 15})
    before = contents(tmp_path / "out")
    for counts, said in (
        ({"train": 61, "test": 15}, r"archive\.tar\.gz: holds 60 train images, expected 61; .*"),
        ({"train": 60, "test": 1500}, r"holds 15 test images, expected 1,500; .*fetch it again"),
    ):
        with pytest.raises(AibError, match=said):
            prepared(tmp_path / "out", files, "class-folders", counts=counts)
    assert contents(tmp_path / "out") == before
    with pytest.raises(AibError, match="out-downloads: holds 30 train images, expected 31"):
        prepared(tmp_path / "out", svhn_files(), "svhn", counts={"train": 31, "test": 15})


def test_a_split_is_not_spooled_beyond_its_count(tmp_path, monkeypatch):
    added = []
    monkeypatch.setattr(Spool, "add", lambda spool, e: added.append(e) or spool.labels.append(0))
    files = tar(class_folder_files())
    said = r"archive\.tar\.gz: holds more train images than the 3 that are expected; .*fetch it"
    with pytest.raises(AibError, match=said):
        prepared(tmp_path / "out", files, "class-folders", counts={"train": 3, "test": 15})
    assert len(added) == 3


def test_classes_without_validation_images_are_fine_if_others_have_some(tmp_path):
    files = class_folder_files(5, 2)
    more = class_folder_files(20, 2)
    files |= {name: content for name, content in more.items() if "train/dog" in name}
    data = prepared(tmp_path / "out", tar(files), "class-folders")
    assert np.bincount(data.validation.labels, minlength=3).tolist() == [0, 2, 0]


# ---------------------------------------------------------------- on disk


def test_a_disk_with_too_little_space_is_not_filled(tmp_path, monkeypatch):
    usage = type(shutil.disk_usage(tmp_path))
    files, counts = tar(class_folder_files()), {"train": 60, "test": 15}
    needed = 2 * 75 * 3 * 8 * 8
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, needed))
    prepared(tmp_path / "out", files, "class-folders", counts=counts)
    before = contents(tmp_path / "out")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, needed - 1))
    said = rf"^{tmp_path}: preparing needs 28,800 bytes of disk, 28,799 are free$"
    with pytest.raises(AibError, match=said):
        prepared(tmp_path / "out", files, "class-folders", counts=counts)
    assert contents(tmp_path / "out") == before


def test_masks_that_are_no_longer_wanted_are_removed(tmp_path):
    files = tar(
        cub_files([encoded(image, "PNG") for image in random_images(18)], [(1, 1, 3, 4)] * 18)
    )
    prepared(tmp_path / "out", files, "cub", **CUB, box="mask")
    (tmp_path / "out" / "notes.npy").write_bytes(b"mine")
    prepared(tmp_path / "out", files, "cub", **CUB, box="crop")
    assert {path.name for path in (tmp_path / "out").glob("*.npy")} == {
        "notes.npy",
        *(f"{s}_{kind}.npy" for s in SPLITS for kind in ("images", "labels")),
    }


def test_preparing_twice_gives_the_same_bytes(tmp_path):
    files = tar(class_folder_files())
    prepared(tmp_path / "a", files, "class-folders")
    prepared(tmp_path / "b", files, "class-folders")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    for name in ("c", "d"):
        prepare("digits", CLUTTER, tmp_path, tmp_path / name)
    assert contents(tmp_path / "c") == contents(tmp_path / "d")


def test_arrays_are_stored_as_numpy_does(tmp_path):
    data = folders(tmp_path / "out")
    for name, array in data.arrays().items():
        np.save(tmp_path / "again.npy", array)
        stored = (tmp_path / "out" / f"{name}.npy").read_bytes()
        assert stored == (tmp_path / "again.npy").read_bytes()


def test_preparing_again_replaces_and_leaves_other_files_alone(tmp_path):
    folder = tmp_path / "out"
    folders(folder, train=10)
    (folder / "notes.txt").write_text("mine")
    data = folders(folder, train=20)
    assert len(data.train.labels) == 54
    verify(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out-downloads"}


def test_what_a_killed_process_left_is_removed(tmp_path):
    partial = put(tmp_path / ".out.partial", {"train.images": b"half", "train_masks.npy": b""})
    folders(tmp_path / "out")
    assert not partial.exists()
    verify(tmp_path / "out")
    assert not (tmp_path / "out" / "train_masks.npy").exists()


def test_one_process_at_a_time(tmp_path):
    partial = put(tmp_path / ".out.partial", {"train.images": b"half"})
    holding = (
        "import sys, filelock as f; l = f.FileLock(sys.argv[1]); l.acquire(); input(sys.argv[2])"
    )
    command = [sys.executable, "-uc", holding, str(partial / "lock"), "held\n"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AibError, match="another process is preparing it"):
            folders(tmp_path / "out")
        holder.communicate(b"\n")
    assert (partial / "train.images").read_bytes() == b"half"


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    folders(tmp_path / "out")
    before = contents(tmp_path / "out")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "add", full)
    with pytest.raises(OSError, match="No space left"):  # and not "truncated archive"
        folders(tmp_path / "out", train=10)
    assert contents(tmp_path / "out") == before
    assert not (tmp_path / ".out.partial").exists()


def test_loaded_arrays_stay_on_disk_and_cannot_be_written(tmp_path):
    data = folders(tmp_path / "out")
    assert isinstance(data.train.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.train.images[0] = 0


def cut_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def change_count(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["counts"]["train"]["cat"] += 1
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("manifest.json", Path.unlink),
        ("manifest.json", cut_file),
        ("manifest.json", lambda path: path.write_text("[]")),
        ("manifest.json", lambda path: path.write_text("{}")),
        ("manifest.json", change_count),
        ("test_labels.npy", Path.unlink),
        ("test_labels.npy", cut_file),
        ("train_images.npy", lambda path: path.write_bytes(b"")),
        ("train_images.npy", lambda path: np.save(path, np.array([{}]), allow_pickle=True)),
    ],
)
def test_missing_or_damaged_files_are_explained(tmp_path, file, damage):
    folders(tmp_path / "out")
    damage(tmp_path / "out" / file)
    with pytest.raises(AibError, match="prepare") as caught:
        load(tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_verify_notices_one_changed_byte(tmp_path):
    folder = tmp_path / "out"
    folders(folder)
    verify(folder)
    content = bytearray((folder / "test_images.npy").read_bytes())
    content[-1] ^= 1
    (folder / "test_images.npy").write_bytes(content)
    load(folder)
    with pytest.raises(AibError, match=r"expected content sha256:.* found sha256:"):
        verify(folder)


def test_verify_notices_bytes_beyond_the_array(tmp_path):
    folders(tmp_path / "out")
    with (tmp_path / "out" / "test_images.npy").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(AibError, match="found sha256:"):
        verify(tmp_path / "out")
