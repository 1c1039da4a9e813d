"""Hostile and damaged files: each is refused with one line, and nothing else is touched."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from archives import (
    CLASSES,
    CUB,
    SIZE,
    Files,
    cifar10_files,
    cifar10_with,
    cifar100_files,
    class_folder_files,
    cub_files,
    encoded,
    entry,
    idx,
    idx_files,
    mat,
    plain,
    prepared,
    put,
    python2_pickle,
    random_images,
    special,
    stl10_files,
    svhn_files,
    tar,
    thumbnails,
)
from PIL import Image

from aib.data import untrusted
from aib.data.preparing import prepare
from aib.errors import AibError
from aib.params import ArchiveDataset, FolderDataset

FIELDS = {
    "class-folders": {},
    "cifar-python": {},
    "cifar100-python": {},
    "svhn": {},
    "idx": {},
    "cub": CUB | {"box": "crop", "unpacked_limit": 5_000_000},
    "stl10": {"image_size": 96, "unpacked_limit": 3_000_000, "validation_share": 0.2},
}


# ---------------------------------------------------------------- class folders, and any tar

FOLDERS = [plain(name, content) for name, content in class_folder_files().items()]
CAT = "top/train/cat/extra.jpg"
LARGE = np.zeros((3, 2 * SIZE, 2 * SIZE), np.uint8)


def image_bytes(mode: str, size: tuple[int, int], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def sparse_giant(size: str = str(2 << 30)) -> tuple[tarfile.TarInfo, bytes]:
    """A file of 2 GB, all of it a hole."""
    member = tarfile.TarInfo("top/train/cat/giant.jpg")
    member.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": size,
        "GNU.sparse.map": f"{2 << 30},0",
    }
    return member, b""


def long_name() -> tuple[tarfile.TarInfo, bytes]:
    """A header of 2 MB, in an archive of a few kilobytes."""
    member = tarfile.TarInfo("top/README")
    member.pax_headers = {"comment": "a" * 2_000_000}
    return member, b""


def headers_without_end() -> Files:
    """Each header says that the next one is the real one."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member, content = plain("x", b"8 a=bcd\n")
        member.type = tarfile.XHDTYPE
        for _ in range(900):
            archive.addfile(member, io.BytesIO(content))
    return {"archive.tar.gz": gzip.compress(buffer.getvalue())}


TAR = {
    "leads out": ([*FOLDERS, plain("top/../../out.jpg", b"")], "unsafe name"),
    "absolute": ([*FOLDERS, plain("/tmp/train/cat/0.jpg", b"")], "unsafe name"),
    "symbolic link": ([*FOLDERS, special(CAT, tarfile.SYMTYPE, "/etc/passwd")], "plain file"),
    "link out of the tree": ([*FOLDERS, special(CAT, tarfile.SYMTYPE, "../../..")], "plain file"),
    "hard link": ([*FOLDERS, special(CAT, tarfile.LNKTYPE, "/etc/passwd")], "plain file"),
    "device": ([*FOLDERS, special(CAT, tarfile.CHRTYPE)], "plain file"),
    "pipe": ([*FOLDERS, special(CAT, tarfile.FIFOTYPE)], "plain file"),
    "twice": ([*FOLDERS, FOLDERS[0]], "stands twice"),
    "twice, spelt otherwise": (
        [*FOLDERS, plain(f"./{FOLDERS[0][0].name}", FOLDERS[0][1])],
        "stands twice",
    ),
    "bomb": ([*FOLDERS, plain("top/zeros", bytes(2_000_000))], "more than 1,000,000 bytes"),
    "bomb in a header": ([*FOLDERS, long_name()], "holds a header of 2,000,0"),
    "bomb of holes": ([*FOLDERS, sparse_giant()], "plain file"),
    "number that is none": ([*FOLDERS, sparse_giant("many")], "header that cannot be read"),
    "unknown class": ([*FOLDERS, plain("top/train/cow/0.jpg", b"")], "'top/train/cow/0.jpg'"),
    "lines in a name": ([*FOLDERS, plain("top/train/a\nb/0.jpg", b"")], "'top/train/a b/0.jpg'"),
    "image outside a class": ([*FOLDERS, plain("top/train/0.jpg", b"")], "'top/train/0.jpg'"),
    "folder in a class": ([*FOLDERS, plain("top/train/cat/x/0.jpg", b"")], "in none of"),
    "file for a class": ([*FOLDERS, plain("top/train/cat", FOLDERS[0][1])], "in none of"),
    "class without image": (class_folder_files(test=0), "no test image of class 'cat'"),
    "wrong size": ([*FOLDERS, plain(CAT, encoded(LARGE))], "is 16x16 RGB, expected 8x8"),
    "palette": ([*FOLDERS, plain(CAT, image_bytes("P", (8, 8)))], "8x8 P, expected RGB or grey"),
    "grey of another size": (
        [*FOLDERS, plain(CAT, image_bytes("L", (9, 8)))],
        "is 9x8 L, expected 8x8",
    ),
    "two tops": (
        [*FOLDERS, plain("other/train/cat/0.jpg", FOLDERS[0][1])],
        "'other/train/cat/0.jpg' lies outside the top folder 'top'",
    ),
    "no top": (
        class_folder_files(top=""),
        "holds no TOP/train/CLASS/IMAGE; its first file is 'train/cat/0000.jpg'",
    ),
    "too few for validation": (
        class_folder_files(5, 5),
        "class 'cat' has 5 train images, too few for validation_share 0.1",
    ),
    "half an image": ([*FOLDERS, plain(CAT, FOLDERS[0][1][:-300])], f"'{CAT}' is not a whole"),
    "no image": ([*FOLDERS, plain(CAT, b"<html>")], f"'{CAT}' is not a whole"),
    "image of another format": (
        [*FOLDERS, plain(CAT, image_bytes("RGB", (8, 8), "TIFF"))],
        f"'{CAT}' is not a whole",
    ),
    "empty": ([], "holds no TOP/train/CLASS/IMAGE; it holds no file"),
}


