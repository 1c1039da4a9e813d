"""Small archives in the true formats, decoded right; hostile ones, each refused with one line."""

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aib.data.datasets import prepare
from aib.data.prepared import content_digest, load, verify
from aib.errors import AibError
from aib.params import ArchiveDataset, ClutterDataset

CLASSES = ("cat", "dog", "owl")
SIZE = 8
CLUTTER = ClutterDataset(
    kind="clutter",
    train=60,
    validation=20,
    test=40,
    distractors=2,
    fragment=3,
    digit_sizes=(14, 20),
    contrast=140,
    texture=40,
    horizontal_flip=False,
)


# ---------------------------------------------------------------- archives


def random_images(count: int, seed: int = 0) -> np.ndarray:
    """(count, 3, SIZE, SIZE) uint8"""
    return np.random.RandomState(seed).randint(0, 256, (count, 3, SIZE, SIZE), dtype=np.uint8)


def encoded(image: np.ndarray, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, kind)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)


def class_folder_files(train: int = 20, test: int = 5) -> dict[str, bytes]:
    """Name and content of each file: `train` and `test` JPEG images of each class."""
    names = [
        f"top/{split}/{name}/{number:04}.jpg"
        for split, count in (("train", train), ("test", test))
        for name in CLASSES
        for number in range(count)
    ]
    return dict(zip(names, map(encoded, random_images(len(names))), strict=True))


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote for CIFAR: byte strings, and numpy under its old name."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_string(self, value):
        value = value if isinstance(value, bytes) else value.encode("ascii")
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string


