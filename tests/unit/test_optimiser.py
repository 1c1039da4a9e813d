"""Our descent is torch.optim's, with the anchors treated as the protocol says."""

from pathlib import Path

import pytest
import torch
from torch import nn

from aib.models import build
from aib.objective import losses
from aib.params import load
from aib.training.optimiser import clip_gradients, make_optimiser, set_learning_rate

PARAMETERS = load(Path(__file__).parents[2])
NETWORK = PARAMETERS.scales["quick"].networks.vgg
PROTOCOL = PARAMETERS.protocols["stated-short"]


def model(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    # In float64, because Adam makes whole steps of gradients that are zero but for rounding.
    return build(PARAMETERS.models["vgg-aib-qt"], NETWORK, 10, 32).double()


def differentiate(network: torch.nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = torch.rand(8, 3, 32, 32).double(), torch.arange(8)
    losses(network(images), labels, PROTOCOL.objective).total.backward()


def step(optimiser: torch.optim.Optimizer, rate: float) -> None:
    set_learning_rate(optimiser, rate)
    optimiser.step()


def torch_sgd(parameters, groups):
    how = {"momentum": parameters.momentum, "nesterov": parameters.nesterov}
    return torch.optim.SGD(groups, lr=1.0, **how)


def torch_adam(parameters, groups):
    return torch.optim.Adam(groups, lr=1.0, betas=parameters.betas)


@pytest.mark.parametrize("wrap", [lambda network: network, nn.DataParallel])  # #16
@pytest.mark.parametrize(
    ("protocol", "changes", "make"),
    [
        ("stated-short", {"nesterov": False}, torch_sgd),
        ("stated-short", {"nesterov": True}, torch_sgd),
        ("released-cub", {"weight_decay": 5e-4}, torch_adam),
    ],
)
@pytest.mark.parametrize(("ratio", "decay"), [(1.0, True), (1e-4, False)])
def test_equal_to_torch_optim(protocol, changes, make, ratio, decay, wrap):
    changes |= {"anchor_lr_ratio": ratio, "anchor_weight_decay": decay}
    parameters = PARAMETERS.protocols[protocol].optimiser.model_copy(update=changes)
    ours, theirs = model(), model()
    optimiser = make_optimiser(wrap(ours), parameters)
    anchors = [theirs.attention.quantiser.anchors]
    others = [p for p in theirs.parameters() if p is not anchors[0]]
    groups = [
        {"params": others, "weight_decay": parameters.weight_decay, "share": 1.0},
        {
            "params": anchors,
            "weight_decay": parameters.weight_decay if decay else 0.0,
            "share": ratio,
        },
    ]
    oracle = make(parameters, groups)
    for number, rate in enumerate([0.1, 0.05, 0.2]):
        for network in (ours, theirs):
            network.zero_grad()
            differentiate(network, number)
        step(optimiser, rate)
        for group in oracle.param_groups:
            group["lr"] = rate * group["share"]
        oracle.step()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine, other, rtol=1e-5, atol=1e-7), name


@pytest.mark.parametrize(("ratio", "moves"), [(1.0, True), (0.0, False)])
def test_the_anchors_move_only_when_they_may(ratio, moves):
    network = model()
    parameters = PROTOCOL.optimiser.model_copy(update={"anchor_lr_ratio": ratio})
    before = network.attention.quantiser.anchors.detach().clone()
    differentiate(network, 0)
    step(make_optimiser(network, parameters), 0.1)
    assert torch.equal(before, network.attention.quantiser.anchors) != moves


def test_weight_decay_pulls_unused_anchors_to_zero_only_where_it_is_on():
    for decays in (True, False):
        network = model()
        changes = {"anchor_weight_decay": decays, "anchor_lr_ratio": 1.0, "weight_decay": 0.1}
        parameters = PROTOCOL.optimiser.model_copy(update=changes)
        anchors = network.attention.quantiser.anchors
        anchors.grad = torch.zeros_like(anchors)  # as for anchors that no score is near (#19)
        step(make_optimiser(network, parameters), 0.5)
        expected = torch.linspace(0, 1, len(anchors)).double() * (1 - 0.1 * 0.5 * decays)
        assert torch.allclose(anchors, expected)


@pytest.mark.parametrize("protocol", ["stated-short", "released-cub"])
def test_a_restored_state_goes_on_exactly(protocol):
    straight, resumed = model(), model()
    rates = PARAMETERS.protocols[protocol].optimiser
    optimisers = [make_optimiser(network, rates) for network in (straight, resumed)]
    for optimiser, network in zip(optimisers, (straight, resumed), strict=True):
        differentiate(network, 0)
        step(optimiser, 0.1)
        optimiser.zero_grad()
    again = make_optimiser(resumed, rates)
    again.load_state_dict(optimisers[1].state_dict())
    for optimiser, network in ((optimisers[0], straight), (again, resumed)):
        differentiate(network, 1)
        step(optimiser, 0.1)
    for mine, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_gradients_are_clipped_by_the_norm_of_all_together():
    network = model()
    optimiser = make_optimiser(network, PROTOCOL.optimiser)
    differentiate(network, 0)
    before = [p.grad.clone() for p in network.parameters()]
    norm = torch.stack([g.norm() for g in before]).norm()
    clip_gradients(optimiser, norm.item() * 2)
    for gradient, parameter in zip(before, network.parameters(), strict=True):
        assert torch.equal(gradient, parameter.grad)
    clip_gradients(optimiser, norm.item() / 4)
    for gradient, parameter in zip(before, network.parameters(), strict=True):
        assert torch.allclose(gradient / 4, parameter.grad, rtol=1e-4)
