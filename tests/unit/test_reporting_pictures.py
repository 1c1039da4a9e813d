"""What evaluations come to in words, and maps laid over images."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import rc_context

from aib.data.preparing import prepare
from aib.params import load
from aib.reporting import collect, comparing, drawing, pictures
from aib.reporting.evaluations import cross_domain, deletion, interpretability
from aib.reporting.figures import filmstrip, gallery
from aib.statistics import Interval

# ---------------------------------------------------------------- pictures


def test_the_map_colours_the_cells_where_it_is_high_and_no_other():
    image = np.full((3, 32, 32), 100, np.uint8)
    attention = np.zeros((8, 8))
    attention[0, 7] = 1  # top right
    drawn = pictures.overlay(image, attention, 0, 1).astype(int)
    coloured = np.abs(drawn - 100).sum(axis=2) > 0
    assert coloured[:4, 28:].all()
    assert coloured.sum() == 16
    assert drawn[0, 31, 0] > 200 > 100 > drawn[0, 31, 2]


def test_a_flat_map_leaves_the_image_and_a_value_out_of_scale_is_no_other_colour():
    image = np.full((3, 32, 32), 100, np.uint8)
    assert (pictures.overlay(image, np.full((8, 8), 0.3), 0.3, 0.3) == 100).all()
    beyond, full = (pictures.overlay(image, np.full((8, 8), v), 0, 1) for v in (7.0, 1.0))
    assert (beyond == full).all()


def test_large_images_are_scaled_down_and_small_ones_kept():
    assert pictures.small(np.zeros((3, 224, 224), np.uint8)).shape == (48, 48, 3)
    image = np.random.default_rng(0).integers(256, size=(3, 32, 32), dtype=np.uint8)
    assert (pictures.small(image) == image.transpose(1, 2, 0)).all()


def test_a_sheet_is_vector_text_around_bitmaps_of_few_bytes(tmp_path):
    with rc_context(drawing.STYLE):
        sheet = pictures.Sheet(3, 2)
        sheet.picture(np.zeros((32, 32, 3), np.uint8), 0.5, 0.5, 1)
        sheet.text(0.1, 0.1, "seven")
        path = drawing.save(drawing.Drawn("sheet", "", "", sheet.figure), tmp_path, {})
    text = path.read_text()
    assert path.suffix == ".svg"
    assert ">seven</text>" in text
    bitmap = re.search(r'base64,\s*([^"]+)"', text)[1]
    assert len(bitmap) < 1000  # 32 x 32 pixels, not those of a screen


# ---------------------------------------------------------------- the gallery


def test_the_sample_keeps_to_its_kinds_and_is_drawn_once_for_all():
    right = np.ones((4, 100), bool)
    right[:1, 50:60] = False  # right in most runs
    right[:2, 60:70] = False  # wrong in half
    found = gallery.sample(right)
    assert {k: len(v) for k, v in found.items()} == gallery.SAMPLE
    every, most, half = found.values()
    assert all(number < 50 or number >= 70 for number in every)
    assert all(50 <= number < 60 for number in most)
    assert all(60 <= number < 70 for number in half)
    assert gallery.sample(right) == found


def test_a_kind_without_images_is_left_out():
    assert list(gallery.sample(np.ones((2, 2), bool))) == ["right in every run"]
    assert list(gallery.sample(np.zeros((2, 1), bool))) == ["wrong in at least half"]


def run_of(polarity: str | None, seed: int = 0) -> SimpleNamespace:
    found = {"identity": {"parameters": {"kind": "localisation"}}}
    found |= {"numbers": {"polarity": polarity}} if polarity else {"inapplicable": "no masks"}
    return SimpleNamespace(evaluation={"localisation": found}, result={"seed": seed})


def test_a_run_of_another_polarity_takes_the_last_place():
    runs = [run_of(p, i) for i, p in enumerate(["object", "object", "object", "background"])]
    assert [run.result["seed"] for run in gallery.chosen(runs, 2)] == [0, 3]
    assert gallery.chosen(runs, 4) == runs
    unknown = [run_of(None, i) for i in range(4)]
    assert gallery.chosen(unknown, 2) == unknown[:2]


def test_images_of_other_data_than_the_runs_saw_are_not_shown(tmp_path):
    counts = {"train": 20, "validation": 10, "test": 10}
    dataset = load(Path(__file__).parents[2]).datasets["cluttered-digits"]
    folder = tmp_path / "digits"
    assert collect._prepared(folder, "test", "sha256:a") == {}
    prepare("digits", dataset.model_copy(update=counts), tmp_path, folder)
    digest = json.loads((folder / "manifest.json").read_text())["digest"]
    assert set(collect._prepared(folder, "test", digest)) == {"images", "masks", "sources"}
    assert collect._prepared(folder, "test", "sha256:b") == {}


# ---------------------------------------------------------------- maps over training


def film_of(shows: list[bool]) -> SimpleNamespace:
    """A run whose map is the mask, or what is not the mask, at each looked-at epoch."""
    masks = np.zeros((4, 32, 32), np.uint8)
    for number, mask in enumerate(masks):
        mask[: 4 * (number + 1), :8] = 1
    cells = masks.reshape(4, 8, 4, 8, 4).mean((2, 4))
    film = np.stack([cells if each else -cells for each in shows])
    epochs = 5 * np.arange(1, len(shows) + 1)
    kept = {"film": film, "film_epochs": epochs, "gallery_masks": masks}
    return SimpleNamespace(attention=kept)


@pytest.mark.parametrize(
    ("shows", "epoch"),
    [
        ([True, True], 5),
        ([False, True, True], 10),
        ([True, False, True], 15),
        ([True, True, False], None),
    ],
)
def test_the_object_is_in_the_map_from_where_it_stays(shows, epoch):
    assert filmstrip.begin(film_of(shows)) == epoch


def test_epochs_of_a_long_training_are_thinned_ends_included():
    assert filmstrip.shown_epochs(4).tolist() == [0, 1, 2, 3]
    thinned = filmstrip.shown_epochs(100)
    assert len(thinned) == filmstrip.EPOCHS
    assert (thinned[0], thinned[-1]) == (0, 99)


# ---------------------------------------------------------------- evaluations in words


def agreement(share: float | None) -> dict:
    return {name: {"0.9": share} for name in interpretability.REFERENCES}


def test_a_change_that_leaves_no_prediction_is_no_zero():
    changes = {"spatial color 4": agreement(0.5), "spatial color 8": agreement(None)}
    found = interpretability.figures({"maker": "grad_cam", "modifications": changes})
    assert found["spatial"] == 50
    assert found["frequency"] is None
    assert found["maker"] == "Grad-CAM"


def test_a_good_order_is_ahead_whichever_way_it_goes():
    good, bad = ({"deletion": d, "insertion": i} for d, i in ((0.2, 0.9), (0.4, 0.5)))
    numbers = {name: {"map": good, "random": bad} for name in ("blur", "mean")}
    found = deletion.figures(numbers)
    assert found["over_random"] == pytest.approx(60)
    assert found["fillings"] == 0
    baseline = deletion.figures({name: {"random": bad} for name in ("blur", "mean")})
    assert baseline["random"] == pytest.approx(10)
    assert "map" not in baseline


def test_a_target_without_shared_images_or_without_test_is_told():
    none, some = {"images": 0, "accuracy": None}, {"images": 5, "accuracy": 0.4}
    assert cross_domain.figures({"test": {"all": some, "shared": none}}) == {
        "all": 40,
        "shared": None,
    }
    assert cross_domain.figures({"train": {"all": some}}) == {"train_all": 40}


def test_what_cannot_be_told_from_0_is_said_to_be_so():
    found = [
        comparing.Difference("a less b", Interval(-2, -3, -1, 0.95)),
        comparing.Difference("c less d", Interval(1, -1, 3, 0.95)),
        comparing.Difference("e less f", Interval(9, np.nan, np.nan, 0.95)),
    ]
    assert comparing.sorted_out("Mean", found, 0) == (
        " Mean: told from 0, each for itself, a less b −2 [−3, −1] points; "
        "not told from 0 c less d +1 [−1, +3] points; e less f +9 points."
    )
    assert comparing.sorted_out("Mean", []) == ""


def told_of(values: dict[str, list[float]], **study) -> SimpleNamespace:
    """What was found in some arms, one value a run."""
    study = {"factorial": None, "contrasts": (), "margin": 1.0} | study
    plan = SimpleNamespace(study=SimpleNamespace(**study))
    return SimpleNamespace(
        results=SimpleNamespace(plan=plan, confidence=0.95),
        arms=[SimpleNamespace(arm=arm) for arm in values],
        values=lambda cell, column: np.array(values[cell.arm]),
    )


def test_main_effects_are_of_attention_then_of_the_bottleneck():
    names = {"neither": "n", "attention": "a", "bottleneck": "b", "both": "ab"}
    factorial = SimpleNamespace(**names, arms=tuple(names.values()))
    values = {"ab": [14.0, 14.2], "n": [1.0, 1.2], "b": [4.0, 4.2], "a": [11.0, 11.2]}
    effects = comparing.differences(told_of(values, factorial=factorial), "mean")
    assert [each.found.estimate for each in effects] == pytest.approx([10, 3])
    assert all(each.is_told_from_0 for each in effects)
    del values["n"]  # then pairs are compared, the paper's question first
    pairs = comparing.differences(told_of(values, factorial=factorial), "mean")
    assert [each.words for each in pairs] == ["ab less a"]
    assert pairs[0].found.estimate == pytest.approx(3)


def test_a_contrast_with_an_arm_that_says_nothing_is_left_out():
    contrasts = (SimpleNamespace(treatment="a", control="b"),)
    told = told_of({"a": [1.0], "b": []}, contrasts=contrasts)
    assert comparing.differences(told, "mean") == []