def python2_pickle(value) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def cifar_files(images: np.ndarray, labels: list[int]) -> dict[str, bytes]:
    """Six batches of equal size, the last one the test batch, with the names of the classes."""
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    parts = zip(names, np.split(images, 6), np.split(np.array(labels), 6), strict=True)
    files = {
        f"cifar-10-batches-py/{name}": python2_pickle(
            {
                "batch_label": name,
                "labels": part_labels.tolist(),
                "data": part.reshape(len(part), -1),
                "filenames": [f"{number}.png" for number in range(len(part))],
            }
        )
        for name, part, part_labels in parts
    }
    meta = {"num_cases_per_batch": len(images) // 6, "label_names": list(CLASSES), "num_vis": 3}
    files["cifar-10-batches-py/batches.meta"] = python2_pickle(meta)
    files["cifar-10-batches-py/readme.html"] = b"<html></html>"
    return files


def plain(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def write_archive(path: Path, members) -> Path:
    """Write a gzipped tar of a dict of names and contents, or of pairs of TarInfo and content."""
    if isinstance(members, dict):
        members = [plain(name, content) for name, content in members.items()]
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return path


def entry(archive: Path, decoder: str, **fields) -> ArchiveDataset:
    """The dataset entry that declares exactly this archive."""
    values = {
        "kind": "archive",
        "file": archive.name,
        "addresses": (),
        "checksum": f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}",
        "decoder": decoder,
        "classes": CLASSES,
        "image_size": SIZE,
        "unpacked_limit": 1_000_000,
        "horizontal_flip": True,
    }
    return ArchiveDataset(**values | fields)


def prepared(folder: Path, files, decoder: str, **fields):
    """Write the archive beside `folder`, prepare it into `folder`, load it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = write_archive(folder.with_suffix(".tar.gz"), files)
    prepare("small", entry(archive, decoder, **fields), archive, folder)
    return load(folder)


def labelled(split) -> set[tuple[bytes, int]]:
    """The examples of a split, whatever their order."""
    return {(image.tobytes(), int(label)) for image, label in zip(*pair(split), strict=True)}


def pair(split) -> tuple[np.ndarray, np.ndarray]:
    return split.images, split.labels


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# ---------------------------------------------------------------- decoded right


def test_class_folders(tmp_path):
    files = class_folder_files() | {"top/README.md": b"hello", "top/LICENSE": b"free"}
    data = prepared(tmp_path / "out", files, "class-folders")
    for split, parts in (("train", (data.train, data.validation)), ("test", (data.test,))):
        expected = {
            (decoded(content).tobytes(), CLASSES.index(name.split("/")[2]))
            for name, content in files.items()
            if name.split("/")[1] == split
        }
        assert set().union(*map(labelled, parts)) == expected
        assert sum(len(part.labels) for part in parts) == len(expected)
    assert data.train.images.dtype == data.train.labels.dtype == np.uint8
    assert data.train.masks is None


def test_cifar_pickles_of_python_2(tmp_path):
    images, labels = random_images(60), [number % 3 for number in range(60)]
    files = cifar_files(images, labels)
    assert b"cnumpy.core.multiarray\n_reconstruct" in files["cifar-10-batches-py/test_batch"]
    data = prepared(tmp_path / "out", files, "cifar-python")
    expected = {(image.tobytes(), label) for image, label in zip(images, labels, strict=True)}
    assert labelled(data.train) | labelled(data.validation) | labelled(data.test) == expected
    assert labelled(data.test) == {(images[n].tobytes(), labels[n]) for n in range(50, 60)}
    assert data.classes == list(CLASSES)


def test_cifar_arrays_stored_column_by_column(tmp_path):
    pixels = random_images(10, seed=1)
    files = cifar_with(data=np.asfortranarray(pixels.reshape(10, -1)))
    data = prepared(tmp_path / "out", files, "cifar-python")
    served = labelled(data.train) | labelled(data.validation)
    assert {(image.tobytes(), 0) for image in pixels} <= served


def test_clutter_with_masks(tmp_path):
    prepare("digits", CLUTTER, None, tmp_path / "out")
    data = load(tmp_path / "out")
    assert data.train.images.shape == (60, 3, 32, 32)
    assert data.test.masks.shape == (40, 32, 32)
    for image, mask in zip(data.test.images, data.test.masks, strict=True):
        assert image[:, mask == 1].mean() > image[:, mask == 0].mean()  # masks moved along


# ---------------------------------------------------------------- the manifest


def test_manifest(tmp_path):
    data = prepared(tmp_path / "out", class_folder_files(), "class-folders")
    manifest = data.manifest
    assert manifest["dataset"] == "small"
    assert manifest["source"] == "out.tar.gz"
    archive = (tmp_path / "out.tar.gz").read_bytes()
    assert manifest["checksum"] == f"sha256:{hashlib.sha256(archive).hexdigest()}"
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


# ---------------------------------------------------------------- splits and order


def test_validation_is_the_first_tenth_of_each_class_by_hash(tmp_path):
    data = prepared(tmp_path / "out", class_folder_files(), "class-folders")

    def hashes(split, label) -> list[str]:
        return [
            hashlib.sha256(i.tobytes()).hexdigest() for i in split.images[split.labels == label]
        ]

    for label in range(len(CLASSES)):
        train, validation = hashes(data.train, label), hashes(data.validation, label)
        assert validation + train == sorted(validation + train)
        assert len(validation) == 2


def test_no_split_is_in_order_of_class(tmp_path):
    data = prepared(tmp_path / "out", class_folder_files(), "class-folders")
    for split in (data.train, data.test):
        assert set(split.labels[: len(split.labels) // 2]) == {0, 1, 2}


def test_a_repacked_archive_is_the_same_data(tmp_path):
    files = class_folder_files()
    files["top/train/dog/copy.jpg"] = files["top/train/cat/0000.jpg"]  # same image, other label
    one = prepared(tmp_path / "one", files, "class-folders")
    two = prepared(tmp_path / "two", dict(reversed(files.items())), "class-folders")
    assert one.digest == two.digest
    assert one.manifest["checksum"] != two.manifest["checksum"]


# ---------------------------------------------------------------- on disk


def test_preparing_twice_gives_the_same_bytes(tmp_path):
    prepared(tmp_path / "out", class_folder_files(), "class-folders")
    archive = tmp_path / "out.tar.gz"
    prepare("small", entry(archive, "class-folders"), archive, tmp_path / "again")
    assert contents(tmp_path / "out") == contents(tmp_path / "again")
    for name in ("c", "d"):
        prepare("digits", CLUTTER, None, tmp_path / name)
    assert contents(tmp_path / "c") == contents(tmp_path / "d")


def test_preparing_again_replaces_and_leaves_other_files_alone(tmp_path):
    folder = tmp_path / "out"
    prepared(folder, class_folder_files(train=10), "class-folders")
    (folder / "notes.txt").write_text("mine")
    data = prepared(folder, class_folder_files(train=20), "class-folders")
    assert len(data.train.labels) == 54
    verify(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out.tar.gz"}


def test_loaded_arrays_stay_on_disk_and_cannot_be_written(tmp_path):
    data = prepared(tmp_path / "out", class_folder_files(), "class-folders")
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
    prepared(tmp_path / "out", class_folder_files(), "class-folders")
    damage(tmp_path / "out" / file)
    with pytest.raises(AibError, match="prepare") as caught:
        load(tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_verify_notices_one_changed_byte(tmp_path):
    folder = tmp_path / "out"
    prepared(folder, class_folder_files(), "class-folders")
    verify(folder)
    content = bytearray((folder / "test_images.npy").read_bytes())
    content[-1] ^= 1
    (folder / "test_images.npy").write_bytes(content)
    load(folder)
    with pytest.raises(AibError, match=r"expected content sha256:.* found sha256:"):
        verify(folder)


# ---------------------------------------------------------------- refused archives


class Evil:
    """A pickle of this runs a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def cifar_with(**changes) -> dict[str, bytes]:
    """A sound CIFAR archive, but for the first batch."""
    files = cifar_files(random_images(60), [number % 3 for number in range(60)])
    batch = {"labels": [0] * 10, "data": random_images(10).reshape(10, -1)} | changes
    return files | {"cifar-10-batches-py/data_batch_1": python2_pickle(batch)}


def sparse_giant() -> tuple[tarfile.TarInfo, bytes]:
    """A file of 2 GB, all of it a hole."""
    member = tarfile.TarInfo("top/train/cat/giant.jpg")
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(2 << 30),
        "GNU.sparse.map": f"{2 << 30},0",
    }
    return member, b""