# ---------------------------------------------------------------- CIFAR


def without(files: Files, part: str) -> Files:
    return {name: content for name, content in files.items() if part not in name}


def with_pickle(content: bytes) -> Files:
    return cifar10_with() | {"cifar-10-batches-py/data_batch_1": content}


def with_meta(names) -> Files:
    meta = python2_pickle({"label_names": names})
    return cifar10_with() | {"cifar-10-batches-py/batches.meta": meta}


def shared() -> list:
    """A list that takes 1 kB pickled, and a terabyte printed."""
    value = [0] * 100
    for _ in range(8):
        value = [value] * 100
    return value


HUGE_MEMO = b"\x80\x02}r\xff\xff\xff\x7f."  # numbers an object 2,147,483,647
HUGE_ARRAY = b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"."  # reserves a terabyte
CIFAR = {
    "labels of no class": (cifar10_with(labels=[3] * 10), "holds the label 3"),
    "negative label": (cifar10_with(labels=[-1] * 10), "holds the label -1"),
    "too few labels": (cifar10_with(labels=[0]), "does not hold 1 images"),
    "other images": (cifar10_with(data=np.zeros((10, 5), np.uint8)), "does not hold 10"),
    "floats": (cifar10_with(data=np.zeros((10, 3072))), "does not hold 10"),
    "signed bytes": (cifar10_with(data=np.zeros((10, 3072), np.int8)), "does not hold 10"),
    "a column each": (cifar10_with(data=np.zeros((3072, 10), np.uint8)), "does not hold 10"),
    "no array": (cifar10_with(data=[1, 2]), "lacks data or labels"),
    "too few bytes": (
        {
            name: content.replace(b"K\x05M\x00\x0c", b"K\x0aM\x00\x0c")  # claims ten rows
            for name, content in cifar10_with(data=thumbnails(5).reshape(5, -1)).items()
        },
        "does not hold 10 images",
    ),
    "no batch": (without(cifar10_with(), "batch_3"), "lacks data_batch_3"),
    "a batch twice": (
        cifar10_with() | {"other/test_batch": cifar10_with()["cifar-10-batches-py/test_batch"]},
        "'test_batch' stands twice",
    ),
    "cut pickle": (
        {name: content[:-50] for name, content in cifar10_with().items()},
        "is not a readable pickle",
    ),
    "pickle that claims memory": (with_pickle(HUGE_MEMO), "numbers an object 2,147,483,647"),
    "pickle that claims a terabyte": (with_pickle(HUGE_ARRAY), "is not a readable pickle"),
    "pickle of a newer Python": (with_pickle(pickle.dumps({}, 4)), "which Python 2 did not write"),
    "pickle without end": (with_pickle(b"\x80\x02" + b"(" * 1000), "is not a readable pickle"),
    "other classes": (
        cifar10_files(thumbnails(60), [n % 3 for n in range(60)], ("cat", "dog", "cow")),
        "names the class 2 'cow', expected 'owl'",
    ),
    "classes too few": (with_meta([b"cat"]), "names 1 classes, expected 3"),
    "class names shared eight levels deep": (with_meta(shared()), "holds no list of class names"),
    "class names that are numbers": (with_meta([1, 2, 3]), "holds no list of class names"),
    "class name without end": (with_meta([b"a" * 101]), "holds no list of class names"),
    "huge label": (cifar10_with(labels=[10**5000] * 10), "holds a label that is no small number"),
    "label shared eight levels deep": (
        cifar10_with(labels=[shared()] * 10),
        "holds a label that is no small number",
    ),
}
CIFAR100 = {
    "no test": (
        without(cifar100_files(thumbnails(30), thumbnails(9), [0, 1, 2] * 10), "/test"),
        "lacks test",
    ),
    "labels of no class": (
        cifar100_files(thumbnails(30), thumbnails(9), [0, 1, 2] * 9 + [0, 1, 100]),
        "holds the label 100",
    ),
}


