"""Our models compute, number by number, what the released ones compute."""

import math
from pathlib import Path

import golden_numbers
import pytest
import released
import torch
from golden_numbers import relative_error
from released import RELEASED_VGG, our_name

from aib.models import build
from aib.objective import losses
from aib.params import load
from aib.spec.models import FAMILIES
from aib.training.optimiser import make_optimiser, set_learning_rate

TOLERANCE = 1e-9
PARAMETERS = load(Path(__file__).parents[2])
PAPER = PARAMETERS.scales["paper"].networks


@pytest.fixture(params=golden_numbers.names(training=False))
def golden(request):
    return golden_numbers.read(request.param)


@pytest.fixture
def model(golden):
    return released.filled_model(golden)


def largest(errors: dict[str, float], tolerance: float = TOLERANCE) -> None:
    """Fail on the largest error; print all (pytest --capture=no shows them)."""
    print("".join(f"\n  {name:40} {error:.1e}" for name, error in errors.items()))
    worst = max(errors, key=errors.get)
    assert errors[worst] < tolerance, (worst, errors[worst])


def compare_gradients(golden, model) -> float:
    """The largest relative error of a gradient's norm."""
    family, parameters = released.family_of(golden), dict(model.named_parameters())
    highest = max(norm for norm in golden.gradient_norms.values() if norm)
    worst = 0.0
    for name, norm in golden.gradient_norms.items():
        ours = our_name(family, name)
        gradient = parameters[ours].grad if ours else None
        found = 0.0 if gradient is None else gradient.norm().item()
        if norm is None or norm < 1e-12 * highest:  # zero but for rounding, as before a BatchNorm
            assert found < 1e-12 * highest, name
        else:
            worst = max(worst, abs(found - norm) / norm)
    return worst


def test_training_forward_losses_and_gradients(golden, model):
    images, labels = golden.inputs()
    places = golden.arrays["eval/attention"].shape[-1]
    prediction = model.train()(images, 1, *golden.noise(1, places))
    result = losses(prediction, labels, released.objective(golden))
    result.total.backward()
    expected = golden.arrays
    errors = {
        "logits": relative_error(prediction.logits[0], expected["train/logits"]),
        "cross-entropy": relative_error(result.cross_entropy, expected["train/cross_entropy_bits"]),
        "kl": relative_error(result.penalty * math.log(2), expected["train/kl_nats"]),
        "total": relative_error(result.total, expected["train/loss"]),
        "gradient norms": compare_gradients(golden, model),
    }
    for name in ("codebook", "commitment"):
        if f"train/{name}_loss" in expected:
            errors[name] = relative_error(getattr(result, name), expected[f"train/{name}_loss"])
    largest(errors)


@torch.no_grad()
def test_evaluation_with_several_samples(golden, model):
    images, _ = golden.inputs()
    samples = golden.settings["eval_samples"]
    expected = golden.arrays
    shape = expected["eval/attention"].shape
    prediction = model.eval()(images, samples, *golden.noise(samples, shape[-1]))
    errors = {
        "logits": relative_error(prediction.logits.mean(0), expected["eval/logits"]),
        "maps": relative_error(prediction.attention.map.reshape(shape), expected["eval/attention"]),
    }
    if "eval/attention_quantised" in expected:
        quantised = prediction.attention.quantised.reshape(shape)
        errors["quantised maps"] = relative_error(quantised, expected["eval/attention_quantised"])
    largest(errors)


