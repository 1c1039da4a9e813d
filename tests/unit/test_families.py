"""What every family promises: means, samples, sizes, start weights, and errors that explain."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from aib.errors import AibError
from aib.models import build
from aib.models.description import describe
from aib.models.imagenet import AveragePool
from aib.models.initialise import initialise
from aib.models.wrn import PreActivationBlock
from aib.objective import losses, rate
from aib.params import ParameterError, check, load
from aib.spec.models import FAMILIES, LatentNetwork, Networks, WRNNetwork

PARAMETERS = load(Path(__file__).parents[2])
PAPER = PARAMETERS.scales["paper"].networks
SIZES = {
    "vgg": PAPER.vgg.model_copy(
        update={"blocks": tuple(b.model_copy(update={"channels": 4}) for b in PAPER.vgg.blocks)}
    ),
    "wrn": WRNNetwork(depth=10, widen=1, latent=4),
    "imagenet": LatentNetwork(latent=4),
}
SMALL = [n for n, m in PARAMETERS.models.items() if FAMILIES[m.family].sizes != "imagenet"]


def make(name: str, size: int = 32) -> nn.Module:
    model = PARAMETERS.models[name]
    torch.manual_seed(0)
    return build(model, SIZES[FAMILIES[model.family].sizes], 10, size)


@pytest.mark.parametrize("name", [*SMALL, "vgg16-aib-qt", "wrn50-2-dvib"])
def test_means_and_several_samples(name):
    parameters, network = PARAMETERS.models[name], make(name).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        first, again, drawn = network(images, 0), network(images, 0), network(images, 3)
    assert torch.equal(first.logits, again.logits)
    assert first.logits.shape == (1, 2, 10)
    sampled = parameters.has_rate
    attends = getattr(parameters, "attention", "none") != "none"  # baselines have maps, no noise
    draws = (3 if attends else 1) * (3 if sampled else 1)
    assert drawn.logits.shape == (draws, 2, 10)
    assert (first.attention is not None) == parameters.has_map
    assert (rate(first) > 0) == parameters.has_rate
    if sampled:
        assert first.latent_mean.min() < 0  # the head has not changed it in place


@pytest.mark.parametrize(("name", "size"), [("wrn-aib-qt", 40), ("wrn-abn", 20), ("vgg16-aib", 48)])
def test_other_input_sizes(name, size):
    with torch.no_grad():
        prediction = make(name, size).eval()(torch.rand(1, 3, size, size), 0)
    side = 3 if name == "vgg16-aib" else size // 2
    assert prediction.attention.map.shape[2:] == (side, side)


def test_the_large_residual_network_trains_all_of_itself():
    network = make("wrn50-2-aib-qt", 64).train()
    prediction = network(torch.rand(2, 3, 64, 64))
    labels = torch.tensor([0, 1])
    losses(prediction, labels, PARAMETERS.protocols["released-cub"].objective).total.backward()
    assert prediction.attention.map.shape[2:] == (4, 4)  # that of layer3, though layer4 halves
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [name for name in idle if not name.endswith(".bias")]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 14, 17])
def test_average_pooling_is_that_of_torch(size):
    maps = torch.rand(2, 3, size, size + 1, dtype=torch.float64, requires_grad=True)
    found, expected = AveragePool(3)(maps), nn.AdaptiveAvgPool2d(3)(maps)
    torch.testing.assert_close(found, expected)
    weights = torch.rand_like(found)
    gradients = [
        torch.autograd.grad((pooled * weights).sum(), maps)[0] for pooled in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", PARAMETERS.models)
def test_no_operation_is_without_a_deterministic_gradient_on_a_gpu(name):
    """AdaptiveAvgPool2d to more than one place has none; training there would stop."""
    model = PARAMETERS.models[name]
    family = FAMILIES[model.family]
    with torch.device("meta"):
        network = build(model, getattr(PAPER, family.sizes), 10, family.image_size)
    for module in network.modules():
        if isinstance(module, nn.AdaptiveAvgPool2d):
            assert module.output_size == 1


@pytest.mark.parametrize("name", ["vgg-aib-qt", "wrn-aib-qt"])
def test_the_layers_that_are_shown_hold_all_parameters(name):
    family = FAMILIES[PARAMETERS.models[name].family]
    sizes = getattr(PAPER, family.sizes)
    found = describe(PARAMETERS.models[name], sizes, 10, family.image_size)
    layers = {layer.name: layer.parameters for layer in found.layers}
    assert sum(layers.values()) == found.parameters


def test_standard_sizes_of_the_map():
    found = {}
    for name in ("vgg-aib", "wrn-aib", "vgg16-aib", "wrn50-2-aib"):
        family = FAMILIES[PARAMETERS.models[name].family]
        sizes = getattr(PAPER, family.sizes)
        found[name] = describe(PARAMETERS.models[name], sizes, 10, family.image_size).attention
    assert found == {  # facts.md 2.1
        "vgg-aib": (16, 16),
        "wrn-aib": (16, 16),
        "vgg16-aib": (14, 14),
        "wrn50-2-aib": (14, 14),
    }


def test_operations_are_counted_as_multiply_and_add():
    layers = describe(PARAMETERS.models["wrn"], SIZES["wrn"], 10, 32)
    counted: list[int] = []
    model = make("wrn").eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda m, _, out: counted.append(2 * m.weight.numel() * out[0, 0].numel())
            )
    model(torch.rand(1, 3, 32, 32), 0)
    assert layers.operations == sum(counted)


def test_dropout_stands_between_the_convolutions_and_only_while_training():
    torch.manual_seed(0)
    block, features = PreActivationBlock(4, 4, 1, dropout=0.5), torch.rand(2, 4, 8, 8)
    assert not torch.equal(block.train()(features), block(features))
    assert torch.equal(block.eval()(features), block(features))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"wrn": {"depth": 27, "widen": 2, "latent": 4}}, "6n + 4"),
        ({"wrn": {"depth": 4, "widen": 2, "latent": 4}}, "greater than or equal to 10"),
        ({"wrn": {"depth": 28, "widen": 0, "latent": 4}}, "wrn.widen"),
        ({"wrm": {"depth": 28, "widen": 1, "latent": 4}}, "nearest: 'wrn'"),
    ],
)
def test_impossible_sizes_are_one_line(entry, words):
    with pytest.raises(ParameterError, match=r"^scales: [^\n]*$") as caught:
        check(Networks, entry, "scales")
    assert words in str(caught.value)


def test_an_image_too_small_for_vgg16_is_one_clear_error():
    with pytest.raises(AibError, match="12 pixels are too small for VGG-16: 16 at least"):
        make("vgg16-aib", 12)


@pytest.mark.parametrize("scheme", ["released-wrn", "released-cub-wrn"])
def test_the_start_weights_of_wide_resnets(scheme):
    network = make("wrn-aib")
    initialise(network, scheme, torch.Generator().manual_seed(0))
    convolution = network.trunk[0][0].convolution1  # which changes the width
    expected = math.sqrt(2 / (9 * convolution.out_channels))
    assert convolution.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert network.trunk[1].weight.unique().tolist() == [1]
    assert not network.trunk[1].bias.any()
    linear = network.bottleneck.encode
    assert linear.weight.abs().max() <= linear.in_features**-0.5
    assert linear.bias.any() == (scheme == "released-cub-wrn")
    assert network.attention.spread.bias.any()  # PyTorch's own, as facts.md 2.1 says nothing


def test_start_weights_depend_on_their_generator_alone():
    first, second = make("wrn-aib-qt"), make("wrn-aib-qt")
    for number, network in enumerate((first, second)):
        torch.manual_seed(number)
        initialise(network, "released-wrn", torch.Generator().manual_seed(7))
    for mine, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(mine, other)
