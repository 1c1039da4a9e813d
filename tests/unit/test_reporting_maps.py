"""What the report says of maps: agreement, localisation, cascade, information, anchors."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from records import quick_plan, write_tree
from scipy.stats import spearmanr

from aib.params import load
from aib.reporting.agreement import (
    Agreement,
    agreement,
    between,
    excess,
    over_pairs,
    standard_ranks,
)
from aib.reporting.collect import collect
from aib.reporting.evaluations import localisation, map_information, sanity, tell
from aib.reporting.figures import anchors, information, stability

ROOT, DATASET = Path(__file__).parents[2], "cluttered-digits"


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return write_tree(tmp_path_factory.mktemp("results"), quick_plan(load(ROOT)))


@pytest.fixture(scope="module")
def results(tree):
    return collect(quick_plan(load(ROOT)), tree)


def told(results, kind: str):
    return next(each for each in tell(results, DATASET) if each.kind == kind)


def random_maps(seed: int, n: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 8, 8))


# ---------------------------------------------------------------- agreement


def test_agreement_of_identical_inverted_and_foreign_maps():
    maps = random_maps(0)
    own = standard_ranks(maps)
    assert excess(own, own) == pytest.approx(1, abs=0.05)
    assert excess(own, standard_ranks(1 - maps)) == pytest.approx(-1, abs=0.05)
    assert excess(own, standard_ranks(random_maps(1))) == pytest.approx(0, abs=0.05)
    # Of the order of values alone.
    assert excess(own, standard_ranks(maps**3)) == pytest.approx(excess(own, own))


def test_what_all_images_share_is_no_agreement():
    border = 5 * random_maps(2, 1)
    first, second = (standard_ranks(random_maps(seed) + border) for seed in (3, 4))
    assert (first * second).sum(axis=1).mean() > 0.5
    assert excess(first, second) == pytest.approx(0, abs=0.05)


def test_agreement_is_spearmans_correlation_less_that_of_other_images():
    first, second = random_maps(5, 2), random_maps(5, 2) + 0.4 * random_maps(6, 2)

    def correlation(i: int, j: int) -> float:
        return spearmanr(first[i].ravel(), second[j].ravel()).statistic

    expected = (correlation(0, 0) + correlation(1, 1) - correlation(0, 1) - correlation(1, 0)) / 2
    assert excess(standard_ranks(first), standard_ranks(second)) == pytest.approx(expected)


def test_flat_maps_and_maps_of_other_sizes_have_no_agreement():
    maps = random_maps(7)
    flat = maps.copy()
    flat[3] = 0.5
    own = standard_ranks(maps)
    assert excess(own, standard_ranks(flat)) == pytest.approx(excess(own, own), abs=0.05)
    assert np.isnan(excess(own, standard_ranks(np.ones_like(maps))))
    assert np.isnan(excess(own, standard_ranks(maps[:, :7, :7])))


def test_pairs_that_share_a_run_are_not_counted_as_independent():
    pairs = np.full((6, 6), 0.6)
    pairs[2] = pairs[:, 2] = 0.0  # one run is unlike all others
    np.fill_diagonal(pairs, np.nan)
    found = over_pairs(pairs, 0.95)
    assert found.estimate == pytest.approx(0.4)
    naive = 0.6 * np.sqrt(5 * 10 / 15 / 14 / 15)  # of a mean of 15 independent pairs
    assert found.high - found.estimate > 3 * naive
    for runs in (1, 2):
        few = over_pairs(between([standard_ranks(random_maps(8))] * runs), 0.95)
        assert few is None if runs == 1 else np.isnan(few.low)


def test_the_jackknife_covers_agreement_of_runs_that_differ():
    """Runs share an image's map with noise of their own size: the interval is over other runs."""
    rng, hits = np.random.default_rng(9), 0
    truth = []
    for _ in range(200):
        loading = rng.uniform(0.4, 0.9, 6)  # how much a run's maps have of what they share
        pairs = np.outer(loading, loading)
        np.fill_diagonal(pairs, np.nan)
        found = over_pairs(pairs, 0.95)
        hits += found.low < 0.65**2 < found.high
        truth.append(found.estimate)
    assert np.mean(truth) == pytest.approx(0.65**2, abs=0.02)
    assert 0.9 < hits / 200 <= 1