def long_name() -> tuple[tarfile.TarInfo, bytes]:
    """A header of 2 MB, in an archive of a few kilobytes."""
    member = tarfile.TarInfo("top/README")
    member.pax_headers = {"comment": "a" * 2_000_000}
    return member, b""


FOLDERS = [plain(name, content) for name, content in class_folder_files().items()]
CAT = "top/train/cat/extra.jpg"
LARGE = np.zeros((3, 2 * SIZE, 2 * SIZE), np.uint8)
GREY = io.BytesIO()
Image.new("L", (SIZE, SIZE)).save(GREY, "PNG")
REFUSED = {
    "leads out": ([*FOLDERS, plain("top/../../out.jpg", b"")], "unsafe name"),
    "absolute": ([*FOLDERS, plain("/tmp/train/cat/0.jpg", b"")], "unsafe name"),
    "symbolic link": ([*FOLDERS, special(CAT, tarfile.SYMTYPE, "/etc/passwd")], "plain file"),
    "hard link": ([*FOLDERS, special(CAT, tarfile.LNKTYPE, "top/x")], "plain file"),
    "device": ([*FOLDERS, special(CAT, tarfile.CHRTYPE)], "plain file"),
    "twice": ([*FOLDERS, FOLDERS[0]], "stands twice"),
    "bomb": ([*FOLDERS, plain("top/zeros", bytes(2_000_000))], "more than 1,000,000 bytes"),
    "bomb in a header": ([*FOLDERS, long_name()], "more than 1,000,000 bytes"),
    "bomb of holes": ([*FOLDERS, sparse_giant()], "plain file"),
    "unknown class": ([*FOLDERS, plain("top/train/cow/0.jpg", b"")], "'top/train/cow/0.jpg'"),
    "lines in a name": ([*FOLDERS, plain("top/train/a\nb/0.jpg", b"")], "'top/train/a b/0.jpg'"),
    "image outside a class": ([*FOLDERS, plain("top/train/0.jpg", b"")], "'top/train/0.jpg'"),
    "class without image": (class_folder_files(test=0), "no test image of class 'cat'"),
    "wrong size": ([*FOLDERS, plain(CAT, encoded(LARGE))], "is 16x16 RGB, expected 8x8 RGB"),
    "grey": ([*FOLDERS, plain(CAT, GREY.getvalue())], "is 8x8 L, expected 8x8 RGB"),
    "half an image": ([*FOLDERS, plain(CAT, FOLDERS[0][1][:-300])], f"'{CAT}' is not a whole"),
    "no image": ([*FOLDERS, plain(CAT, b"<html>")], f"'{CAT}' is not a whole"),
    "empty": ([], "no train image"),
    "cifar: other labels": (cifar_with(labels=[3] * 10), "holds the label 3"),
    "cifar: negative label": (cifar_with(labels=[-1] * 10), "holds the label -1"),
    "cifar: too few labels": (cifar_with(labels=[0]), "does not hold 1 images"),
    "cifar: other images": (cifar_with(data=np.zeros((10, 5), np.uint8)), "does not hold 10"),
    "cifar: floats": (cifar_with(data=np.zeros((10, 192))), "does not hold 10"),
    "cifar: signed bytes": (cifar_with(data=np.zeros((10, 192), np.int8)), "does not hold 10"),
    "cifar: a column each": (cifar_with(data=np.zeros((192, 10), np.uint8)), "does not hold 10"),
    "cifar: no array": (cifar_with(data=[1, 2]), "lacks data or labels"),
    "cifar: too few bytes": (
        {
            name: content.replace(b"K\x05K\xc0", b"K\x0aK\xc0")  # claims ten rows
            for name, content in cifar_with(data=random_images(5).reshape(5, -1)).items()
        },
        "does not hold 10 images",
    ),
    "cifar: no batch": (
        {name: content for name, content in cifar_with().items() if "batch_3" not in name},
        "lacks data_batch_3",
    ),
    "cifar: cut pickle": (
        {name: content[:-50] for name, content in cifar_with().items()},
        "is not a readable pickle",
    ),
    "cifar: other classes": (
        {
            name: content.replace(b"owl", b"cow") if "meta" in name else content
            for name, content in cifar_with().items()
        },
        "names the classes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_line_and_nothing_touched(tmp_path, monkeypatch, case):
    members, reason = REFUSED[case]
    decoder = "cifar-python" if case.startswith("cifar") else "class-folders"
    workplace = tmp_path / "workplace"
    prepared(workplace / "out", class_folder_files(), "class-folders")
    archive = write_archive(workplace / "bad.tar.gz", members)
    before = contents(workplace / "out")
    monkeypatch.chdir(workplace)
    with pytest.raises(AibError) as caught:
        prepare("bad", entry(archive, decoder), archive, workplace / "out")
    message = str(caught.value)
    assert message.startswith(f"{archive}: ")
    assert reason in message
    assert "fetch it again" in message
    assert "\n" not in message
    assert contents(workplace / "out") == before
    assert {path.name for path in workplace.iterdir()} == {"out", "out.tar.gz", "bad.tar.gz"}
    assert {path.name for path in tmp_path.iterdir()} == {"workplace"}


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path):
    evil = python2_pickle({"data": Evil(f"touch {tmp_path}/run")})
    pickle.loads(evil)  # it does run where it is let
    (tmp_path / "run").unlink()
    for name in ("data_batch_1", "batches.meta"):
        files = cifar_with() | {f"cifar-10-batches-py/{name}": evil}
        with pytest.raises(AibError, match=r"would call \w+\.system"):
            prepared(tmp_path / "out", files, "cifar-python")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, kept):
    archive = write_archive(tmp_path / "cut.tar.gz", class_folder_files())
    content = archive.read_bytes()
    archive.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(AibError, match=r"cut\.tar\.gz: (truncated|no train image).*fetch it again"):
        prepare("cut", entry(archive, "class-folders"), archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_corrupted_compression_is_refused(tmp_path):
    archive = write_archive(tmp_path / "bad.tar.gz", class_folder_files())
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(AibError, match="fetch it again"):
        prepare("bad", entry(archive, "class-folders"), archive, tmp_path / "out")


def test_something_else_under_the_name_is_refused(tmp_path):
    for content in (b"<html>", gzip.compress(b"<html>" * 1000)):
        archive = tmp_path / "page.tar.gz"
        archive.write_bytes(content)
        with pytest.raises(AibError, match="not a gzipped tar archive"):
            prepare("page", entry(archive, "class-folders"), archive, tmp_path / "out")


def test_an_archive_other_than_the_declared_one_is_refused(tmp_path):
    archive = write_archive(tmp_path / "a.tar.gz", class_folder_files())
    dataset = entry(archive, "class-folders")
    archive.write_bytes(b"changed")
    with pytest.raises(AibError, match=f"expected {dataset.checksum}, found sha256:"):
        prepare("a", dataset, archive, tmp_path / "out")
    archive.unlink()
    with pytest.raises(AibError, match="no such file; fetch it first"):
        prepare("a", dataset, archive, tmp_path / "out")
