"""The embedded data set: the same bytes everywhere, fair splits, true labels and masks."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from aib.data.clutter import _shuffled, _source_digits, generate
from aib.data.preparing import prepare
from aib.data.verifying import content_digest
from aib.evaluation import cells
from aib.evaluation.cells import pooled
from aib.evaluation.parts.localisation import controls
from aib.params import ClutterDataset, load

# SHA-256 of all arrays of cluttered-digits as params/datasets.yaml has it. It may change only
# together with that entry or the generator; then every figure in reports/ has to be made again.
DEFAULT_DIGEST = "sha256:96f7721c00bf731fb2fbb37db0c1cbd83d0aca2c5d28ca1fce5d5c5a8c7cf1f8"

IDENTITY = {
    **{"kind": "clutter", "image_size": 32, "train": 3000, "validation": 500, "test": 2000},
    **{"distractors": 3, "digit_sizes": [14, 14], "contrast": 120, "texture": 75},
    "generator_seed": 0,
}
PREPARED_DIGEST = "sha256:000ca08f89cdcb2b9f7f225649ba5b4844f90be5e63b952dab88cdec092607a3"
MANIFEST_SHA256 = "5266357d1426951366f228e2a1305447599a2b82c8e7b2c452389fdcce238cc6"


def dataset(**fields) -> ClutterDataset:
    values = load(Path(__file__).parents[2]).datasets["cluttered-digits"].model_dump()
    return ClutterDataset(**values | fields)


@cache
def default_splits():
    return generate(dataset())


@pytest.fixture(params=["train", "validation", "test"])
def split(request):
    return default_splits()[request.param]


def test_bytes_are_the_same_everywhere():
    arrays = {
        f"{name}_{field}": array
        for name, split in default_splits().items()
        for field, array in vars(split).items()
    }
    assert content_digest(arrays) == DEFAULT_DIGEST


def test_identity_and_prepared_bytes_are_the_same_everywhere(tmp_path):
    """Run keys hash the one, records name the other: neither may change by accident."""
    entry = load(Path(__file__).parents[2]).datasets["cluttered-digits"]
    assert entry.identity() == IDENTITY
    prepare("cluttered-digits", entry, tmp_path, tmp_path / "out")
    manifest = (tmp_path / "out" / "manifest.json").read_bytes()
    assert json.loads(manifest)["digest"] == PREPARED_DIGEST
    assert hashlib.sha256(manifest).hexdigest() == MANIFEST_SHA256


def test_sizes_and_types():
    for name, count in (("train", 3000), ("validation", 500), ("test", 2000)):
        split = default_splits()[name]
        assert split.images.shape == (count, 3, 32, 32)
        assert split.masks.shape == split.fragment_masks.shape == (count, 32, 32)
        assert split.fragments.shape == (count, 3)
        assert split.images.dtype == split.masks.dtype == split.fragment_masks.dtype == np.uint8


def test_splits_share_no_source_digit():
    used = {
        name: {*split.digits.tolist(), *split.fragments.ravel().tolist()}
        for name, split in default_splits().items()
    }
    assert not used["train"] & used["validation"]
    assert not used["train"] & used["test"]
    assert not used["validation"] & used["test"]
    shares = [len(used[name]) / 1797 for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


def test_no_source_digit_exists_twice():
    assert len(np.unique(load_digits().data, axis=0)) == 1797


def test_labels_are_true_and_balanced(split):
    np.testing.assert_array_equal(split.labels, load_digits().target[split.digits])
    counts = np.bincount(split.labels, minlength=10)
    assert counts.max() - counts.min() <= 1


def test_digits_of_a_class_are_equally_frequent(split):
    for label in range(10):
        counts = np.unique(split.digits[split.labels == label], return_counts=True)[1]
        assert counts.max() - counts.min() <= 1


def test_counts_that_do_not_divide_by_ten():
    split = generate(dataset(train=13, validation=7, test=1))
    assert [len(split[name].labels) for name in ("train", "validation", "test")] == [13, 7, 1]
    assert np.bincount(split["train"].labels).tolist() == [2, 2, 2] + [1] * 7


def test_masks_are_one_object_sized_region(split):
    assert set(np.unique(split.masks)) == {0, 1}
    covered = split.masks.mean(axis=(1, 2))
    assert covered.min() > 0.04
    assert covered.max() < 0.25
    for axis in (1, 2):
        present = split.masks.any(axis=3 - axis)
        extent = 32 - present.argmax(1) - present[:, ::-1].argmax(1)
        assert extent.max() <= 14 + 4  # the largest digit, its soft edge and the margin


def small_train(**fields):
    return generate(dataset(train=500, validation=1, test=1, **fields))["train"]


def test_without_clutter_the_mask_is_where_the_image_is_bright():
    split = small_train(distractors=0, texture=0, contrast=175)
    brightness = split.images.mean(axis=1)
    bright = brightness > np.median(brightness, axis=(1, 2), keepdims=True) + 60
    assert bright.any(axis=(1, 2)).all()
    assert not (bright & (split.masks == 0)).any()


def auroc(maps, masks) -> float:
    """Of maps (N, 32, 32) at the resolution of a network's, 8 x 8."""
    return of_cells(pooled(maps, 8), masks)