# ---------------------------------------------------------------- SVHN

LABELS = np.arange(30, dtype=np.uint8) % 3 + 1
GOOD = mat(thumbnails(30), LABELS)


def train_is(content: bytes) -> Files:
    return svhn_files() | {"train_32x32.mat": content}


def element(kind: int, content: bytes) -> bytes:
    padding = b"" if kind == 15 else bytes(-len(content) % 8)
    return struct.pack("<II", kind, len(content)) + content + padding


def array(name: bytes, shape: tuple, values: bytes, array_class: int = 9, size=None) -> bytes:
    """A MATLAB array by hand: flags, extents, name, values; `size` is what it claims to hold."""
    size = len(values) if size is None else size
    parts = element(6, struct.pack("<II", array_class, 0))
    parts += element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name)
    return element(14, parts + struct.pack("<II", 2, size) + values + bytes(-len(values) % 8))


def mat_of(*elements: bytes) -> bytes:
    return GOOD[:128] + b"".join(elements)


Y = array(b"y", (30, 1), LABELS.tobytes())
BOMB = element(15, zlib.compress(array(b"X", (32, 32, 3, 30), bytes(5_000_000))))
MAT = {
    "text": (train_is(b"<html>" * 100), "not a MATLAB 5 file"),
    "too short": (train_is(GOOD[:100]), "fewer bytes than it says"),
    "hdf5 in disguise": (
        train_is(GOOD[:128].replace(b"5.0", b"7.3") + b"\x89HDF\r\n\x1a\n" + bytes(512)),
        "not a MATLAB 5 file: it begins with b'MATLAB 7.3",
    ),
    "other byte order": (train_is(GOOD[:124] + b"\x01\x00MI" + GOOD[128:]), "not a MATLAB 5 file"),
    "cut": (train_is(GOOD[:-500]), "lacks the variable y"),
    "corrupted": (train_is(GOOD[:400] + bytes(50) + GOOD[450:]), "MATLAB 5 file"),
    "no labels": (
        train_is(mat_of(array(b"X", (32, 32, 3, 30), bytes(92160)))),
        "lacks the variable y",
    ),
    "no images": (train_is(mat_of(Y)), "lacks the variable X"),
    "label 0": (train_is(mat(thumbnails(30), LABELS - 1)), "holds the label 0, expected 1 to 3"),
    "label too large": (train_is(mat(thumbnails(30), LABELS + 1)), "holds the label 4"),
    "label between": (train_is(mat(thumbnails(30), LABELS + 0.5)), "holds the label 1.5"),
    "label no number": (train_is(mat(thumbnails(30), LABELS * np.nan)), "holds the label nan"),
    "more labels than images": (
        train_is(mat(thumbnails(29), LABELS)),
        "variable X has the shape",
    ),
    "images of floats": (train_is(mat(thumbnails(30) / 2, LABELS)), "type float64"),
    "other size": (train_is(mat(random_images(30, size=9), LABELS)), "shape (9, 9, 3, 30)"),
    "grey": (
        train_is(mat(thumbnails(30)[:, :1], LABELS)),
        "variable X has the shape (32, 32, 1, 30)",
    ),
    "text for labels": (train_is(mat(thumbnails(30), LABELS, y=["a"] * 30)), "plain arrays"),
    "object": (train_is(mat(thumbnails(30), LABELS, y={"a": 1})), "plain arrays"),
    "complex": (train_is(mat(thumbnails(30), LABELS * 1j)), "plain arrays"),
    "claims more than it holds": (
        train_is(mat_of(array(b"X", (32, 32, 3, 30), bytes(100), size=92160), Y)),
        "fewer bytes than it says",
    ),
    "claims a terabyte": (
        train_is(mat_of(Y, array(b"X", (32, 32, 3, 2**31 - 1), bytes(9)))),
        "says it has 9 bytes",
    ),
    "labels without end": (
        train_is(mat_of(array(b"y", (10_000, 1), bytes(10_000)))),
        "says it holds 10,000 labels, expected 325 at most",
    ),
    "negative extent": (train_is(mat_of(array(b"y", (-30, -1), bytes(30)))), "plain array"),
    "long name": (train_is(mat_of(array(b"y" * 300, (1, 1), b"1"))), "header is damaged"),
    "bomb": (train_is(mat_of(BOMB, Y)), "says it has 5,000,000 bytes"),
    "bomb of true shape": (
        train_is(mat(thumbnails(326) * 0, np.resize(LABELS, 326))),
        "says it holds 326 labels, expected 325 at most",
    ),
    "nested compression": (
        train_is(mat_of(element(15, zlib.compress(element(15, b""))))),
        "element of type 15",
    ),
}


