"""Every evaluation on cases whose answer is known, and its declaration."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from aib.data.prepared import Split
from aib.evaluation import cells, explanations
from aib.evaluation.parts import kinds, part
from aib.evaluation.parts.calibration import figures as calibrated
from aib.evaluation.parts.calibration import temperature
from aib.evaluation.parts.corruptions import CORRUPTIONS, Parameters
from aib.evaluation.parts.deletion import curves, removed
from aib.evaluation.parts.interpretability import agreement, cosine, filtered, patched
from aib.evaluation.parts.interventions import replacements
from aib.evaluation.parts.localisation import Truth, by_source, controls, polarity
from aib.evaluation.parts.map_information import information
from aib.evaluation.parts.sanity import rank_correlation
from aib.evaluation.subject import Seen

ROOT = Path(__file__).parents[2]
SCORES = arrays(np.float64, (3, 4, 4), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]))


def test_parameters_are_read_without_torch():
    code = "import sys, aib.params; print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_parameters_with_defaults_and_an_evaluation(kind):
    module = part(kind)
    assert callable(module.evaluate)
    needed = {n for n, field in module.Parameters.model_fields.items() if field.is_required()}
    assert needed <= {"kind", "target"}


# ---------------------------------------------------------------- maps against masks


@settings(max_examples=40, deadline=None)
@given(SCORES, st.integers(0, 2**32 - 1), st.sampled_from([12, 14]))
def test_cell_by_cell_is_what_scikit_learn_says_of_pixels(maps, seed, size):
    masks = np.random.default_rng(seed).random((3, size, size)) < 0.4
    masks[:, 0, 0], masks[:, -1, -1] = True, False
    area, inside = cells.areas(size, 4), cells.counts(masks, 4)
    large = cells.upsample(maps, size)
    for measure, theirs in (
        (cells.auroc, roc_auc_score),
        (cells.average_precision, average_precision_score),
    ):
        expected = [theirs(y.ravel(), x.ravel()) for x, y in zip(large, masks, strict=True)]
        assert measure(maps, inside, area - inside) == pytest.approx(expected)
    above = large - large.min(axis=(1, 2), keepdims=True)
    flat = above.max(axis=(1, 2)) == 0
    above[flat] = 1
    share = (above * masks).sum(axis=(1, 2)) / above.sum(axis=(1, 2))
    assert cells.energy(maps, inside, area) == pytest.approx(share)
    chosen = large >= 0.25
    union = (chosen | masks).sum(axis=(1, 2))
    assert cells.overlap(maps, inside, area, 0.25) == pytest.approx(
        (chosen & masks).sum(axis=(1, 2)) / union
    )


def test_the_threshold_is_the_one_that_overlaps_best():
    masks = np.zeros((2, 8, 8), dtype=np.uint8)
    masks[:, :2, :2] = 1
    maps = np.full((2, 4, 4), 0.2)
    maps[:, 0, 0] = 0.7
    area, inside = cells.areas(8, 4), cells.counts(masks, 4)
    found = cells.best_threshold(maps, inside, area)
    assert 0.2 < found <= 0.7
    assert cells.overlap(maps, inside, area, found).tolist() == [1, 1]


def test_pointing_beside_the_object_counts_within_the_tolerance():
    masks = np.zeros((1, 8, 8), dtype=np.uint8)
    masks[0, 0:2, 0:2] = 1
    maps = np.zeros((1, 4, 4))
    maps[0, 0, 1] = 1  # the cell beside it
    area = cells.areas(8, 4)
    assert cells.pointing(maps, cells.counts(masks, 4), area).tolist() == [0]
    assert cells.pointing(maps, cells.counts(cells.grown(masks, 2), 4), area).tolist() == [1]


def a_split(count: int = 40, size: int = 16) -> Split:
    """Squares as objects and others like them; both are as bright."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, size, size), dtype=np.uint8)
    fragments = masks.copy()
    for mask, fragment, at in zip(
        masks, fragments, rng.permuted(np.tile(np.arange(4), (count, 1)), axis=1), strict=True
    ):
        for where, quarter in ((mask, at[0]), (fragment, at[1])):
            row, column = 8 * (quarter // 2), 8 * (quarter % 2)
            where[row + 2 : row + 6, column + 2 : column + 6] = 1
    images = np.repeat(60 + 150 * (masks | fragments)[:, None], 3, axis=1).astype(np.uint8)
    return Split(images, np.zeros(count, int), masks, fragments, np.arange(count) // 2)


def test_a_map_of_ink_is_no_map_of_the_object():
    split = a_split()
    truth = Truth(split, 8, 1)
    ink = truth.figures(cells.pooled(split.images.mean(axis=1), 8), 0.5)
    assert ink["auroc"].mean() > 0.85
    assert ink["primary"].mean() == pytest.approx(0.5)
    own = truth.figures(cells.pooled(split.masks, 8), 0.5)
    assert own["primary"].min() == 1
    assert own["own_minus_other"].mean() > 0.3
    assert truth.figures(np.ones((40, 8, 8)), 0.5)["own_minus_other"].tolist() == [0] * 40


def test_controls_know_what_they_are_said_to():
    split = a_split()
    found = controls(split, split.masks, np.ones((40, 4, 4)), 8)
    truth = Truth(split, 8, 1)
    score = {
        name: truth.figures(np.broadcast_to(maps, truth.inside.shape), 0.5)["auroc"].mean()
        for name, maps in found.items()
        if name != "feature_norm"
    }
    assert score["uniform"] == 0.5
    assert score["true_mask"] == 1
    assert score["brightness"] > 0.85
    assert score["edges"] > 0.6


def test_polarity_is_a_word_only_where_sources_agree():
    rng, sources = np.random.default_rng(0), np.arange(200) // 4
    for level, word in ((0.7, "object"), (0.3, "background"), (0.51, "neither")):
        assert polarity(level + rng.normal(0, 0.05, 200), sources, 0.01, 0.02)[0] == word
    few = np.repeat(rng.normal(0.6, 0.2, 5), 40)  # five sources, whatever the images
    assert polarity(few, np.repeat(np.arange(5), 40), 0.01, 0.02)[0] == "neither"
    assert by_source(np.array([1.0, 3.0, np.nan, 4.0]), np.array([7, 7, 7, 9])).tolist() == [2, 4]


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 5, 4, 4)).round(1)
    expected = [spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(first, second, strict=True)]
    assert rank_correlation(first, second) == pytest.approx(expected)


