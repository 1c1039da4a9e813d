"""Merging samples, scoring predictions, and maps against masks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from aib.errors import AibError
from aib.evaluation.accuracy import class_log_probabilities, label_entropy, score
from aib.evaluation.cells import centred_gaussian, pooled, upsample
from aib.evaluation.localisation import controls, figures


def test_averages_of_samples_by_hand():
    # Two samples of one image: probabilities (0.8, 0.2) and (0.5, 0.5).
    logits = torch.log(torch.tensor([[[0.8, 0.2]], [[0.5, 0.5]]]))
    probabilities = class_log_probabilities(logits, "probabilities").exp()
    assert probabilities.flatten().tolist() == pytest.approx([0.65, 0.35])
    # Mean logits are the geometric means sqrt(0.4) and sqrt(0.1), a ratio of 2 to 1.
    averaged = class_log_probabilities(logits, "logits").exp()
    assert averaged.flatten().tolist() == pytest.approx([2 / 3, 1 / 3])


def test_figures_of_a_split_by_hand():
    log_probabilities = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [1.0, 1e-9]]))
    found = score(log_probabilities, torch.tensor(3.0), torch.tensor([0, 1, 1, 0]))
    assert found.accuracy == 0.75  # the tie goes to the first class
    assert found.cross_entropy == pytest.approx((1 + math.log2(4 / 3) + 1 + 0) / 4, rel=1e-5)
    assert label_entropy(torch.tensor([0, 1, 1, 0])) == 1.0
    assert label_entropy(torch.tensor([2, 2])) == 0.0
    assert found.rate == 3.0


MAPS = arrays(np.float64, (3, 6, 6), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]))


@settings(max_examples=40, deadline=None)
@given(MAPS, st.integers(0, 2**32 - 1))
def test_auroc_is_scikit_learns_mean_over_images(maps, seed):
    masks = np.random.default_rng(seed).random((3, 6, 6)) < 0.4
    masks[:, 0, 0], masks[:, 5, 5] = True, False
    expected = np.mean(
        [roc_auc_score(y.ravel(), x.ravel()) for x, y in zip(maps, masks, strict=True)]
    )
    assert figures(maps, masks)["auroc"] == pytest.approx(expected)
    assert figures(1 - maps, masks)["auroc"] == pytest.approx(1 - expected)


def test_a_uniform_map_scores_what_chance_does():
    masks = np.zeros((2, 4, 4), dtype=np.uint8)
    masks[0, :2], masks[1, 0, :2] = 1, 1  # a half and an eighth
    found = figures(np.ones((2, 4, 4)), masks)
    share = (1 / 2 + 1 / 8) / 2
    assert found == pytest.approx({"auroc": 0.5, "energy": share, "pointing": share})


def test_a_perfect_and_an_inverted_map():
    masks = np.zeros((1, 4, 4), dtype=np.uint8)
    masks[0, 1:3, 1:3] = 1
    assert figures(masks.astype(float), masks) == {"auroc": 1, "energy": 1, "pointing": 1}
    assert figures(1.0 - masks, masks) == {"auroc": 0, "energy": 0, "pointing": 0}


def test_an_empty_mask_is_refused():
    with pytest.raises(AibError, match="covers nothing"):
        figures(np.ones((1, 4, 4)), np.zeros((1, 4, 4)))


def test_upsampling_gives_each_pixel_its_cell():
    small = np.arange(4.0).reshape(1, 2, 2)
    assert np.array_equal(upsample(small, 6), small.repeat(3, axis=1).repeat(3, axis=2))
    assert upsample(small, 5).shape == (1, 5, 5)


def test_the_gaussian_control_is_centred():
    bell = centred_gaussian(8)
    assert np.allclose(bell, bell[::-1, ::-1])
    assert bell.argmax() in (27, 28, 35, 36)


def test_pooling_averages_the_cells_that_upsampling_enlarges():
    pixels = np.random.default_rng(0).random((2, 7, 7))
    small = pooled(pixels, 3)  # cells of 3, 2 and 2 pixels
    assert small[1, 0, 2] == pytest.approx(pixels[1, :3, 5:].mean())
    assert np.allclose(pooled(upsample(small, 7), 3), small)


def test_controls_score_what_each_of_them_knows():
    masks = np.zeros((2, 8, 8), dtype=np.uint8)
    masks[:, :2, :2] = 1
    images = np.full((2, 3, 8, 8), 100, dtype=np.uint8)
    images[:, :, :2, :2] = [[[[200]]], [[[0]]]]  # one bright object, one dark
    found = {name: each["auroc"] for name, each in controls(images, masks, masks, 4).items()}
    assert found.pop("gaussian") < 0.2
    assert found == {"uniform": 0.5, "mean_mask": 1.0, "brightness": 0.5, "true_mask": 1.0}
    assert controls(images, masks, masks, 2)["true_mask"]["auroc"] == pytest.approx(0.9)
