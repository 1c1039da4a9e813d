"""Our descent is torch.optim's, with the anchors treated as the protocol says."""

from pathlib import Path

import pytest
import torch

from aib.models import build
from aib.objective import losses
from aib.params import load
from aib.training.optimiser import SGD

PARAMETERS = load(Path(__file__).parents[2])
NETWORK = PARAMETERS.scales["quick"].networks["vgg"]
PROTOCOL = PARAMETERS.protocols["stated-short"]


def model(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build(PARAMETERS.models["vgg-aib-qt"], NETWORK, 10, 32)


def differentiate(network: torch.nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = torch.rand(8, 3, 32, 32), torch.arange(8)
    losses(network(images), labels, PROTOCOL.objective).total.backward()


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(("ratio", "decay"), [(1.0, True), (1e-4, False)])
def test_equal_to_torch_optim(nesterov, ratio, decay):
    changes = {"nesterov": nesterov, "anchor_lr_ratio": ratio, "anchor_weight_decay": decay}
    parameters = PROTOCOL.optimiser.model_copy(update=changes)
    ours, theirs = model(), model()
    optimiser = SGD(ours, parameters)
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
    oracle = torch.optim.SGD(groups, lr=1.0, momentum=parameters.momentum, nesterov=nesterov)
    for step, rate in enumerate([0.1, 0.05, 0.2]):
        for network in (ours, theirs):
            network.zero_grad()
            differentiate(network, step)
        optimiser.step(rate)
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
    SGD(network, parameters).step(0.1)
    assert torch.equal(before, network.attention.quantiser.anchors) != moves


def test_a_restored_state_goes_on_exactly():
    straight, resumed = model(), model()
    optimisers = [SGD(network, PROTOCOL.optimiser) for network in (straight, resumed)]
    for optimiser, network in zip(optimisers, (straight, resumed), strict=True):
        differentiate(network, 0)
        optimiser.step(0.1)
        optimiser.zero_grad()
    again = SGD(resumed, PROTOCOL.optimiser)
    again.load_state_dict(optimisers[1].state_dict())
    for optimiser, network in ((optimisers[0], straight), (again, resumed)):
        differentiate(network, 1)
        optimiser.step(0.1)
    for mine, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(mine, other)
