"""Every model trains under every protocol's switches, and each switch does what it says."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from aib import record
from aib.data.prepared import load as load_data
from aib.data.preparing import prepare
from aib.errors import AibError
from aib.params import FAMILIES, Scale, check, load
from aib.runs import Names, RunSpec, resolve
from aib.training import run as training
from aib.training.average import Average

PARAMETERS = load(Path(__file__).parents[2])
BLOCK = {"channels": 4, "layers": 1}
TINY = {
    "description": "one epoch of nearly nothing",
    "networks": {
        "vgg": {
            "blocks": [
                BLOCK | {"kernel": 4, "stride": 2},
                BLOCK | {"pool": "after"},
                BLOCK | {"pool": "after"},
                BLOCK | {"pool": "after"},
            ],
            "attention_after": 2,
            "dense": 8,
            "latent": 4,
        },
        "wrn": {"depth": 10, "widen": 1, "latent": 4},
        "imagenet": {"latent": 4},
    },
    "epochs": 1,
    "map_sample": 8,
}
DIGITS = {"train": 64, "validation": 20, "test": 20, "image_size": 36}
DATASET = PARAMETERS.datasets["cluttered-digits"].model_copy(update=DIGITS)
PLAIN = {
    "normalisation": None,
    "augmentation.crop_size": 32,
    "augmentation.crop_padding": 0,
    "training.batch_size": 24,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    prepare("digits", DATASET, folder, folder / "digits")
    return load_data(folder / "digits")


def spec(model: str, protocol: str, **overrides) -> RunSpec:
    parameters = PARAMETERS.model_copy(
        update={
            "datasets": {"digits": DATASET},
            "scales": {"tiny": check(Scale, TINY, "tiny")},
        }
    )
    if PARAMETERS.models[model].pretrained:
        overrides = {"model.weights": "none"} | overrides
    names = Names(dataset="digits", model=model, protocol=protocol, scale="tiny")
    changes = PLAIN | {key.replace("__", "."): value for key, value in overrides.items()}
    return resolve(parameters, names, changes, 0, "test")


def run(each: RunSpec, data, folder: Path) -> dict:
    result = training.train(each, data, folder, "code", device_name="cpu")
    assert result["status"] == "completed", result
    return result


def protocol_of(name: str) -> str:
    return {"vgg": "released-vgg", "wrn": "released-wrn", "imagenet": "released-cub"}[
        FAMILIES[PARAMETERS.models[name].family].sizes
    ]


SMALL = [n for n, m in PARAMETERS.models.items() if FAMILIES[m.family].sizes != "imagenet"]


@pytest.mark.parametrize("name", [*SMALL, "vgg16-aib-qt"])
def test_every_model_trains_as_released(data, tmp_path, name):
    few = {"evaluation.samples": [2], "training.second_forward": None, "evaluation.draws": 1}
    each = spec(name, protocol_of(name), **(few if name == "vgg16-aib-qt" else {}))
    result = run(each, data, tmp_path)
    assert result["parameters"] > 0
    maps = record.read(tmp_path).attention
    if each.model.has_map:
        assert maps["test_mean"].min() >= 0
        assert maps["test_mean"].max() <= 1
        assert maps["gallery_images"].shape[1:] == (3, 32, 32)
        assert maps["gallery_masks"].shape[1:] == (32, 32)
    if each.model.anchor_count:
        anchors = result["anchors"]
        assert len(anchors["usage"]) == each.model.anchor_count
        assert sum(anchors["usage"]) == pytest.approx(1)
        assert anchors["dead"] == anchors["usage"].count(0)
        assert 1 <= anchors["perplexity"] <= each.model.anchor_count
        line = record.read(tmp_path).history[0]
        assert 1 <= line["perplexity"] <= each.model.anchor_count
        assert line["dead_anchors"] < each.model.anchor_count


@pytest.mark.parametrize("precision", ["bf16", "fp16", "tf32"])
def test_every_precision_trains(data, tmp_path, precision):
    run(spec("wrn-aib-qt", "stated-wrn", training__precision=precision), data, tmp_path)


def weights_of(data, folder: Path, **overrides) -> dict[str, torch.Tensor]:
    run(spec("wrn-aib", "released-cub", **overrides), data, folder)
    return load_file(folder / record.WEIGHTS)


QUIET = {"training.second_forward": None, "training.weight_average": None}


def test_the_second_forward_moves_statistics_and_nothing_else(data, tmp_path):
    changes = {"training.train_subset": 24, "initialisation": "pytorch"}  # one step
    once = weights_of(data, tmp_path / "once", **QUIET, **changes)
    twice = weights_of(
        data, tmp_path / "twice", **QUIET | {"training.second_forward": 3}, **changes
    )
    moved = {name for name in once if not torch.equal(once[name], twice[name])}
    assert moved == {
        name for name in once if name.endswith(("running_mean", "running_var", "tracked"))
    }


def test_the_last_batch_is_left_out_only_if_asked_for(data, tmp_path):
    for drop, steps in ((True, 2), (False, 3)):  # 64 images in batches of 24
        weights = weights_of(data, tmp_path / str(drop), **QUIET, training__drop_last=drop)
        assert weights["trunk.1.num_batches_tracked"] == steps


def test_too_few_images_for_one_batch_is_one_clear_error(data, tmp_path):
    with pytest.raises(AibError, match="64 train images do not fill a batch of 100"):
        run(spec("wrn-aib", "released-cub", training__batch_size=100), data, tmp_path)


def test_the_average_is_the_recurrence_over_weights_and_statistics():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average, expected = Average(model, 0.9), copy.deepcopy(model.state_dict())
    for _ in range(3):
        model(torch.rand(4, 3))
        with torch.no_grad():
            model[0].weight.add_(torch.rand(3, 3))
        average.update(model)
        for name, value in model.state_dict().items():
            whole = name.endswith("tracked")
            expected[name] = value.clone() if whole else 0.9 * expected[name] + 0.1 * value
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_the_average_predicts_from_one_sample_as_released_or_always(data, tmp_path):
    # An average that stands still predicts as the start weights do: at chance, with full entropy.
    still = {"decay": 1 - 1e-12, "evaluates": "one-sample"}
    changes = {"evaluation.samples": [2, 1], "training.epochs": 3, "evaluation.draws": 1}
    figures = {}
    for evaluates in ("one-sample", "all", None):
        average = still | {"evaluates": evaluates} if evaluates else None
        more = {"training.weight_average": average, "training.second_forward": None}
        each = spec("wrn-aib", "released-cub", **changes, **more)
        result = run(each, data, tmp_path / str(evaluates))
        figures[evaluates] = {
            samples: value["test"]["cross_entropy"]
            for samples, value in result["evaluation"].items()
        }
    raw, quirk, sound = figures[None], figures["one-sample"], figures["all"]
    assert quirk["2"] == raw["2"]  # the release selects by the raw weights (#25)
    assert quirk["1"] != raw["1"]
    assert sound["2"] != raw["2"]
    assert sound["1"] == quirk["1"]


def test_several_draws_an_epoch_take_the_best_one(data, tmp_path, monkeypatch):
    quiet_predict = training.predict

    def loud_predict(*arguments):
        """A network this small hardly differs from draw to draw; this one does."""
        log_probabilities, *others = quiet_predict(*arguments)
        return log_probabilities + 5 * torch.randn_like(log_probabilities), *others

    monkeypatch.setattr(training, "predict", loud_predict)
    lines = {}
    for draws in (1, 4):
        changes = QUIET | {"evaluation.samples": [1], "training.epochs": 4}
        run(spec("wrn-aib", "released-cub", **changes, evaluation__draws=draws), data, tmp_path)
        lines[draws] = record.read(tmp_path).history
        (tmp_path / record.RESULT).unlink()
        (tmp_path / record.FINISHED).unlink()
    single, best = (np.array([line["test_accuracy"] for line in lines[d]]) for d in (1, 4))
    assert (best >= single).all()  # the first draw is the same one
    assert (best > single).any()
    assert [line["loss"] for line in lines[1]] == [line["loss"] for line in lines[4]]


def test_a_run_under_the_cub_protocol_resumes_in_the_same_bits(data, tmp_path, monkeypatch):
    each = spec("wrn-aib-qt", "released-cub", training__epochs=2, initialisation="pytorch")
    whole = run(each, data, tmp_path / "whole")
    steps, save = [], training._Run._save_if_due

    def stop_once(self):
        steps.append(0)
        if len(steps) == 2:
            self.stop_signal = 15
        save(self)

    monkeypatch.setattr(training._Run, "_save_if_due", stop_once)
    with pytest.raises(training.Stopped):
        training.train(each, data, tmp_path / "parts", "code", device_name="cpu")
    again = run(each, data, tmp_path / "parts")
    for key in ("weights_sha256", "evaluation", "figures", "anchors"):
        assert again[key] == whole[key], key
