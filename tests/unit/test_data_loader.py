"""The loader against the naive way, image by image, and its promises to the training loop."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import center_crop

from aib.data.augment import augmentation_plan, crop_and_flip
from aib.data.loader import Loader

MEAN, STD = (0.49, 0.48, 0.44), (0.24, 0.25, 0.26)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (count, 3, height, width), dtype=np.uint8)


def make_loader(count: int = 50, **options) -> Loader:
    return Loader(random_images(count), np.arange(count) % 10, MEAN, STD, **options)


def channels_last(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images.transpose(0, 2, 3, 1)).contiguous()


def naive(images: np.ndarray, indices, plan, padding: int, mode: str, size=None) -> np.ndarray:
    """Pad, slice, mirror: one image after the other."""
    size = size or images.shape[2]
    mode = {"reflect": "reflect", "zero": "constant"}[mode]
    results = []
    for index, (down, right, flip) in zip(indices, plan, strict=True):
        padded = np.pad(images[index], ((0, 0), (padding, padding), (padding, padding)), mode)
        top, left = padding + down, padding + right
        window = padded[:, top : top + size, left : left + size]
        results.append(window[:, :, ::-1] if flip else window)
    return np.stack(results)


# ---------------------------------------------------------------- augmentation


@given(
    sides=st.integers(3, 9).flatmap(lambda side: st.tuples(st.just(side), st.integers(1, side))),
    padding=st.integers(0, 2),
    mode=st.sampled_from(["reflect", "zero"]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_crop_and_flip_equals_pad_slice_mirror(sides, padding, mode, seed, data):
    side, size = sides
    images = random_images(6, side, side)
    indices = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    plan = augmentation_plan(len(indices), padding, side - size, True, generator(seed))
    result = crop_and_flip(channels_last(images), torch.tensor(indices), plan, mode, size)
    expected = naive(images, indices, plan.tolist(), padding, mode, size)
    np.testing.assert_array_equal(result.permute(0, 3, 1, 2), expected)
    assert result.dtype == torch.uint8


@pytest.mark.parametrize("mode", ["reflect", "zero"])
def test_every_offset_and_flip_equals_pad_slice_mirror(mode):
    every = [(d, r, f) for d in range(-4, 5) for r in range(-4, 5) for f in (0, 1)]
    images = random_images(len(every), 32, 32)
    pixels, indices = channels_last(images), np.arange(len(every))
    result = crop_and_flip(pixels, torch.tensor(indices), torch.tensor(every), mode, 32)
    expected = naive(images, indices, every, 4, mode)
    np.testing.assert_array_equal(result.permute(0, 3, 1, 2), expected)


def test_plan_is_uniform_over_offsets_and_flips():
    plan = augmentation_plan(81_000, 4, 0, True, generator())
    offsets, counts = torch.unique(plan[:, :2], dim=0, return_counts=True)
    assert len(offsets) == 81
    assert offsets.min() == -4
    assert offsets.max() == 4
    assert counts.min() > 1000 - 200  # six standard deviations
    assert counts.max() < 1000 + 200
    assert plan[:, 2].unique().tolist() == [0, 1]
    assert abs(plan[:, 2].double().mean() - 0.5) < 0.01
    flipped = plan[plan[:, 2] == 1].double()
    assert flipped[:, :2].mean(0).abs().max() < 0.1  # offsets and flips are independent


def test_no_flip_and_no_crop_unless_asked_for():
    assert augmentation_plan(1000, 4, 0, False, generator())[:, 2].sum() == 0
    assert augmentation_plan(1000, 0, 0, True, generator())[:, :2].abs().sum() == 0
    loader = make_loader()
    images, _ = loader.batch(torch.arange(50), loader.augmentation_plan(generator()))
    expected = torch.cat([batch for batch, _ in loader.evaluation_batches(16)])
    torch.testing.assert_close(images, expected, rtol=0, atol=0)


def test_a_smaller_crop_is_drawn_from_every_place_and_evaluation_takes_the_centre():
    loader = make_loader(4000, crop_size=5)
    plan = loader.augmentation_plan(generator())
    offsets = torch.unique(plan[:, :2], dim=0)
    assert len(offsets) == 16  # four places each way in images of eight pixels
    assert (offsets.min(), offsets.max()) == (0, 3)
    images, _ = loader.batch(torch.arange(4), plan)
    assert images.shape == (4, 3, 5, 5)
    (images, _), *_ = loader.evaluation_batches(10)
    central = center_crop(torch.tensor(random_images(10)), [5, 5]).double() / 255
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (MEAN, STD))
    torch.testing.assert_close(images.double(), (central - mean) / std, atol=1e-6, rtol=0)


# ---------------------------------------------------------------- loader


def test_batch_is_augmented_by_the_plan_of_each_image_and_normalised():
    loader = make_loader(crop_padding=2, horizontal_flip=True)
    plan = loader.augmentation_plan(generator())
    assert plan.amin(0).tolist() == [-2, -2, 0]
    assert plan.amax(0).tolist() == [2, 2, 1]
    indices = torch.tensor([7, 3, 3, 49])
    images, labels = loader.batch(indices, plan)
    pixels = naive(random_images(50), indices, plan[indices].tolist(), 2, "reflect")
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (MEAN, STD))
    np.testing.assert_allclose(images, (pixels / 255 - mean) / std, atol=1e-6)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.tolist() == [7, 3, 3, 9]
    assert labels.dtype == torch.int64


def test_padding_mode_is_passed_on():
    options = {"crop_padding": 2, "horizontal_flip": True}
    loaders = [make_loader(padding_mode=mode, **options) for mode in ("reflect", "zero")]
    plan = loaders[0].augmentation_plan(generator())
    one, two = (loader.batch(torch.arange(50), plan)[0] for loader in loaders)
    assert not torch.equal(one, two)


def test_an_epoch_serves_each_image_once():
    loader = make_loader(50, crop_padding=1)
    order, plan = loader.epoch_order(generator()), loader.augmentation_plan(generator())
    sizes = [len(loader.batch(indices, plan)[1]) for indices in order.split(16)]
    assert sizes == [16, 16, 16, 2]
    assert sorted(order.tolist()) == list(range(50))
    assert order.tolist() != list(range(50))


def test_order_and_plan_depend_on_their_generators_alone():
    loader = make_loader(crop_padding=2, horizontal_flip=True)
    orders, plans = generator(1), generator(2)
    loader.epoch_order(orders)
    saved = orders.get_state(), plans.get_state()
    first = loader.epoch_order(orders), loader.augmentation_plan(plans)

    torch.rand(1000)  # the global stream plays no part
    resumed = torch.Generator(), torch.Generator()
    for stream, state in zip(resumed, saved, strict=True):
        stream.set_state(state)
    again = loader.epoch_order(resumed[0]), loader.augmentation_plan(resumed[1])
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first[0], loader.epoch_order(orders))
    assert not torch.equal(first[1], loader.augmentation_plan(plans))


def test_evaluation_batches_are_plain_and_in_order():
    loader = make_loader(50, crop_padding=2, horizontal_flip=True)
    batches = list(loader.evaluation_batches(16))
    assert [len(images) for images, _ in batches] == [16, 16, 16, 2]
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (MEAN, STD))
    images = torch.cat([images for images, _ in batches])
    np.testing.assert_allclose(images, (random_images(50) / 255 - mean) / std, atol=1e-6)
    labels = torch.cat([labels for _, labels in batches])
    assert labels.tolist() == [number % 10 for number in range(50)]


def test_serving_changes_nothing_that_is_kept():
    loader = make_loader(crop_padding=2, padding_mode="zero", horizontal_flip=True)
    loader.batch(torch.arange(50), loader.augmentation_plan(generator()))[0].zero_()
    for images, _ in loader.evaluation_batches(7):
        images.zero_()
    again = torch.cat([images for images, _ in loader.evaluation_batches(7)])
    fresh = torch.cat([images for images, _ in make_loader().evaluation_batches(7)])
    assert torch.equal(again, fresh)


@pytest.mark.parametrize("mode", ["reflect", "zero"])
def test_no_value_on_the_device_is_waited_for(mode):
    """Meta tensors have no values: any step that reads one on the host would fail here."""
    loader = make_loader(crop_padding=2, padding_mode=mode, horizontal_flip=True, device="meta")
    plan = loader.augmentation_plan(generator())
    for indices in loader.epoch_order(generator()).split(16):
        images, labels = loader.batch(indices, plan)
        assert images.device.type == labels.device.type == "meta"
    assert all(images.dtype == torch.float32 for images, _ in loader.evaluation_batches(16))


def test_read_only_memory_maps_are_taken_without_complaint(tmp_path):
    np.save(tmp_path / "images.npy", random_images(20))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loader = Loader(mapped[:10], np.zeros(10, dtype=np.uint8), MEAN, STD)
    fresh = Loader(random_images(20)[:10], np.zeros(10), MEAN, STD)
    for one, two in zip(loader.evaluation_batches(10), fresh.evaluation_batches(10), strict=True):
        assert torch.equal(one[0], two[0])


def test_padding_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"crop 8\+8"):
        make_loader(crop_padding=8)
    make_loader(crop_padding=7)