# ---------------------------------------------------------------- IDX

GREY = random_images(30)[:, 0]
GREYS = idx_files(GREY, GREY[:12])


def idx_header(*shape: int, magic: bytes = b"\0\0\x08\x03") -> bytes:
    return magic + struct.pack(f">{len(shape)}I", *shape)


def images_are(content: bytes) -> Files:
    return GREYS | {"train-images-idx3-ubyte.gz": gzip.compress(content)}


IDX = {
    "claims more images than it holds": (
        images_are(idx_header(30, 8, 8) + GREY[:29].tobytes()),
        "fewer bytes than it says",
    ),
    "claims 274 GB": (
        images_are(idx_header(2**32 - 1, 8, 8)),
        "says it holds 274,877,906,880 bytes",
    ),
    "holds more than it claims": (
        images_are(idx_header(30, 8, 8) + GREY.tobytes() + b"!"),
        "more bytes than its header says",
    ),
    "bomb": (images_are(idx_header(30, 8, 8) + bytes(5_000_000)), "more bytes than its header"),
    "images of no pixel": (images_are(idx_header(30, 0, 0)), "its extents are (30, 0, 0)"),
    "no labels": (
        GREYS | {"train-labels-idx1-ubyte.gz": idx(np.zeros(0, np.uint8))},
        "its extents are (0,)",
    ),
    "other count than labels": (images_are(idx_header(29, 8, 8)), "29 images, there are 30 labels"),
    "other type": (images_are(idx_header(30, 8, 8, magic=b"\0\0\x0d\x03")), "begins with 00000d03"),
    "text": (images_are(b"<html>"), "begins with 3c68746d"),
    "empty": (images_are(b""), "fewer bytes than it says"),
    "no gzip": (GREYS | {"train-images-idx3-ubyte.gz": b"<html>"}, "not a gzipped IDX file"),
    "cut gzip": (
        GREYS | {"train-images-idx3-ubyte.gz": GREYS["train-images-idx3-ubyte.gz"][:-50]},
        "truncated",
    ),
    "not square": (images_are(idx_header(30, 8, 7)), "images of 7x8, which do not fit 8x8"),
    "too large": (images_are(idx_header(30, 10, 10)), "images of 10x10, which do not fit"),
    "label of no class": (
        GREYS | {"train-labels-idx1-ubyte.gz": idx(np.full(30, 3, np.uint8))},
        "holds the label 3",
    ),
    "labels: claims more than it holds": (
        GREYS
        | {
            "train-labels-idx1-ubyte.gz": gzip.compress(
                idx_header(999_999, magic=b"\0\0\x08\x01") + bytes(30)
            )
        },
        "fewer bytes than it says",
    ),
}


# ---------------------------------------------------------------- STL-10

STL = stl10_files(random_images(9, size=96), random_images(6, size=96))


def stl_with(name: str, content: bytes) -> Files:
    return STL | {f"stl10_binary/{name}": content}


STL10 = {
    "label 0": (stl_with("train_y.bin", bytes(9)), "holds the label 0, expected 1 to 3"),
    "label too large": (stl_with("test_y.bin", b"\x01\x02\x03\x01\x02\x04"), "holds the label 4"),
    "fewer images than labels": (
        stl_with("train_X.bin", STL["stl10_binary/train_X.bin"][:-1]),
        "does not hold 9 images of 96x96",
    ),
    "no labels": (without(STL, "train_y"), "lacks train_y.bin"),
    "no images": (without(STL, "test_X"), "lacks test_X.bin"),
    "other classes": (stl_with("class_names.txt", b"cat\ndog\ncow\n"), "names the classes"),
    "bomb behind the images": (stl_with("z.bin", bytes(4_000_000)), "more than 3,000,000 bytes"),
}


# ---------------------------------------------------------------- CUB-200-2011

PHOTOGRAPHS = [encoded(image, "PNG") for image in random_images(18, size=12)]
BOXES = [(1, 2, 8, 9)] * 18