def of_cells(maps, masks) -> float:
    inside = cells.counts(masks, 8)
    outside = cells.areas(32, 8) - inside
    return float(cells.auroc(np.broadcast_to(maps, inside.shape), inside, outside).mean())


def test_neither_position_nor_brightness_shows_the_object():
    test, train = default_splits()["test"], default_splits()["train"]
    maps = controls(test, train.masks, np.ones((1, 8, 8)), 8)
    found = {name: of_cells(each, test.masks) for name, each in maps.items()}
    assert found["gaussian"] <= 0.60
    assert found["mean_mask"] <= 0.60
    assert 0.30 <= found["brightness"] <= 0.70
    assert found["true_mask"] >= 0.90
    brightness = test.images.mean(axis=1)
    contrast = np.abs(brightness - np.median(brightness, axis=(1, 2), keepdims=True))
    assert 0.30 <= auroc(contrast, test.masks) <= 0.70


def test_digits_lie_anywhere():
    masks = default_splits()["train"].masks
    assert masks.any(axis=(0, 1)).all()
    assert masks.any(axis=(0, 2)).all()
    centres = np.array([np.argwhere(mask).mean(axis=0) for mask in masks])
    assert centres.std(axis=0).min() > 6


def test_digits_and_fragments_are_equally_bright():
    """A digit's pixels rank nearly as high among fragments' as chance has it.

    Not quite: shuffled pixels lie apart, so the same ink has a larger mask and fainter edges.
    """
    split = default_splits()["test"]
    shares = []
    for image, digit, fragments in zip(
        split.images.mean(axis=1), split.masks, split.fragment_masks, strict=True
    ):
        either = (digit | fragments) == 1
        shares.append(roc_auc_score(digit[either], image[either]))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.08)


def test_fragments_have_the_ink_of_digits():
    glyphs, _ = _source_digits()
    shuffled = _shuffled(glyphs)
    np.testing.assert_array_equal(
        np.sort(shuffled.reshape(-1, 48)), np.sort(glyphs.reshape(-1, 48))
    )

    def of_neighbours(images):  # strokes are smooth, what is shuffled is not
        return np.corrcoef(images[:, :, 1:].ravel(), images[:, :, :-1].ravel())[0, 1]

    assert of_neighbours(glyphs) > 0.2
    assert abs(of_neighbours(shuffled)) < 0.1


def test_fragment_masks_lie_beside_the_digit(split):
    assert not (split.masks & split.fragment_masks).any()
    assert not small_train(distractors=0).fragment_masks.any()
    # Three that are as large as the digit, of which little is hidden.
    assert split.fragment_masks.mean() > 2.5 * split.masks.mean()


def test_test_images_do_not_depend_on_the_size_of_train():
    small = generate(dataset(train=100))
    for name in ("validation", "test"):
        np.testing.assert_array_equal(small[name].images, default_splits()[name].images)


def test_another_seed_gives_other_splits_and_images():
    small = {"train": 100, "validation": 10, "test": 10}
    one, two = (generate(dataset(generator_seed=seed, **small)) for seed in (0, 1))
    assert (one["train"].images != two["train"].images).mean() > 0.9
    assert set(one["test"].digits) != set(two["test"].digits)


def test_difficulty_has_its_effect():
    assert small_train(contrast=200).images.mean() > small_train(contrast=20).images.mean()
    assert small_train(texture=80).images.std() > small_train(texture=0).images.std()
    assert small_train(distractors=6).images.mean() > small_train(distractors=0).images.mean()
