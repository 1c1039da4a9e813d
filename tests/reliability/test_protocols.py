"""Every model trains under every protocol's switches, and each switch does what it says."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from aib import files, record
from aib.data.prepared import load as load_data
from aib.data.preparing import prepare
from aib.data.verifying import stored_digest
from aib.errors import AibError
from aib.evaluation import cells
from aib.evaluation.evaluate import evaluate_run, load_subject
from aib.evaluation.parts import AnyEvaluation, kinds
from aib.evaluation.subject import Surroundings
from aib.generators import Generators
from aib.params import Scale, check, load
from aib.spec.models import FAMILIES
from aib.spec.run import Names, RunSpec
from aib.studies.resolve import resolve
from aib.training import loop
from aib.training import run as training
from aib.training.average import running_average
from aib.training.optimiser import make_optimiser

PARAMETERS = load(Path(__file__).parents[2])
BLOCK = {"channels": 4, "layers": 1}
TINY = {
    "description": "two epochs of nearly nothing",
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
    "epochs": 2,
    "epochs_without_pilot": 0,
    "map_sample": 8,
    "job": {"minutes": 1, "memory_gb": 1},
}
DIGITS = {"train": 64, "validation": 20, "test": 20, "image_size": 36}
DATASET = PARAMETERS.datasets["cluttered-digits"].model_copy(update=DIGITS)
PLAIN = {
    "normalisation": None,
    "augmentation.crop_size": 32,
    "augmentation.crop_padding": 0,
    "training.batch_size": 24,
    "training.validation": "split",
}


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    prepare("digits", DATASET, folder, folder / "digits")
    return folder / "digits"


@pytest.fixture(scope="module")
def data(data_folder):
    return load_data(data_folder)


def spec(model: str, protocol: str, **overrides) -> RunSpec:
    parameters = PARAMETERS.model_copy(
        update={
            "datasets": {"digits": DATASET},
            "scales": {"tiny": check(Scale, TINY, "tiny")},
        }
    )
    if PARAMETERS.models[model].pretrained:
        overrides = {"model.weights": "none", **overrides}
    names = Names(dataset="digits", model=model, protocol=protocol, scale="tiny")
    changes = PLAIN | {key.replace("__", "."): value for key, value in overrides.items()}
    return resolve(parameters, names, changes, 0, "test")


def train(each: RunSpec, data, folder: Path, **options) -> dict:
    folder.mkdir(exist_ok=True)
    origin = {"code_hash": "c0dec0dec0de", "data_digest": data.digest}
    around = {"git": {}, "environment": {}}
    return training.train(each, data, folder, origin, around, "cpu", **options)


def run(each: RunSpec, data, folder: Path, **options) -> dict:
    result = train(each, data, folder, **options)
    assert result["status"] != "diverged", result
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
        assert maps["film_epochs"].tolist() == [
            line["epoch"] for line in record.read(tmp_path).history
        ]
        kept = result["figures"][each.evaluation.select]["epoch"]
        if not each.training.weight_average:  # else one of two networks was kept
            assert np.array_equal(maps["film"][kept - 1], maps["gallery_mean"])
    if each.model.anchor_count:
        anchors = result["anchors"]
        assert len(anchors["usage"]) == each.model.anchor_count
        assert sum(anchors["usage"]) == pytest.approx(1)
        assert anchors["dead"] == anchors["usage"].count(0)
        assert 1 <= anchors["perplexity"] <= each.model.anchor_count
        line = record.read(tmp_path).history[0]
        assert 1 <= line["perplexity"] <= each.model.anchor_count
        assert line["dead_anchors"] < each.model.anchor_count


def spy_on_losses(monkeypatch, change=lambda result, call: result) -> list:
    """Note every prediction that is trained on, and let `change` alter its losses."""
    seen, real = [], loop.losses

    def losses(prediction, *arguments):
        seen.append(prediction)
        return change(real(prediction, *arguments), len(seen))

    monkeypatch.setattr(loop, "losses", losses)
    return seen


PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16, "tf32": torch.float32}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_trains(data, tmp_path, precision, monkeypatch):
    seen = spy_on_losses(monkeypatch)
    run(spec("wrn-aib-qt", "stated-wrn", training__precision=precision), data, tmp_path)
    assert {prediction.latent_mean.dtype for prediction in seen} == {PRECISIONS[precision]}


def overflow(result, call: int):
    """The second step of three overflows."""
    return result._replace(total=result.total * float("inf")) if call == 2 else result


def test_fp16_leaves_out_a_step_that_overflows_and_goes_on(data, tmp_path, monkeypatch):
    spy_on_losses(monkeypatch, overflow)
    run(spec("wrn-aib", "released-wrn"), data, tmp_path)
    line = record.read(tmp_path).history[0]
    assert np.isfinite(line["loss"])
    assert line["learning_rate"] == 0.1


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_loss_that_stays_infinite_is_a_diverged_run(data, tmp_path, monkeypatch, precision):
    def lost(result, call: int):
        return overflow(result, 2) if call >= 2 else result

    spy_on_losses(monkeypatch, lost)
    each = spec("wrn-aib", "released-wrn", training__precision=precision)
    result = train(each, data, tmp_path)
    assert result["status"] == "diverged"
    assert result["step"] == 2


def weights_of(data, folder: Path, **overrides) -> dict[str, torch.Tensor]:
    run(spec("wrn-aib", "released-cub", **overrides), data, folder)
    return load_file(folder / files.WEIGHTS)


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


def test_a_batch_larger_than_the_data_is_one_clear_error():
    with pytest.raises(AibError, match="batch_size is 100; 'digits' has 64 images to train on"):
        spec("wrn-aib", "released-cub", training__batch_size=100)


def test_images_that_nobody_declared_and_do_not_fill_a_batch(data, tmp_path):
    few = replace(data, train=replace(data.train, labels=data.train.labels[:9]))
    few = replace(few, train=replace(few.train, images=few.train.images[:9]))
    with pytest.raises(AibError, match="9 train images do not fill a batch of 24"):
        run(spec("wrn-aib", "released-cub"), few, tmp_path)


def test_the_average_is_the_recurrence_over_weights_and_statistics():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average, expected = running_average(model, 0.9), copy.deepcopy(model.state_dict())
    for _ in range(3):
        model(torch.rand(4, 3))
        with torch.no_grad():
            model[0].weight.add_(torch.rand(3, 3))
        average.update_parameters(model)
        for name, value in model.state_dict().items():
            if not name.endswith("tracked"):  # a counter that nothing reads
                expected[name] = 0.9 * expected[name] + 0.1 * value
    for name, value in average.module.state_dict().items():
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


def test_the_average_is_taken_before_the_second_forward(data, tmp_path):  # #26
    changes = {"training.train_subset": 24, "initialisation": "pytorch"}
    changes |= {"training.weight_average": {"decay": 0.5, "evaluates": "all"}}
    once, twice = (
        weights_of(data, tmp_path / str(second), **changes, training__second_forward=second)
        for second in (None, 3)
    )
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_several_draws_an_epoch_select_and_the_first_is_the_figure(data, tmp_path, monkeypatch):
    quiet_predict = training.predict

    def loud_predict(*arguments):
        """A network this small hardly differs from draw to draw; this one does."""
        log_probabilities, *others = quiet_predict(*arguments)
        return log_probabilities + 5 * torch.randn_like(log_probabilities), *others

    monkeypatch.setattr(training, "predict", loud_predict)
    found = {}
    for draws in (1, 4):
        changes = QUIET | {"evaluation.samples": [1], "training.epochs": 4}
        each = spec("wrn-aib", "released-cub", **changes, evaluation__draws=draws)
        figures = run(each, data, tmp_path / str(draws))["figures"]
        found[draws] = record.read(tmp_path / str(draws)).history, figures
    (single, plain), (lines, figures) = found[1], found[4]
    for key in ("loss", "test_accuracy", "validation_accuracy"):
        assert [line[key] for line in single] == [line[key] for line in lines]
    best = [line["test_best_draw"] for line in lines]
    assert all(line["test_accuracy"] <= high for line, high in zip(lines, best, strict=True))
    assert max(best) > plain["best_test"]["test_accuracy"]
    assert figures["best_test"]["test_accuracy"] == max(best)
    assert figures["best_test"]["epoch"] == 1 + best.index(max(best))
    assert figures["last"] == plain["last"]


def test_a_pretrained_run_starts_from_its_file_and_says_which(data, tmp_path):
    torch.manual_seed(0)
    backbone = torchvision.models.vgg16(weights=None).features.state_dict()
    path = tmp_path / "vgg16.pth"
    torch.save({f"features.{name}": tensor for name, tensor in backbone.items()}, path)
    few = {"evaluation.samples": [1], "evaluation.draws": 1, "optimiser.learning_rate": 1e-12}
    few |= QUIET | {"model.weights": "imagenet"}
    each = spec("vgg16-aib", "released-cub", **few)
    run(each, data, tmp_path / "run", weights=path)
    kept = load_file(tmp_path / "run" / files.WEIGHTS)
    for name, tensor in backbone.items():
        torch.testing.assert_close(kept[f"features.{name}"], tensor)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_run_under_the_cub_protocol_resumes_in_the_same_bits(
    data, tmp_path, monkeypatch, precision
):
    changes = {"training.epochs": 3, "initialisation": "pytorch", "training.precision": precision}
    each = spec("wrn-aib-qt", "released-cub", **changes)
    whole = run(each, data, tmp_path / "whole")
    assert whole["figures"]["best_test"]["epoch"] == 1  # so what was kept must survive the stop
    steps, save = [], training._Run._save_if_due

    def stop_once(self):
        steps.append(0)
        if len(steps) == 5:  # in the second epoch
            self.stop_signal = 15
        save(self)

    monkeypatch.setattr(training._Run, "_save_if_due", stop_once)
    with pytest.raises(training.Stopped):
        train(each, data, tmp_path / "parts")
    again = run(each, data, tmp_path / "parts")
    for key in ("weights_sha256", "evaluation", "figures", "anchors"):
        assert again[key] == whole[key], key


def test_the_scale_of_fp16_is_part_of_the_checkpoint():
    states = []
    for scale in (1024.0, 8.0):
        network = nn.Linear(2, 2)
        optimiser = make_optimiser(network, PARAMETERS.protocols["stated"].optimiser)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        scaler.scale(torch.ones(()))  # makes the scale a tensor
        generators = Generators(0, torch.device("cpu"))
        states.append(loop.State(network, optimiser, scaler, None, generators))
    states[1].restore(states[0].to_dict())
    assert states[1].scaler.get_scale() == 1024


# ---------------------------------------------------------------- evaluations of finished runs

SHORT = {  # every kind on few images
    "interventions": {"train_images": 20},
    "localisation": {},
    "sanity": {"untrained": 2, "sample": 20},
    "interpretability": {"sample": 10, "windows": [8], "radii": [8]},
    "deletion": {"sample": 4, "steps": 2},
    "map_information": {"sample": 10},
    "calibration": {},
    "corruptions": {"sample": 10},
    "cross_domain": {"target": "elsewhere"},
}


def entries(**changes: dict):
    content = {
        kind: {"kind": kind} | given | changes.get(kind, {}) for kind, given in SHORT.items()
    }
    return check(dict[str, AnyEvaluation], content, "evaluations")


def around(data_folder: Path) -> Surroundings:
    return Surroundings(data_folder.parent, PARAMETERS.label_maps, torch.device("cpu"))


def test_every_kind_of_evaluation_is_tried():
    assert sorted(SHORT) == kinds()


@pytest.mark.parametrize("name", ["vgg", "vgg-att2", "vgg-aib-qt", "wrn-abn", "wrn-aib"])
def test_an_evaluation_says_what_it_found_or_why_not(data_folder, data, tmp_path, name):
    run(spec(name, protocol_of(name)), data, tmp_path)
    found = evaluate_run(record.read(tmp_path), entries(), around(data_folder))
    reasons = {kind: each["inapplicable"] for kind, each in found.items() if "numbers" not in each}
    assert "elsewhere is not here" in reasons.pop("cross_domain")
    expected = {
        "vgg": {"interventions", "localisation", "sanity", "map_information"},
        "vgg-att2": {"interventions", "map_information", "deletion"},
        "wrn-abn": {"interventions", "map_information"},
    }
    assert set(reasons) == expected.get(name, set())
    assert record.read(tmp_path).evaluation == json.loads(json.dumps(found))


def test_masks_are_cropped_as_the_images_were(data, data_folder, tmp_path):
    each, here = spec("wrn-aib", "stated-wrn"), around(data_folder)
    run(each, data, tmp_path)
    (found,) = evaluate_run(record.read(tmp_path), entries(), here, {"localisation"}).values()
    maps = load_subject(each, tmp_path / files.WEIGHTS, here).test.maps
    inside = cells.counts(np.array(data.test.masks[:, 2:34, 2:34]), maps.shape[1])
    expected = cells.auroc(maps, inside, cells.areas(32, maps.shape[1]) - inside).mean()
    assert found["numbers"]["as_learned"]["auroc"] == pytest.approx(expected, abs=1e-6)
    assert found["numbers"]["left_out"] == 0
    turned = found["numbers"]["chosen"] != found["numbers"]["as_learned"]
    assert turned == (found["numbers"]["polarity"] == "background")  # `neither` is not turned


def test_another_dataset_that_comes_later_is_looked_at_then(data_folder, data, tmp_path):
    run(spec("vgg", "stated"), data, tmp_path / "run")
    for name in (data_folder.name, "elsewhere"):
        here = around(tmp_path / data_folder.name)
        shutil.copytree(data_folder, tmp_path / name)
        (found,) = evaluate_run(
            record.read(tmp_path / "run"), entries(), here, {"cross_domain"}
        ).values()
        reason = found["inapplicable"]  # then that its images are larger than the network's
        assert ("is not here" in reason) == (name != "elsewhere")


def test_a_run_is_evaluated_on_its_own_data_only(data, tmp_path):
    run(spec("vgg", "stated"), data, tmp_path / "run")
    other = DATASET.model_copy(update={"generator_seed": 1})
    prepare("digits", other, tmp_path, tmp_path / "digits")
    with pytest.raises(AibError, match="not the data that"):
        evaluate_run(record.read(tmp_path / "run"), entries(), around(tmp_path / "digits"))


def test_masks_that_say_nothing_are_left_out_and_counted(data, data_folder, tmp_path):
    folder = shutil.copytree(data_folder, tmp_path / data_folder.name)
    masks = np.load(folder / "test_masks.npy")
    masks[0], masks[1] = 1, 0
    np.save(folder / "test_masks.npy", masks)
    digest = {"digest": stored_digest(folder, data.train.arrays())}
    files.write_json(folder / "manifest.json", data.manifest | digest)
    run(spec("wrn-aib", "stated-wrn"), load_data(folder), tmp_path / "run")
    each = entries(sanity={"sample": 20})
    here = around(folder)
    (found,) = evaluate_run(record.read(tmp_path / "run"), each, here, {"localisation"}).values()
    assert found["numbers"]["left_out"] == 2
    assert np.isfinite(found["numbers"]["as_learned"]["auroc"])


def test_a_subject_predicts_what_the_run_predicted_and_its_own_map_changes_nothing(
    data_folder, data, tmp_path
):
    each = spec("vgg-aib-qt", "stated", training__epochs=2)
    run(each, data, tmp_path)
    subject = load_subject(each, tmp_path / files.WEIGHTS, around(data_folder))
    kept = record.read(tmp_path).predictions
    assert np.array_equal(subject.test.predicted, kept["predicted"])
    images = subject.split("test").images
    replaced = subject.look(images, subject.test.used)
    assert np.allclose(replaced.log_probabilities, subject.test.log_probabilities, atol=1e-5)
    inverted = subject.look(images, 1 - subject.test.used)
    assert not np.allclose(inverted.log_probabilities, subject.test.log_probabilities, atol=1e-3)
    again = subject.look(images)  # nothing of a replacement stays
    assert np.array_equal(again.log_probabilities, subject.test.log_probabilities)
    drawn = [subject.untrained(draw).look(images).maps for draw in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])
    assert np.array_equal(subject.look(images).maps, subject.test.maps)
    fresh, layers = subject.untrained(0), subject.layers()
    assert layers[0].startswith("features")
    assert layers[-1].startswith("head")
    below = subject.with_layers_of(fresh, [n for n in layers if not n.startswith("features")])
    assert not np.allclose(below.look(images).maps, subject.test.maps)
    assert np.array_equal(below.test.norms, subject.test.norms)  # the features are as they were
    norm = next(n for n in layers if n.startswith("features.1") and n.endswith(".1"))
    mixed, theirs = (
        network.model.get_submodule(norm)
        for network in (subject.with_layers_of(fresh, [norm]), fresh)
    )
    assert torch.equal(mixed.weight, theirs.weight)
    assert not torch.allclose(mixed.running_mean, theirs.running_mean)  # of other features
    whole = subject.with_layers_of(fresh, layers).look(images)
    assert np.allclose(whole.maps, fresh.look(images).maps, atol=1e-5)
    with pytest.raises(RuntimeError):
        subject.look(images, np.ones((len(images), 3, 5)))
    assert np.array_equal(subject.look(images).maps, subject.test.maps)


def test_a_replaced_map_acts_as_the_networks_modulation_does(data_folder, data, tmp_path):
    each = spec("vgg-att", "stated", model__modulation="multiplicative")
    run(each, data, tmp_path)
    subject = load_subject(each, tmp_path / files.WEIGHTS, around(data_folder))
    images = subject.split("test").images
    replaced = subject.look(images, subject.test.used)
    assert np.allclose(replaced.log_probabilities, subject.test.log_probabilities, atol=1e-5)


def test_a_changed_part_alone_is_evaluated_again(data_folder, data, tmp_path):
    run(spec("vgg-att", "stated"), data, tmp_path)
    folder, here = tmp_path / record.PARTS, around(data_folder)
    first = evaluate_run(record.read(tmp_path), entries(), here, {"localisation", "sanity"})
    assert set(first) == {"localisation", "sanity"}
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    changed = entries(sanity={"sample": 10})
    second = evaluate_run(record.read(tmp_path), changed, here, {"sanity"})
    assert second["localisation"] == first["localisation"]
    assert second["sanity"] != first["sanity"]
    moved = {p.name for p in folder.iterdir() if p.stat().st_mtime_ns != times[p.name]}
    assert moved == {"sanity.json", "sanity.npz"}
    (folder / "localisation.npz").write_bytes(b"cut")
    third = evaluate_run(record.read(tmp_path), changed, here)
    assert third["localisation"]["numbers"] == first["localisation"]["numbers"]
    assert set(third) == set(SHORT)


def test_weights_of_another_network_are_one_line(data_folder, data, tmp_path):
    run(spec("vgg", "stated"), data, tmp_path)
    path, here = tmp_path / files.WEIGHTS, around(data_folder)
    with pytest.raises(AibError, match="weights of another network than 'vgg-att'"):
        load_subject(spec("vgg-att", "stated"), path, here)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AibError, match="no readable weights"):
        load_subject(spec("vgg", "stated"), path, here)
    with pytest.raises(AibError, match="not what training wrote"):
        evaluate_run(record.read(tmp_path), entries(), here)