def cub(**changes) -> Files:
    return cub_files(PHOTOGRAPHS, BOXES, **changes)


def lines(count: int, value) -> bytes:
    return "".join(f"{n} {value}\n" for n in range(1, count + 1)).encode()


def png_that_claims(side: int) -> bytes:
    """A small file with another size in its header."""
    small, header = image_bytes("RGB", (8, 8)), b"IHDR" + struct.pack(">II", side, side)
    header += small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


FIRST = "CUB_200_2011/images/001.cat/0000.jpg"
BIRDS = {
    "label 0": (cub(image_class_labels=lines(18, 0)), "holds the label 0, expected 1 to 3"),
    "label too large": (cub(image_class_labels=lines(18, 4)), "holds the label 4"),
    "label no number": (cub(image_class_labels=lines(18, "x")), "line 1: cannot be read: 1 x"),
    "split no number": (cub(train_test_split=lines(18, 2)), "'train_test_split.txt', line 1"),
    "box of three numbers": (
        cub(bounding_boxes=lines(18, "1 2 3")),
        "'bounding_boxes.txt', line 1",
    ),
    "box not finite": (cub(bounding_boxes=lines(18, "1 2 nan 3")), "'bounding_boxes.txt', line 1"),
    "box of no area": (cub(bounding_boxes=lines(18, "1 2 0 3")), "'bounding_boxes.txt', line 1"),
    "box outside": (cub(bounding_boxes=lines(18, "50 2 9 9")), "for an image of 12x12"),
    "a box too few": (
        cub(bounding_boxes=lines(17, "1 2 3 4")),
        "tables that list different images",
    ),
    "an image listed twice": (
        cub(images=lines(18, "001.cat/0000.jpg")),
        "'images.txt' lists an image twice",
    ),
    "a number twice": (cub(images=b"1 a.jpg\n1 b.jpg\n"), "line 2: number 1 stands twice"),
    "no table": (without(cub(), "bounding"), "lacks bounding_boxes.txt"),
    "an image missing": (without(cub(), "0004.jpg"), "lacks 1 images that it lists"),
    "table too large": (
        cub(images=b"1 a.jpg\n" + bytes(1 << 22)),
        "'CUB_200_2011/images.txt' has 4,194,312 bytes, too many",
    ),
    "other classes": (cub(classes=b"1 001.cat\n2 002.dog\n3 003.cow\n"), "names the classes"),
    "half an image": (cub() | {FIRST: PHOTOGRAPHS[0][:-200]}, f"'{FIRST}' is not a whole"),
    "image of 25 megapixels": (
        cub() | {FIRST: png_that_claims(5_000)},
        f"'{FIRST}' is 5000x5000 RGB, expected 16,777,216 pixels at most",
    ),
    "image of 144 megapixels": (cub() | {FIRST: png_that_claims(12_000)}, "16,777,216 pixels"),
    "image of a gigapixel": (
        cub() | {FIRST: png_that_claims(32_768)},
        f"'{FIRST}' is not a whole",
    ),
    "palette": (cub() | {FIRST: image_bytes("P", (12, 12))}, "is 12x12 P, expected RGB or grey"),
}

REFUSED = {
    f"{decoder}: {case}": (decoder, tar(files) if decoder not in ("svhn", "idx") else files, reason)
    for decoder, cases in (
        ("class-folders", TAR),
        ("cifar-python", CIFAR),
        ("cifar100-python", CIFAR100),
        ("svhn", MAT),
        ("idx", IDX),
        ("stl10", STL10),
        ("cub", BIRDS),
    )
    for case, (files, reason) in cases.items()
} | {"class-folders: headers without end": ("class-folders", headers_without_end(), "header")}


# ---------------------------------------------------------------- refused


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_line_and_nothing_touched(tmp_path, monkeypatch, recwarn, case):
    decoder, files, reason = REFUSED[case]
    workplace = tmp_path / "workplace"
    prepared(workplace / "out", tar(class_folder_files(6, 1)), "class-folders")
    downloads = put(workplace / "bad", files)
    before = contents(tmp_path)
    monkeypatch.chdir(workplace)
    with pytest.raises(AibError) as caught:
        prepare("bad", entry(files, decoder, **FIELDS[decoder]), downloads, workplace / "out")
    message = str(caught.value)
    assert message.startswith(f"{downloads}/")
    assert reason in message
    assert "fetch it again, or correct the dataset's entry" in message
    assert "\n" not in message
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == {"workplace"}
    assert {path.name for path in workplace.iterdir()} == {"out", "out-downloads", "bad"}
    assert not recwarn.list  # a warning would be a second line