def test_seeds_and_arms_are_paired_as_they_are_named():
    """Every seed has a map of its own, and arm b's are the inverse of arm a's of the same seed."""
    maps = {seed: random_maps(seed, 40) for seed in (13, 14, 15)}
    ranks = {
        "a": {seed: standard_ranks(each) for seed, each in maps.items()},
        "b": {seed: standard_ranks(1 - each) for seed, each in reversed(maps.items())},
    }
    found = Agreement([], ranks, {"untrained networks": between(list(ranks["a"].values()))}, 0.95)
    assert found.same_seed("a", "b") == pytest.approx(-1, abs=0.08)
    assert found.other_seeds("a", "b") == pytest.approx(0, abs=0.08)
    assert len(found.other_seeds("a", "b")) == 6
    rows = {(row["first"], row["second"], row["seeds"]): row for row in found.rows}
    assert rows["a", "b", "same"]["size"] == pytest.approx(-rows["a", "b", "same"]["agreement"])
    assert rows["a", "b", "same"]["pairs"] == rows["a", "a", "different"]["pairs"] == 3
    assert len(rows) == 5


def test_seeds_of_both_polarities_are_told(results):
    """Maps of every third made-up seed are inverted: raw agreement is low, its size is high."""
    found = agreement(results, DATASET)
    row = next(row for row in found.rows if row["first"] == row["second"] == "vgg-aib")
    assert abs(row["agreement"]) < 0.1 < 0.3 < row["size"]
    seeds, arms = stability.draw(results, DATASET)
    assert "may differ in polarity: vgg-aib" in seeds.caption
    assert "untrained networks" in seeds.title
    assert "vgg-aib-qt [anchors=5]" in {
        label.get_text() for label in arms.figure.axes[0].get_xticklabels()
    }


def test_of_many_runs_the_first_are_compared_and_that_is_said(tree, monkeypatch):
    monkeypatch.setattr("aib.reporting.agreement.RUNS", 2)
    monkeypatch.setattr("aib.reporting.figures.stability.RUNS", 2)
    results = collect(quick_plan(load(ROOT)), tree)
    found = agreement(results, DATASET)
    first = {cell.arm: cell.seeds[:2] for cell in found.cells}
    assert {arm: list(ranks) for arm, ranks in found.ranks.items()} == first
    assert max(len(cell.seeds) for cell in found.cells) > 2
    seeds, _ = stability.draw(results, DATASET)
    assert "of which the first 2 are compared" in seeds.caption


# ---------------------------------------------------------------- what evaluations found


def located(map_score: float, length: float, **controls: float) -> dict:
    scores = {"primary": map_score, "auroc": map_score - 0.1}
    made = {"true_mask": 1.0, "feature_norm": length, **controls}
    return {
        "against": "fragments",
        "as_learned": scores,
        "chosen": scores,
        "polarity": "object",
        "controls": {name: {"primary": v, "auroc": v} for name, v in made.items()},
    }


def test_a_map_is_held_against_the_best_control_of_its_run_by_its_better_polarity():
    assert localisation.figures(located(0.8, 0.6))["above"] == pytest.approx(0.2)
    assert localisation.figures(located(0.8, 0.6))["auroc_above"] == pytest.approx(0.1)
    assert localisation.figures(located(0.8, 0.6, edges=0.1))["above"] == pytest.approx(-0.1)


def test_localisation_names_what_is_above_the_controls_and_every_run_off_the_object(results):
    found = told(results, "localisation")
    words = found.message
    assert "not on the object vgg-aib seed 2 (background)" in words
    controls = {row["arm"]: row for row in found.rows if row["arm"].startswith("control")}
    runs = [record for cell in found.cells for record in found.runs(cell)]
    lengths = [r.numbers(found.name)["controls"]["feature_norm"]["primary"] for r in runs]
    row = controls["control: length of the features under the map"]
    assert row["chosen"] == pytest.approx(np.mean(lengths))
    assert "control: untrained networks" in controls
    (drawn,) = found.drawn()
    best = max(row["chosen"] for arm, row in controls.items() if "true mask" not in arm)
    means = {cell.arm: found.values(cell, "above").mean() for cell in found.arms}
    assert all(mean < 0 for mean in means.values()) == drawn.title.startswith("Maps of no arm")
    assert f"{best:.2f}" in drawn.title


