"""Our VGG computes, number by number, what the released one computes."""

from pathlib import Path

import golden_numbers
import pytest
import torch
from golden_numbers import relative_error

from aib.models import build
from aib.objective import losses
from aib.params import load

TOLERANCE = 1e-9
PARAMETERS = load(Path(__file__).parents[2])
RELEASED_BLOCKS = ["features.0", "features.1", "features.2", "encode.0", "encode.2", "encode.4"]
OUR_BLOCKS = ["features.0", "features.1", "features.2", "trunk.0", "trunk.1", "trunk.2"]
OTHERS = {
    "encode.5": "trunk.3",
    "encode.8": "bottleneck.encode",
    "att_module_mu.0": "attention.scores",
    "att_module_std.0": "attention.spread",
    "decode.0": "head.0",
    "decode.2": "head.2",
}


def our_name(released: str) -> str:
    module, _, tensor = released.rpartition(".")
    if ".op." in module:
        block, _, layer = module.partition(".op.")
        return f"{OUR_BLOCKS[RELEASED_BLOCKS.index(block)]}.{layer}.{tensor}"
    return f"{OTHERS[module]}.{tensor}"


def standard_vgg(name: str, classes: int = 10) -> torch.nn.Module:
    network = PARAMETERS.scales["paper"].networks["vgg"]
    return build(PARAMETERS.models[name], network, classes, image_size=32)


@pytest.fixture(scope="module")
def golden():
    return golden_numbers.read("vgg_aib")


@pytest.fixture
def model(golden):
    model = standard_vgg("vgg-aib").double()
    golden_numbers.fill_model(model, golden, {name: our_name(name) for name, *_ in golden.weights})
    return model


def test_training_forward_losses_and_gradients(golden, model):
    images, labels = golden.inputs()
    objective = PARAMETERS.protocols["released-vgg"].objective
    prediction = model.train()(images, 1, *golden.noise(1, 16 * 16))
    result = losses(prediction, labels, objective)
    result.total.backward()
    nats = result.penalty.item() * torch.log(torch.tensor(2.0, dtype=torch.float64))
    expected = golden.arrays
    errors = {
        "logits": relative_error(prediction.logits[0], expected["train/logits"]),
        "cross-entropy": relative_error(result.cross_entropy, expected["train/cross_entropy_bits"]),
        "kl": relative_error(nats, expected["train/kl_nats"]),
        "loss": relative_error(result.total, expected["train/loss"]),
    }
    parameters = dict(model.named_parameters())
    largest = max(norm for norm in golden.gradient_norms.values() if norm)
    for name, norm in golden.gradient_norms.items():
        found = parameters[our_name(name)].grad.norm().item()
        if norm < 1e-9 * largest:  # a bias before BatchNorm: its gradient is zero but for rounding
            assert found < 1e-9 * largest, name
        else:
            errors[f"gradient of {name}"] = abs(found - norm) / norm
    worst = max(errors, key=errors.get)
    print(f"largest relative error: {errors[worst]:.1e} ({worst})")
    assert errors[worst] < TOLERANCE, (worst, errors[worst])


@torch.no_grad()
def test_evaluation_with_four_by_four_samples(golden, model):
    images, _ = golden.inputs()
    samples = golden.settings["eval_samples"]
    prediction = model.eval()(images, samples, *golden.noise(samples, 16 * 16))
    maps = prediction.attention.map.reshape(samples, len(images), 16 * 16)
    assert relative_error(prediction.logits.mean(0), golden.arrays["eval/logits"]) < TOLERANCE
    assert relative_error(maps, golden.arrays["eval/attention"]) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [
        ("vgg-aib", 10, 20_040_789),
        ("vgg-aib", 100, 20_063_919),
        ("vgg-aib-qt", 10, 20_040_809),
    ],
)
def test_parameter_counts_of_the_release(name, classes, count):
    assert sum(p.numel() for p in standard_vgg(name, classes).parameters()) == count
