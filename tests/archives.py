"""Small archives in the true formats of all datasets, written by other means than ours."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from aib.data.prepared import PreparedData, load
from aib.data.preparing import prepare
from aib.params import ArchiveDataset, ClutterDataset, check

CLASSES = ("cat", "dog", "owl")
SIZE = 8
THUMBNAIL = 32  # of CIFAR and SVHN, which know no other size
THUMBNAILS = ("cifar-python", "cifar100-python", "svhn")
CLUTTER = ClutterDataset(
    kind="clutter",
    train=60,
    validation=20,
    test=40,
    distractors=2,
    digit_sizes=(14, 20),
    contrast=140,
    texture=40,
    horizontal_flip=False,
)
Files = dict[str, bytes]


# ---------------------------------------------------------------- entries


def entry(files: Files, decoder: str, **fields) -> ArchiveDataset:
    """The dataset entry that declares exactly these files."""
    values = {
        "kind": "archive",
        "files": [declared(name, content) for name, content in files.items()],
        "decoder": decoder,
        "classes": CLASSES,
        "image_size": THUMBNAIL if decoder in THUMBNAILS else SIZE,
        "unpacked_limit": 1_000_000,
        "horizontal_flip": True,
        "licence": "free",
        "citation": "nobody",
    }
    return check(ArchiveDataset, values | fields, "test")


def declared(name: str, content: bytes) -> dict:
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"file": name, "addresses": (), "checksum": checksum}


def put(folder: Path, files: Files) -> Path:
    """Write files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def prepared(folder: Path, files: Files, decoder: str, **fields) -> PreparedData:
    """Put the files beside `folder`, prepare them into it, load it."""
    downloads = put(folder.with_name(f"{folder.name}-downloads"), files)
    prepare("small", entry(files, decoder, **fields), downloads, folder)
    return load(folder)


# ---------------------------------------------------------------- images


def random_images(count: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    """(count, 3, size, size) uint8"""
    return np.random.RandomState(seed).randint(0, 256, (count, 3, size, size), dtype=np.uint8)


def thumbnails(count: int, seed: int = 0) -> np.ndarray:
    """(count, 3, 32, 32) uint8"""
    return random_images(count, seed, THUMBNAIL)


def encoded(image: np.ndarray, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, kind)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)


# ---------------------------------------------------------------- tar