def test_layers_that_the_map_does_not_depend_on_are_no_part_of_the_cascade():
    correlations = {"none": 1.0, "head.0": 1.0, "trunk": 1.0, "scores": 0.7, "features.0": 0.1}
    cascade = [{"layer": k, "correlation": v, "chosen": 0.8} for k, v in correlations.items()]
    found = sanity.figures({"cascade": cascade, "untrained": [{"chosen": 0.5}, {"chosen": 0.6}]})
    assert found["first_replaced"] == 0.7
    assert found["all_replaced"] == 0.1
    assert found["lost_at"] == "features.0"
    assert found["untrained_best"] == 0.6
    flat = [each | {"correlation": None} for each in cascade[1:]]
    assert sanity.telling([cascade[0], *flat]) == []
    without_masks = [
        {"layer": each["layer"], "correlation": each["correlation"]} for each in cascade
    ]
    assert sanity.figures({"cascade": without_masks, "untrained": [{}]})["untrained"] is None


def test_the_cascade_says_which_layers_it_leaves_out(results):
    found = told(results, "sanity")
    (drawn,) = found.drawn()
    assert "1 layer, classifier, comes first and is left out" in drawn.caption
    ticks = [label.get_text() for label in drawn.figure.axes[-1].get_xticklabels()]
    assert ticks == ["none", "attention.mean", "features.conv"]
    assert "attention.mean" in found.message


@pytest.mark.parametrize(
    ("quantised", "word"),
    [(3.8, "tells less than"), (5.0, "tells as much, within the margin, as"), (6.0, "more than")],
)
def test_quantised_bits_are_held_against_a_continuous_map(results, monkeypatch, quantised, word):
    """A verdict with a margin between arms, beside what quantising takes within runs."""
    found = told(results, "map_information")
    noise = np.linspace(-0.1, 0.1, 6)

    def values(cell, column):
        bits = {"map": 5.0, "quantised": quantised, "lost": 5 - quantised, "capacity": 4.3}
        return bits[column] + noise[: len(found.runs(cell))]

    monkeypatch.setattr(type(found), "values", lambda self, cell, column: values(cell, column))
    ((arm, other, after, before),) = map_information.contrasts(found)
    assert (arm.arm, other.arm) == ("vgg-aib-qt", "vgg-aib")
    assert before.verdict == "equivalent"
    assert after.difference.estimate == pytest.approx(quantised - 5)
    assert word in map_information.message(found)


def test_bits_are_drawn_by_number_of_anchors(results):
    _, by_anchors = told(results, "map_information").drawn()
    assert by_anchors.name == f"map_information-anchors-{DATASET}"
    ticks = [label.get_text() for label in by_anchors.figure.axes[0].get_xticklabels()]
    assert ticks == ["2", "5", "20"]


# ---------------------------------------------------------------- information, anchors


def test_what_is_missing_of_the_label_and_the_path_there(results):
    cell = results.cell(DATASET, "vgg-aib")
    rates, missing = information.bounds(cell)
    record = cell.counted[0]
    assert rates[0] == record.result["information"]["rate"]
    # Classes are balanced in the made-up records.
    assert missing[0] == pytest.approx(np.log2(10) - record.result["information"]["relevance"])
    rate, cross_entropy = information.path(results, record)
    assert rate.tolist() == [line["test_rate"] for line in record.history]
    assert cross_entropy.tolist() == [line["test_cross_entropy"] for line in record.history]
    (drawn,) = information.draw(results, DATASET)
    labels = " ".join(text.get_text() for text in drawn.figure.axes[1].texts)
    assert "beta=0.1" in labels
    assert "anchors=5" in labels


def test_entropy_of_unbalanced_labels():
    labels = np.array([0] * 6 + [1] * 2)
    record = SimpleNamespace(predictions={"labels": labels})
    assert information.label_entropy(record) == pytest.approx(0.811278)


def test_anchors_moved_in_distances_between_them():
    def cell(values: list[float]) -> SimpleNamespace:
        used = {"values": values, "usage": [0.5, 0.3, 0.2], "perplexity": 2.8, "dead": 0}
        spec = SimpleNamespace(model=SimpleNamespace(anchor_count=3))
        return SimpleNamespace(spec=spec, counted=[SimpleNamespace(result={"anchors": used})])

    assert anchors.moved(cell([0.0, 0.5, 1.0])) == 0
    # Their order in the file means nothing; one of three went a fifth of a distance of 0.5.
    assert anchors.moved(cell([1.0, 0.6, 0.0])) == pytest.approx(0.2 / 3)
