"""Every format decoded right, from small files written by the formats' own libraries."""

import io

import numpy as np
import pytest
from archives import (
    CLASSES,
    CLUTTER,
    CUB,
    cifar10_files,
    cifar10_with,
    cifar100_files,
    class_folder_files,
    cub_files,
    decoded,
    encoded,
    idx_files,
    mat,
    prepared,
    put,
    random_images,
    stl10_files,
    svhn_files,
    tar,
    thumbnails,
)
from PIL import Image
from scipy.io import loadmat, savemat

from aib.data.clutter import generate
from aib.data.prepared import PreparedData, load
from aib.data.preparing import prepare
from aib.errors import AibError
from aib.params import FolderDataset


def labelled(*splits) -> set[tuple[bytes, int]]:
    """The examples of splits, whatever their order."""
    return {
        (image.tobytes(), int(label))
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    }


def examples(images, labels) -> set[tuple[bytes, int]]:
    return {(image.tobytes(), label) for image, label in zip(images, labels, strict=True)}


def check(data: PreparedData, train, train_labels, test, test_labels) -> None:
    """The data are these images with these labels, none more and none twice."""
    assert labelled(data.train, data.validation) == examples(train, train_labels)
    assert labelled(data.test) == examples(test, test_labels)
    assert len(data.train.labels) + len(data.validation.labels) == len(train_labels)
    assert len(data.test.labels) == len(test_labels)
    assert data.train.images.dtype == data.train.labels.dtype == np.uint8


IN_TURN = [number % 3 for number in range(60)]


# ---------------------------------------------------------------- CIFAR


def test_cifar10(tmp_path):
    images = thumbnails(60)
    files = cifar10_files(images, IN_TURN)
    assert b"cnumpy.core.multiarray\n_reconstruct" in files["cifar-10-batches-py/test_batch"]
    data = prepared(tmp_path / "out", tar(files), "cifar-python")
    check(data, images[:50], IN_TURN[:50], images[50:], IN_TURN[50:])
    assert data.classes == list(CLASSES)


def test_cifar100_has_its_fine_labels(tmp_path):
    images = thumbnails(60)
    files = cifar100_files(images[:42], images[42:], IN_TURN)
    data = prepared(tmp_path / "out", tar(files), "cifar100-python")
    check(data, images[:42], IN_TURN[:42], images[42:], IN_TURN[:18])


def test_cifar_arrays_stored_column_by_column(tmp_path):
    pixels = thumbnails(10, seed=1)
    files = cifar10_with(data=np.asfortranarray(pixels.reshape(10, -1)))
    data = prepared(tmp_path / "out", tar(files), "cifar-python")
    assert examples(pixels, [0] * 10) <= labelled(data.train, data.validation)


# ---------------------------------------------------------------- SVHN


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("label_type", [np.uint8, np.float64])
def test_svhn_with_the_last_label_for_the_digit_0(tmp_path, compressed, label_type):
    train, test = thumbnails(30), thumbnails(15, seed=1)
    labels = np.arange(1, 31).astype(label_type) % 3 + 1
    files = {
        "train_32x32.mat": mat(train, labels, compressed),
        "test_32x32.mat": mat(test, labels[:15], compressed),
    }
    data = prepared(tmp_path / "out", files, "svhn")
    expected = [int(label) % 3 for label in labels]
    check(data, train, expected, test, expected[:15])
    found = loadmat(io.BytesIO(files["train_32x32.mat"]))  # SciPy reads the same
    assert (found["X"].transpose(3, 2, 0, 1) == train).all()


def test_svhn_extra_joins_train(tmp_path):
    more = thumbnails(12, seed=2)
    labels = np.array([1, 2, 3] * 4, np.uint8)
    files = svhn_files() | {"extra_32x32.mat": mat(more, labels)}
    data = prepared(tmp_path / "out", files, "svhn")
    assert len(data.train.labels) + len(data.validation.labels) == 42
    assert examples(more, [1, 2, 0] * 4) <= labelled(data.train, data.validation)


def test_svhn_variables_in_any_order_and_among_others(tmp_path):
    labels = np.arange(1, 31, dtype=np.uint8) % 3 + 1
    one = mat(thumbnails(30), labels)
    buffer = io.BytesIO(one)
    content = {k: v for k, v in loadmat(buffer).items() if not k.startswith("_")}
    content = {"other": np.eye(3), "y": content["y"], "more": np.arange(5), "X": content["X"]}
    buffer = io.BytesIO()
    savemat(buffer, content)
    a = prepared(tmp_path / "a", svhn_files() | {"train_32x32.mat": one}, "svhn")
    b = prepared(tmp_path / "b", svhn_files() | {"train_32x32.mat": buffer.getvalue()}, "svhn")
    assert a.digest == b.digest


# ---------------------------------------------------------------- STL-10