def test_the_same_files_are_accepted_when_sound(tmp_path):
    """Or else the cases above could be refused for another reason than the one they try."""
    sound = {
        "class-folders": tar(FOLDERS),
        "cifar-python": tar(cifar10_with()),
        "cifar100-python": tar(cifar100_files(thumbnails(30), thumbnails(9), [0, 1, 2] * 10)),
        "svhn": train_is(mat_of(Y, array(b"X", (32, 32, 3, 30), bytes(92160)))),
        "idx": GREYS,
        "stl10": tar(STL),
        "cub": tar(cub()),
    }
    for decoder, files in sound.items():
        assert prepared(tmp_path / decoder, files, decoder, **FIELDS[decoder]).train is not None


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_every_format_are_accepted(tmp_path, format_):
    """Long names and global headers included, with one block of zeros at the end or many."""
    long = "top/" + "a/" * 90 + "x"
    buffer = io.BytesIO()
    options = {"pax_headers": {"comment": "who packed it"}} if format_ == tarfile.PAX_FORMAT else {}
    with tarfile.open(fileobj=buffer, mode="w", format=format_, **options) as archive:
        for member, content in [*FOLDERS, plain(long, b"1"), plain("top/last", b"2")]:
            archive.addfile(member, io.BytesIO(content))
        blocks = buffer.tell()
    for end in (blocks + 512, None):
        files = {"archive.tar.gz": gzip.compress(buffer.getvalue()[:end] + bytes(end or 0))}
        prepared(tmp_path / "out", files, "class-folders")
    files = {"archive.tar.gz": gzip.compress(buffer.getvalue()[: blocks + 512])}
    assert len(prepared(tmp_path / "out", files, "class-folders").test.labels) == 15


# ---------------------------------------------------------------- code