def plain(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def tar(members) -> Files:
    """A gzipped tar of a dict of names and contents, or of pairs of TarInfo and content."""
    if isinstance(members, dict):
        members = [plain(name, content) for name, content in members.items()]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return {"archive.tar.gz": gzip.compress(buffer.getvalue(), mtime=0)}


# ---------------------------------------------------------------- formats


def class_folder_files(train: int = 20, test: int = 5, top: str = "top/") -> Files:
    """Name and content of each file: `train` and `test` JPEG images of each class."""
    names = [
        f"{top}{split}/{name}/{number:04}.jpg"
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


def cifar10_files(images: np.ndarray, labels: list[int], classes=CLASSES) -> Files:
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
    meta = {"num_cases_per_batch": len(images) // 6, "label_names": list(classes), "num_vis": 3}
    files["cifar-10-batches-py/batches.meta"] = python2_pickle(meta)
    files["cifar-10-batches-py/readme.html"] = b"<html></html>"
    return files


def cifar10_with(**changes) -> Files:
    """Sound CIFAR-10 files, but for the first batch."""
    files = cifar10_files(thumbnails(60), [number % 3 for number in range(60)])
    batch = {"labels": [0] * 10, "data": thumbnails(10).reshape(10, -1)} | changes
    return files | {"cifar-10-batches-py/data_batch_1": python2_pickle(batch)}


def cifar100_files(train: np.ndarray, test: np.ndarray, labels: list[int]) -> Files:
    """One batch a split; coarse labels stand beside the fine ones."""
    files = {
        f"cifar-100-python/{split}": python2_pickle(
            {
                "filenames": [f"{number}.png" for number in range(len(images))],
                "batch_label": f"{split} batch 1 of 1",
                "fine_labels": labels[: len(images)],
                "coarse_labels": [0] * len(images),
                "data": images.reshape(len(images), -1),
            }
        )
        for split, images in (("train", train), ("test", test))
    }
    meta = {"fine_label_names": list(CLASSES), "coarse_label_names": ["animal"]}
    return files | {
        "cifar-100-python/meta": python2_pickle(meta),
        "cifar-100-python/file.txt~": b"",
    }


def mat(images: np.ndarray, labels: np.ndarray, compressed: bool = True, **more) -> bytes:
    """A file of SVHN; images (N, 3, S, S), labels as the file counts them, from 1."""
    buffer = io.BytesIO()
    content = {"X": images.transpose(2, 3, 1, 0), "y": labels.reshape(-1, 1)} | more
    savemat(buffer, content, do_compression=compressed)
    undated = b"MATLAB 5.0 MAT-file, undated".ljust(116)
    return undated + buffer.getvalue()[len(undated) :]


def svhn_files(**changes) -> Files:
    """Thirty images for training, fifteen for testing, of three "digits"."""
    labels = np.arange(30, dtype=np.uint8) % 3 + 1
    return {
        "train_32x32.mat": mat(thumbnails(30), labels),
        "test_32x32.mat": mat(thumbnails(15, seed=1), labels[:15]),
    } | changes


def stl10_files(train: np.ndarray, test: np.ndarray) -> Files:
    """Images are stored column by column, labels from 1; they come last here."""
    files = {
        f"stl10_binary/{s}_X.bin": i.swapaxes(2, 3).tobytes()
        for s, i in (("train", train), ("test", test))
    }
    files["stl10_binary/unlabeled_X.bin"] = bytes(100_000)
    for split, images in (("train", train), ("test", test)):
        files[f"stl10_binary/{split}_y.bin"] = bytes(n % 3 + 1 for n in range(len(images)))
    return files | {"stl10_binary/class_names.txt": "\n".join(CLASSES).encode()}


def idx(array: np.ndarray) -> bytes:
    """A gzipped IDX file of a uint8 array."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def idx_files(train: np.ndarray, test: np.ndarray, **changes) -> Files:
    """Grey images (N, H, W), labels in turn."""
    return {
        "train-images-idx3-ubyte.gz": idx(train),
        "train-labels-idx1-ubyte.gz": idx(np.arange(len(train), dtype=np.uint8) % 3),
        "t10k-images-idx3-ubyte.gz": idx(test),
        "t10k-labels-idx1-ubyte.gz": idx(np.arange(len(test), dtype=np.uint8) % 3),
    } | {name.replace("_", "-") + "-ubyte.gz": content for name, content in changes.items()}


def cub_files(
    photographs: list[bytes], boxes: list[tuple], tables_last: bool = True, **changes
) -> Files:
    """Every third photograph is for testing; the classes come in turn.

    `changes` replaces a table, by its name without .txt.
    """
    classes = [f"{n:03}.{name}" for n, name in enumerate(CLASSES, 1)]
    paths = [f"{classes[n % 3]}/{n:04}.jpg" for n in range(len(photographs))]
    images = {f"CUB_200_2011/images/{p}": c for p, c in zip(paths, photographs, strict=True)}

    def table(values) -> bytes:
        return "".join(f"{n} {value}\n" for n, value in enumerate(values, 1)).encode()

    tables = {
        "images": table(paths),
        "image_class_labels": table(n % 3 + 1 for n in range(len(paths))),
        "classes": table(classes),
        "train_test_split": table(int(n // 3 % 3 > 0) for n in range(len(paths))),
        "bounding_boxes": table(" ".join(f"{side:.1f}" for side in box) for box in boxes),
    } | changes
    tables = {f"CUB_200_2011/{name}.txt": content for name, content in tables.items()}
    others = {
        "attributes.txt": b"",
        "CUB_200_2011/README": b"",
        "CUB_200_2011/attributes/x.txt": b"",
    }
    return others | (images | tables if tables_last else tables | images)


CUB = {
    "classes": tuple(f"{n:03}.{name}" for n, name in enumerate(CLASSES, 1)),
    "validation_share": 0.25,  # of the few train images of a class
}