STL10 = {"image_size": 96, "unpacked_limit": 10_000_000}


@pytest.mark.parametrize("labels_first", [True, False])
def test_stl10(tmp_path, labels_first):
    train, test = random_images(18, size=96), random_images(9, seed=1, size=96)
    files = stl10_files(train, test)
    files = dict(sorted(files.items(), key=lambda item: ("y.bin" in item[0]) != labels_first))
    data = prepared(tmp_path / "out", tar(files), "stl10", **STL10)
    check(data, train, IN_TURN[:18], test, IN_TURN[:9])


def test_stl10_at_32_pixels_is_the_same_scaled(tmp_path):
    train, test = random_images(18, size=96), random_images(9, seed=1, size=96)
    fields = STL10 | {"image_size": 32, "resize": True}
    data = prepared(tmp_path / "out", tar(stl10_files(train, test)), "stl10", **fields)

    def small(image):
        scaled = Image.fromarray(image.transpose(1, 2, 0)).resize((32, 32), Image.BILINEAR)
        return np.asarray(scaled).transpose(2, 0, 1)

    check(data, [*map(small, train)], IN_TURN[:18], [*map(small, test)], IN_TURN[:9])


# ---------------------------------------------------------------- IDX

SIZE_PADDED = 12


def test_idx_grey_images_are_padded_with_black_and_tripled(tmp_path):
    train, test = random_images(30)[:, 0], random_images(12, seed=1)[:, 0]
    data = prepared(tmp_path / "out", idx_files(train, test), "idx", image_size=SIZE_PADDED)

    def padded(image):
        return np.stack([np.pad(image, (SIZE_PADDED - 8) // 2)] * 3)

    check(data, [*map(padded, train)], IN_TURN[:30], [*map(padded, test)], IN_TURN[:12])


def test_idx_images_of_the_declared_size_stay_as_they_are(tmp_path):
    train, test = random_images(30)[:, 0], random_images(12, seed=1)[:, 0]
    data = prepared(tmp_path / "out", idx_files(train, test), "idx")
    expected = {(np.stack([image] * 3).tobytes(), n % 3) for n, image in enumerate(test)}
    assert labelled(data.test) == expected


# ---------------------------------------------------------------- CUB-200-2011


def photographs() -> tuple[list[bytes], list[tuple]]:
    """Eighteen photographs of 60x40, one of them grey, with boxes."""
    images = np.random.RandomState(0).randint(0, 256, (18, 3, 40, 60), dtype=np.uint8)
    contents = [encoded(image, "PNG") for image in images]
    buffer = io.BytesIO()
    Image.fromarray(images[0, 0]).save(buffer, "PNG")
    contents[0] = buffer.getvalue()
    return contents, [(n, n + 2, 20 + n, 10 + n) for n in range(18)]


def is_train(number: int) -> bool:
    return number // 3 % 3 > 0


@pytest.mark.parametrize("tables_last", [True, False])
def test_cub_cropped_by_the_box(tmp_path, tables_last):
    contents, boxes = photographs()
    files = tar(cub_files(contents, boxes, tables_last))
    data = prepared(tmp_path / "out", files, "cub", **CUB, box="crop", image_size=16)

    def cropped(number):
        left, top, width, height = boxes[number]
        pixels = decoded(contents[number])[:, top : top + height, left : left + width]
        image = Image.fromarray(pixels.transpose(1, 2, 0)).resize((16, 16), Image.BILINEAR)
        return np.asarray(image).transpose(2, 0, 1)

    train = [n for n in range(18) if is_train(n)]
    test = [n for n in range(18) if not is_train(n)]
    check(
        data,
        [cropped(n) for n in train],
        [n % 3 for n in train],
        [cropped(n) for n in test],
        [n % 3 for n in test],
    )
    assert data.train.masks is None
    assert data.manifest["masks"] is False


def test_cub_whole_with_the_box_as_mask(tmp_path):
    contents, boxes = photographs()
    files = tar(cub_files(contents, boxes))
    data = prepared(tmp_path / "out", files, "cub", **CUB, box="mask", image_size=30)
    assert data.manifest["masks"] is True
    masks = {
        image.tobytes(): mask for image, mask in zip(data.test.images, data.test.masks, strict=True)
    }
    for number in (n for n in range(18) if not is_train(n)):
        photograph = Image.open(io.BytesIO(contents[number])).convert("RGB")
        image = np.asarray(photograph.resize((30, 30), Image.BILINEAR)).transpose(2, 0, 1)
        left, top, width, height = boxes[number]
        # The photograph has 60 x 40 pixels: half as many columns, three quarters of the rows.
        rows, columns = np.indices((30, 30))
        inside = (left <= 2 * columns + 1) & (2 * columns + 1 < left + width)
        inside &= (top <= (rows + 0.5) * 4 / 3) & ((rows + 0.5) * 4 / 3 < top + height)
        np.testing.assert_array_equal(masks[image.tobytes()], inside)


def test_cub_box_that_reaches_beyond_the_photograph_is_cut(tmp_path):
    contents, boxes = photographs()
    boxes = [(-3, -5, 100, 100)] * 18
    files = tar(cub_files(contents, boxes))
    data = prepared(tmp_path / "out", files, "cub", **CUB, box="crop", image_size=16)
    whole = Image.open(io.BytesIO(contents[0])).convert("RGB").resize((16, 16), Image.BILINEAR)
    assert np.asarray(whole).transpose(2, 0, 1).tobytes() in {i for i, _ in labelled(data.test)}


# ---------------------------------------------------------------- class folders


def check_class_folders(data: PreparedData, files: dict[str, bytes]) -> None:
    for split, parts in (("train", (data.train, data.validation)), ("test", (data.test,))):
        chosen = [name for name in files if f"{split}/" in name]
        images = [decoded(files[name]) for name in chosen]
        labels = [CLASSES.index(name.split("/")[-2]) for name in chosen]
        assert labelled(*parts) == examples(images, labels)
        assert sum(len(part.labels) for part in parts) == len(chosen)
    assert data.train.masks is None


def test_class_folders_in_an_archive(tmp_path):
    files = class_folder_files()
    others = {"top/README.md": b"hello", "top/LICENSE": b"free"}
    check_class_folders(prepared(tmp_path / "out", tar(files | others), "class-folders"), files)


def test_grey_images_in_class_folders_are_tripled(tmp_path):
    grey = random_images(1)[0, 0]
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    files = class_folder_files() | {"top/test/dog/grey.png": buffer.getvalue()}
    data = prepared(tmp_path / "out", tar(files), "class-folders")
    assert (np.stack([grey] * 3).tobytes(), 1) in labelled(data.test)


def local_folder(folder, files, **fields) -> FolderDataset:
    for name, content in files.items():
        put((folder / name).parent, {name.rsplit("/", 1)[-1]: content})
    values = {"kind": "folder", "folder": str(folder), "classes": CLASSES, "image_size": 8}
    return FolderDataset(**values | {"horizontal_flip": True} | fields)


def test_a_local_folder_of_something_else(tmp_path):
    dataset = local_folder(tmp_path / "mine", {"a/train/cat/0.jpg": b""})
    with pytest.raises(AibError, match=r"holds no train/CLASS.*first file is 'a/train/cat/0.jpg'"):
        prepare("mine", dataset, tmp_path / "none", tmp_path / "out")


def test_class_folders_in_a_local_folder(tmp_path):
    files = class_folder_files(top="")
    dataset = local_folder(tmp_path / "mine", files | {"notes.txt": b"hello"})
    prepare("mine", dataset, tmp_path / "none", tmp_path / "out")
    check_class_folders(load(tmp_path / "out"), files)
    archived = prepared(tmp_path / "archived", tar(class_folder_files()), "class-folders")
    assert load(tmp_path / "out").digest == archived.digest


def test_a_local_folder_of_images_of_any_size(tmp_path):
    files = {
        f"{split}/{name}/{number}.png": encoded(
            random_images(1, number)[0][:, :, : 8 - number], "PNG"
        )
        for split in ("train", "test")
        for name in CLASSES
        for number in range(3)
    }
    dataset = local_folder(tmp_path / "mine", files, resize=True, validation_share=0.2)
    prepare("mine", dataset, tmp_path / "none", tmp_path / "out")
    assert load(tmp_path / "out").test.images.shape == (9, 3, 8, 8)


# ---------------------------------------------------------------- generated


def test_clutter_with_masks(tmp_path):
    prepare("digits", CLUTTER, tmp_path, tmp_path / "out")
    data = load(tmp_path / "out")
    assert data.train.images.shape == (60, 3, 32, 32)
    assert data.test.masks.shape == (40, 32, 32)
    test = data.test
    for image, mask in zip(test.images, test.masks, strict=True):
        assert image[:, mask == 1].mean() > image[:, mask == 0].mean()  # masks moved along


def test_clutter_with_fragment_masks_and_sources(tmp_path):
    prepare("digits", CLUTTER, tmp_path, tmp_path / "out")
    data = load(tmp_path / "out")
    assert data.manifest["extras"] == ["fragment_masks", "sources"]
    made = generate(CLUTTER)["test"]
    numbers = {image.tobytes(): number for number, image in enumerate(made.images)}
    order = [numbers[image.tobytes()] for image in data.test.images]
    np.testing.assert_array_equal(data.test.fragment_masks, made.fragment_masks[order])
    np.testing.assert_array_equal(data.test.sources, made.digits[order])
    assert data.test.sources.dtype == np.int64