class Evil:
    """A pickle of this runs a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_that_runs_code_is_refused_unrun(tmp_path):
    evil = python2_pickle({"data": Evil(f"touch {tmp_path}/run")})
    pickle.loads(evil)  # it does run where it is let
    (tmp_path / "run").unlink()
    for name in ("data_batch_1", "batches.meta"):
        files = cifar10_with() | {f"cifar-10-batches-py/{name}": evil}
        with pytest.raises(AibError, match=r"would call \w+\.system"):
            prepared(tmp_path / "out", tar(files), "cifar-python")
        assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- memory


BOMB_BYTES = 100_000_000
SHIPPED_LIMIT = 400_000_000  # unpacked_limit of most entries: the bombs are smaller
LONG_Y = array(b"y", (BOMB_BYTES, 1), bytes(BOMB_BYTES))
LONG_LABELS = idx_header(BOMB_BYTES, magic=b"\0\0\x08\x01") + bytes(BOMB_BYTES)
COUNTS = {"train": 30, "test": 12}


def header_bomb(kind: bytes) -> Files:
    """A header of 100 MB."""
    member, content = plain("top/x", bytes(BOMB_BYTES))
    member.type = kind
    return tar([*FOLDERS, (member, content)])


def many_headers(kind: bytes) -> Files:
    """Headers of 1 MB each, a hundred times."""
    member, content = plain("top/x", b"1000000 a=".ljust(999_999) + b"\n")
    member.type = kind
    return tar([*FOLDERS, *[(member, content)] * 100])


def list_of_holes() -> Files:
    """A sparse file whose list of holes has no end."""
    member, content = plain("top/x", (b"9" * 8 + b"\n0\n" * 200_000).ljust(BOMB_BYTES, b"0"))
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    return tar([*FOLDERS, (member, content)])


BOMBS = {
    "svhn": ("svhn", lambda: train_is(mat_of(element(15, zlib.compress(LONG_Y, 1)))), "labels"),
    "idx": ("idx", lambda: images_are(idx_header(30, 8, 8) + bytes(BOMB_BYTES)), "more bytes"),
    "idx labels": (
        "idx",
        lambda: GREYS | {"train-labels-idx1-ubyte.gz": gzip.compress(LONG_LABELS, 1)},
        "expected 42 at most",
    ),
    "image": ("class-folders", lambda: tar([plain(CAT, bytes(BOMB_BYTES))]), "too many"),
    "pax header": ("class-folders", lambda: header_bomb(tarfile.XHDTYPE), "holds a header of"),
    "global header": ("class-folders", lambda: header_bomb(tarfile.XGLTYPE), "holds a header of"),
    "long name": ("class-folders", lambda: header_bomb(tarfile.GNUTYPE_LONGNAME), "holds a header"),
    "long link": ("class-folders", lambda: header_bomb(tarfile.GNUTYPE_LONGLINK), "holds a header"),
    "many headers": ("class-folders", lambda: many_headers(tarfile.XHDTYPE), "holds a header of"),
    "many globals": ("class-folders", lambda: many_headers(tarfile.XGLTYPE), "holds a header of"),
    "list of holes": ("class-folders", list_of_holes, "not a plain file"),
    "photograph": ("cub", lambda: tar(cub() | {FIRST: png_that_claims(12_000)}), "pixels at most"),
    "table": ("cub", lambda: tar(cub(classes=bytes(BOMB_BYTES))), "classes.txt' has 100,000,000"),
    "stl10 labels": ("stl10", lambda: tar(stl_with("train_y.bin", bytes(BOMB_BYTES))), "too many"),
    "pickle": ("cifar-python", lambda: tar(with_pickle(HUGE_MEMO)), "numbers an object"),
    "class names": ("cifar-python", lambda: tar(with_meta(shared())), "no list of class names"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, bomb):
    decoder, make, reason = BOMBS[bomb]
    files = make()
    fields = FIELDS[decoder] | {"unpacked_limit": SHIPPED_LIMIT}
    if decoder == "idx":
        fields |= {"counts": COUNTS}
    assert sum(map(len, files.values())) < 2_500_000
    tracemalloc.start()
    try:
        with pytest.raises(AibError, match=reason):
            prepared(tmp_path / "out", files, decoder, **fields)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_file_too_large_for_memory_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "LARGEST_IN_MEMORY", 200)
    with pytest.raises(AibError, match=r"data_batch_1' has \d\d,\d+ bytes, too many"):
        prepared(tmp_path / "out", tar(cifar10_with()), "cifar-python")


# ---------------------------------------------------------------- damaged on the way


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path, kept):
    content = tar(class_folder_files())["archive.tar.gz"]
    cut = content[: kept if isinstance(kept, int) else int(kept * len(content))]
    with pytest.raises(AibError, match=r"archive\.tar\.gz: truncated.*fetch it again"):
        prepared(tmp_path / "out", {"archive.tar.gz": cut}, "class-folders")
    assert not (tmp_path / "out").exists()


def damaged_tar(change) -> Files:
    """Class folders, with the unpacked bytes changed and packed again."""
    content = bytearray(gzip.decompress(tar(FOLDERS)["archive.tar.gz"]))
    return {"archive.tar.gz": gzip.compress(bytes(change(content)))}


def middle_header(content: bytearray) -> int:
    return content.index(FOLDERS[40][0].name.encode())


def broken_header(content: bytearray) -> bytearray:
    content[middle_header(content) + 1] ^= 0xFF
    return content


def zeroed_header(content: bytearray) -> bytearray:
    start = middle_header(content)
    content[start : start + 512] = bytes(512)
    return content


def end_of_members(content: bytearray) -> int:
    last = content.index(FOLDERS[-1][0].name.encode())
    return last + 512 + -(-len(FOLDERS[-1][1]) // 512) * 512


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (broken_header, "holds a damaged header"),
        (zeroed_header, "holds a damaged header"),
        (lambda content: content + b"more".ljust(512), "holds a damaged header"),
        (lambda content: content[: end_of_members(content)], "truncated"),
        (lambda content: content[: middle_header(content)], "truncated"),
        (lambda content: content[: middle_header(content) + 100], "truncated"),
    ],
)
def test_an_archive_that_ends_too_early_is_refused(tmp_path, change, reason):
    with pytest.raises(AibError, match=rf"archive\.tar\.gz: {reason}.*fetch it again"):
        prepared(tmp_path / "out", damaged_tar(change), "class-folders")


@pytest.mark.parametrize("size", ["-5", "-100000"])
def test_a_size_below_nothing_is_refused(tmp_path, size):
    def claimed(content: bytearray) -> bytes:
        start = middle_header(content)
        record = b"%d size=%s\n" % (len(f"10 size={size}\n"), size.encode())
        extended = tarfile.TarInfo("pax")
        extended.type, extended.size = tarfile.XHDTYPE, len(record)
        return content[:start] + extended.tobuf() + record.ljust(512, b"\0") + content[start:]

    with pytest.raises(AibError, match=rf"archive\.tar\.gz: .*{int(size):,} bytes.*fetch it again"):
        prepared(tmp_path / "out", damaged_tar(claimed), "class-folders")


def test_corrupted_compression_is_refused(tmp_path):
    content = bytearray(tar(class_folder_files())["archive.tar.gz"])
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(AibError, match="fetch it again"):
        prepared(tmp_path / "out", {"archive.tar.gz": bytes(content)}, "class-folders")


def test_something_else_under_the_name_is_refused(tmp_path):
    for content in (b"<html>", gzip.compress(b"<html>" * 1000)):
        with pytest.raises(AibError, match="not a gzipped tar archive"):
            prepared(tmp_path / "out", {"archive.tar.gz": content}, "class-folders")


def test_a_file_other_than_the_declared_one_is_refused(tmp_path):
    files = svhn_files()
    dataset = entry(files, "svhn")
    downloads = put(tmp_path / "downloads", files | {"test_32x32.mat": b"changed"})
    checksum = dataset.files[1].checksum
    with pytest.raises(AibError, match=rf"test_32x32\.mat: expected {checksum}, found sha256:"):
        prepare("a", dataset, downloads, tmp_path / "out")
    (downloads / "test_32x32.mat").unlink()
    with pytest.raises(AibError, match=r"test_32x32\.mat: no such file; run: aib data fetch a$"):
        prepare("a", dataset, downloads, tmp_path / "out")


@pytest.mark.parametrize("decoder", ["svhn", "idx"])
def test_files_that_the_format_does_not_know_are_refused(tmp_path, decoder):
    with pytest.raises(AibError, match=r"params/datasets\.yaml: decoder \w+ reads .*; found x"):
        prepared(tmp_path / "out", {"x": b""}, decoder)


# ---------------------------------------------------------------- local folders


def folder_dataset(folder: Path) -> FolderDataset:
    values = {"kind": "folder", "folder": str(folder), "classes": CLASSES, "image_size": SIZE}
    return FolderDataset(**values, horizontal_flip=True)


def local_folder(folder: Path) -> Path:
    for name, content in class_folder_files(6, 1, top="").items():
        put((folder / name).parent, {name.rsplit("/", 1)[-1]: content})
    return folder


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("train/cat/x.jpg", lambda path: path.symlink_to("/etc/passwd"), "not a plain file"),
        ("train/all", lambda path: path.symlink_to("/"), "not a plain file"),
        ("train/cat/pipe.jpg", os.mkfifo, "not a plain file"),
        ("train/cow", lambda path: put(path, {"0.jpg": b""}), "none of the declared class"),
        ("train/cat/x.jpg", lambda path: path.write_bytes(b"<html>"), "is not a whole JPEG"),
    ],
)
def test_a_local_folder_is_not_trusted_either(tmp_path, name, make, reason):
    folder = local_folder(tmp_path / "mine")
    make(folder / name)
    with pytest.raises(AibError, match=f"{folder}: .*{reason}.*; correct what it holds, or"):
        prepare("mine", folder_dataset(folder), tmp_path, tmp_path / "out")


def test_a_local_folder_that_is_not_there(tmp_path):
    with pytest.raises(AibError, match="nowhere: no such folder; correct"):
        prepare("mine", folder_dataset(tmp_path / "nowhere"), tmp_path, tmp_path / "out")


def test_a_local_folder_without_a_class(tmp_path):
    folder = local_folder(tmp_path / "mine")
    for path in (folder / "test/owl").iterdir():
        path.unlink()
    with pytest.raises(AibError, match=f"{folder}: no test image of class 'owl'; correct what"):
        prepare("mine", folder_dataset(folder), tmp_path, tmp_path / "out")


def test_entries_that_cannot_be():
    sound = entry(svhn_files(), "svhn").model_dump(mode="json")
    one_file = {"files": sound["files"][:1]}
    for change, said in (
        ({"decoder": "cub"}, "'box' is needed"),
        ({"box": "crop"}, "'box' is needed"),
        ({"decoder": "stl10"}, "decoder: stl10 reads one file, 'files' names 2"),
        ({"files": sound["files"][:1] * 2}, "names a file twice"),
        ({"classes": ["a", "a"]}, "a class stands twice"),
        ({"image_size": 28}, "decoder: svhn needs image_size: 32"),
        (one_file | {"decoder": "cifar-python", "image_size": 8}, "needs image_size: 32"),
        (one_file | {"decoder": "cifar100-python", "image_size": 96}, "needs image_size: 32"),
        (one_file | {"decoder": "stl10"}, "stl10 needs image_size: 96 or resize: true"),
        (
            one_file | {"decoder": "cub", "box": "crop", "resize": True},
            "cub always scales to image_size; drop 'resize'",
        ),
        ({"resize": True}, "decoder: svhn scales no image; drop 'resize'"),
        ({"decoder": "idx", "resize": True}, "decoder: idx scales no image; drop 'resize'"),
        (one_file | {"decoder": "cifar-python", "resize": True}, "scales no image"),
    ):
        with pytest.raises(ValueError, match=said):
            ArchiveDataset.model_validate(sound | change, strict=False)