# ---------------------------------------------------------------- interventions and faithfulness


def test_a_replaced_map_has_the_gain_of_the_own_one():
    used = np.random.default_rng(0).random((6, 4, 4))
    made = replacements(used, used.mean(axis=0))
    for name in ("constant", "mean_map", "other", "inverted"):
        assert made[name].mean(axis=(1, 2)) == pytest.approx(used.mean(axis=(1, 2)))
    assert made["as_is"] is None
    assert np.corrcoef(made["inverted"][2].ravel(), used[2].ravel())[0, 1] == pytest.approx(-1)
    shifted = made["other"][0] - made["other"][0].mean()
    assert shifted == pytest.approx(used[3] - used[3].mean())


def test_the_highest_cells_are_removed_first():
    maps = np.arange(16.0).reshape(1, 4, 4)
    assert removed(maps, 0.25)[0].ravel().nonzero()[0].tolist() == [12, 13, 14, 15]
    assert not removed(maps, 0).any()
    assert removed(maps, 1).all()
    assert removed(np.ones((1, 4, 4)), 0.25).sum() == 4


# ---------------------------------------------------------------- interpretability


@pytest.mark.parametrize("frequency", [3, 10])
def test_the_filter_passes_the_frequencies_it_names(frequency):
    wave = 127.5 + 100 * np.cos(2 * np.pi * frequency * np.arange(32) / 32)
    images = np.broadcast_to(wave, (1, 3, 32, 32)).round().astype(np.uint8)
    kept, cut = ("low", "high") if frequency <= 8 else ("high", "low")
    passed = filtered(images, 8, kept).astype(int)
    assert np.abs(passed - images).max() <= 2
    assert np.abs(filtered(images, 8, cut).astype(int) - 127.5).max() <= 2


def test_a_patch_changes_its_window_and_nothing_else():
    rng = np.random.default_rng(0)
    images = np.zeros((20, 3, 16, 16), dtype=np.uint8)
    changed = patched(images, 4, np.full((20, 3, 16, 16), 9, dtype=np.uint8), rng)
    assert (changed == 9).sum(axis=(1, 2, 3)).tolist() == [3 * 16] * 20
    assert not images.any()


def test_maps_with_an_offset_look_alike_until_they_are_centred():
    rng = np.random.default_rng(0)
    before, after = 0.5 + 0.1 * rng.normal(size=(2, 50, 8, 8))
    found = agreement(before, after, np.arange(50) < 40, (0.9,))
    assert found["unchanged"] == 0.8
    assert found["own"]["0.9"] == found["shuffled"]["0.9"] == 1
    assert found["centred own"]["0.9"] == found["centred shuffled"]["0.9"] == 0
    assert agreement(before, before, np.ones(50, bool), (0.9,))["centred own"]["0.9"] == 1
    assert agreement(before, after, np.zeros(50, bool), (0.9,))["own"]["0.9"] is None
    assert cosine(np.ones((1, 2, 2)), np.zeros((1, 2, 2)), False).tolist() == [0]


