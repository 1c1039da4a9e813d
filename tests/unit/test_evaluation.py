"""Merging samples, scoring predictions, and maps at other resolutions."""

import math

import numpy as np
import pytest
import torch

from aib.evaluation.accuracy import class_log_probabilities, label_entropy, score
from aib.evaluation.cells import centred_gaussian, pooled, upsample


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