@pytest.mark.parametrize("name", golden_numbers.names(training=True))
def test_training_with_the_released_update(name):
    training = golden_numbers.read_training(name)
    golden = golden_numbers.read(training.settings["variant"])
    model = released.filled_model(golden).train()
    settings = released.optimiser(training)
    optimiser = make_optimiser(model, settings)
    set_learning_rate(optimiser, settings.learning_rate)
    pixels = golden.arrays["eval/attention"].shape[-1]
    found = []
    for number in range(training.settings["steps"]):
        images, labels, *noise = training.step(number, pixels)
        result = losses(model(images, 1, *noise), labels, released.objective(training))
        optimiser.zero_grad()
        result.total.backward()
        optimiser.step()
        kl = result.penalty * math.log(2)
        row = [result.cross_entropy, kl, result.codebook, result.commitment, result.total]
        found.append([value.item() for value in row])
    assert training.columns == [
        *("cross_entropy_bits", "kl_nats", "codebook_loss", "commitment_loss", "loss")
    ]
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    family, errors = released.family_of(golden), {}
    errors["losses"] = relative_error(torch.tensor(found, dtype=torch.float64), training.losses)
    for theirs, (norm, total) in training.final.items():
        ours = our_name(family, theirs)
        if ours is not None:
            tensor = tensors[ours].detach()
            apart = abs(float(tensor.sum()) - total) / (norm * math.sqrt(tensor.numel()))
            errors[theirs] = max(apart, abs(float(tensor.norm()) - norm) / norm)
    largest(errors, 1e-8)


def test_the_released_vgg_is_the_one_of_params():
    assert PAPER.vgg.blocks == RELEASED_VGG


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [  # facts.md 2.1
        ("vgg-aib", 10, 20_040_789),
        ("vgg-aib", 100, 20_063_919),
        ("vgg-aib-qt", 10, 20_040_789 + 20),
        ("wrn-aib", 10, 65_004_500),
        ("wrn-aib", 100, 65_109_260),
        ("wrn-aib-qt", 10, 65_004_500 + 50),
        ("vgg16-aib", 200, 17_196_307),
        ("vgg16-aib-qt", 200, 24_275_751),
        # The release keeps 20,736,000 parameters that nothing reads (#41); ours does not.
        ("wrn50-2-aib", 200, 130_726_675 - 20_736_000),
        ("wrn50-2-aib-qt", 200, 130_726_675 - 20_736_000 + 20),
    ],
)
def test_parameter_counts_of_the_release(name, classes, count):
    model = PARAMETERS.models[name]
    family = FAMILIES[model.family]
    with torch.device("meta"):
        network = build(model, getattr(PAPER, family.sizes), classes, family.image_size)
    assert sum(p.numel() for p in network.parameters()) == count


# How the release calls what it takes from torchvision, and what it adds (facts.md 2.1, 4.2).
TORCHVISION_NAMES = {
    "vgg16": lambda name: f"features.{name}",
    "wrn50-2": lambda name: name,
}
ADDED_NAMES = {
    "vgg16": ["encode.2", *(f"att_module_mu.{index}" for index in (0, 2, 4, 6))],
    "wrn50-2": ["encode.3", "att_module_mu.1"],
}


@pytest.mark.parametrize("name", ["vgg16-aib-qt", "wrn50-2-aib-qt"])
def test_every_tensor_of_the_large_networks_has_a_released_name(name):
    """Their golden numbers are not here; the name maps are, and this keeps them whole."""
    model = PARAMETERS.models[name]
    with torch.device("meta"):
        network = build(model, PAPER.imagenet, 200, 224)
    ours = {n for n in network.state_dict() if not n.endswith("tracked")}
    backbone = [n.removeprefix("features.") for n in network.backbone()]
    if name.startswith("wrn"):
        backbone += [f"att_{n}" for n in backbone if n.startswith("layer4.")]
    rename = TORCHVISION_NAMES[model.family]
    theirs = {rename(n) for n in backbone if not n.endswith("tracked")} | {"emb.weight"}
    for module in [*ADDED_NAMES[model.family], "att_module_std.0", "decode.0", "decode.2"]:
        theirs |= {f"{module}.weight", f"{module}.bias"}
    assert {our_name(model.family, n) for n in theirs} == ours
    assert len(theirs) == len(ours)