# ---------------------------------------------------------------- probabilities and information


def test_the_temperature_brings_back_what_was_scaled_away():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 5))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (chances.cumsum(axis=1) < rng.random((len(chances), 1))).sum(axis=1)
    sharpened = 3 * np.log(chances)
    sharpened -= np.log(np.exp(sharpened).sum(axis=1, keepdims=True))
    assert temperature(sharpened, labels) == pytest.approx(3, rel=0.05)
    assert calibrated(np.log(chances), labels, 15)["calibration_error"] < 0.02
    assert calibrated(sharpened, labels, 15)["calibration_error"] > 0.05


def test_brier_by_hand():
    found = calibrated(np.log(np.array([[0.8, 0.2], [0.5, 0.5]])), np.array([0, 1]), 15)
    assert found["brier"] == pytest.approx((0.04 + 0.04 + 0.25 + 0.25) / 2)


def test_information_of_a_cell_in_cases_that_are_known():
    # Two images, far apart beside the noise: one bit. The same mean: none.
    apart, same = np.array([[0.2], [0.8]]), np.array([[0.5], [0.5]])
    noise, edges = np.full((2, 1), 0.01), np.arange(0, 1, 0.002)
    assert information(apart, noise, edges)[0] == pytest.approx(1)
    assert information(same, noise, edges)[0] == pytest.approx(0, abs=1e-12)
    # A normal mean with as much spread as the noise: the channel's half a bit, log2(1 + 1) / 2.
    means = np.random.default_rng(0).normal(0.5, 0.1, (4000, 1))
    found = information(means, np.full((4000, 1), 0.1), np.arange(0, 1, 0.01))[0]
    assert found == pytest.approx(0.5, abs=0.03)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_anchors_keep_no_more_than_the_map(seed):
    rng = np.random.default_rng(seed)
    means, stds = rng.random((30, 2)), rng.uniform(0.005, 0.1, (30, 2))
    fine = np.arange(0, 1.0001, 0.001)
    coarse = fine[:: rng.integers(2, 300)]
    assert (information(means, stds, coarse) <= information(means, stds, fine) + 1e-9).all()


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_a_corruption_grows_with_its_severity(corrupt):
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    images[:, :, 8:24, 8:24] = 200
    strengths = getattr(Parameters(kind="corruptions"), corrupt.__name__)
    assert len(strengths) == 5
    moved = [np.abs(corrupt(images, s).astype(int) - images).mean() for s in strengths]
    assert moved == sorted(moved)
    assert moved[0] > 0


# ---------------------------------------------------------------- explanations


def test_explanations_are_those_of_networks_that_are_known():
    weights = torch.arange(1.0, 13).reshape(3, 2, 2)
    images, classes = torch.rand(4, 3, 2, 2), torch.tensor([0, 1, 1, 0])

    def linear(batch):
        score = (batch * weights).sum(dim=(1, 2, 3))
        return torch.stack([score, -score], dim=1)

    found = explanations.integrated_gradients(linear)(images.requires_grad_(True), classes)
    assert torch.allclose(found, (images * weights).abs().sum(dim=1))
    # Two channels that pass on the image's first two; class 0 is twice the first less the second.
    layer = torch.nn.Conv2d(3, 2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3)[:2].reshape(2, 3, 1, 1))

    def pooled_logits(batch):
        first, second = layer(batch).mean(dim=(2, 3)).T
        return torch.stack([2 * first - second, second - 2 * first], dim=1)

    found = explanations.grad_cam(pooled_logits, layer)(images, torch.zeros(4, dtype=torch.int64))
    expected = torch.relu(2 * images[:, 0] - images[:, 1]) / 4  # means over 2 x 2 places
    assert torch.allclose(found, expected, atol=1e-6)


class Corner:
    """A network that says class 0 by how bright the upper left cell is."""

    def look(self, images):
        bright = images[:, :, :4, :4].mean(axis=(1, 2, 3)) / 255
        chances = np.stack([bright, 1 - bright], axis=1).clip(1e-6, 1)
        return Seen(np.log(chances), None, None, None)


def test_deletion_and_insertion_know_the_cell_that_matters():
    images = np.full((3, 3, 16, 16), 10, dtype=np.uint8)
    images[:, :, :4, :4] = 250
    filling = np.zeros_like(images)
    first, last = np.zeros((2, 3, 4, 4))
    first[:, 0, 0], last[:, 0, 0] = 1, -1
    right, wrong = (curves(Corner(), images, maps, filling, 16) for maps in (first, last))
    assert right["deletion"] < 0.05 < 0.9 < right["insertion"]
    assert wrong["insertion"] < 0.05 < 0.9 < wrong["deletion"]
