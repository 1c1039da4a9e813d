"""The paper's baselines against their definitions, computed the slow way."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from aib.errors import AibError
from aib.models import build
from aib.models.baselines import PayAttention
from aib.objective import BITS, losses
from aib.params import load
from aib.spec.models import Block, VGGNetwork, WRNNetwork

PARAMETERS = load(Path(__file__).parents[2])
PAPER = PARAMETERS.scales["paper"].networks
SMALL = VGGNetwork(
    blocks=(
        Block(channels=4, layers=1),
        Block(channels=5, layers=2, pool="after"),
        Block(channels=6, layers=1, pool="after"),
        Block(channels=6, layers=2, pool="each"),
    ),
    attention_after=2,
    dense=8,
    latent=3,
)
NARROW = WRNNetwork(depth=10, widen=1, latent=4)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("channels", [6, 4])
def test_pay_attention_place_by_place(channels):
    torch.manual_seed(0)
    attend, local, summary = (
        PayAttention(channels, 6),
        torch.rand(2, channels, 3, 4),
        torch.rand(2, 6),
    )
    vector, weights = attend(local, summary)
    direction = attend.compatibility.weight.flatten()
    for image in range(2):
        mapped = summary[image] if channels == 6 else attend.project.weight @ summary[image]
        places = local[image].flatten(1).T  # (12, channels)
        scores = torch.stack([direction @ (place + mapped) for place in places])
        expected = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(weights[image].flatten(), expected)
        torch.testing.assert_close(vector[image], expected @ places)


@pytest.mark.parametrize(("name", "widths"), [("vgg-att2", [5, 6]), ("vgg-att3", [4, 5, 6])])
def test_pay_attends_to_the_blocks_before_the_last_and_nothing_else_classifies(name, widths):
    model = build(PARAMETERS.models[name], SMALL, 10, 32).eval()
    assert model.head.in_features == sum(widths)
    sizes = []
    for attention in model.attentions:
        attention.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[1:]))
    prediction = model(torch.rand(2, 3, 32, 32))
    # Before their pooling: the first two blocks at full size, the third at half.
    assert sizes == [(4, 32, 32), (5, 32, 32), (6, 16, 16)][-len(widths) :]
    assert prediction.attention.map.shape == (2, 1, 16, 16)
    assert prediction.attention.map.amax((1, 2, 3)).tolist() == [1, 1]
    assert prediction.attention.map.amin((1, 2, 3)).tolist() == [0, 0]


def test_pay_needs_enough_blocks():
    model = PARAMETERS.models["vgg-att3"].model_copy(update={"levels": 4})
    with pytest.raises(AibError, match="'levels' is 4, and 3 blocks stand before the last one"):
        build(model, SMALL, 10, 32)


def test_the_class_activation_map_adds_up_to_the_logit():
    torch.manual_seed(0)
    model = build(PARAMETERS.models["vgg-gap"], SMALL, 10, 32).eval()
    images = torch.rand(2, 3, 32, 32)
    prediction = model(images)
    features, winners = model.features(images), prediction.logits[0].argmax(dim=1)
    for image, winner in enumerate(winners):
        activation = (model.head.weight[winner, :, None, None] * features[image]).sum(0)
        logit = activation.mean() + model.head.bias[winner]
        torch.testing.assert_close(logit, prediction.logits[0, image, winner])
        seen = prediction.attention.map[image, 0]
        torch.testing.assert_close(
            seen, (activation - activation.min()) / (activation.max() - activation.min())
        )


def test_the_branch_of_abn_has_its_own_loss_and_its_map_weights_the_features():
    torch.manual_seed(0)
    model = build(PARAMETERS.models["wrn-abn"], NARROW, 10, 32).eval()
    images, labels = torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 2])
    prediction = model(images)
    result = losses(prediction, labels, PARAMETERS.protocols["stated"].objective)
    own = functional.cross_entropy(prediction.logits[0], labels) * BITS
    branch = functional.cross_entropy(prediction.branch_logits, labels) * BITS
    torch.testing.assert_close(result.total, own + branch)
    torch.testing.assert_close(result.branch, branch)
    features = model.features(images)
    weighted = model.head(model.trunk(features * (1 + prediction.attention.map)))
    torch.testing.assert_close(weighted, prediction.logits[0])
    result.total.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_abn_is_the_released_attention_with_one_convolution_more():
    with torch.device("meta"):
        abn, aib, wrn = (
            build(PARAMETERS.models[name], PAPER.wrn, 10, 32)
            for name in ("wrn-abn", "wrn-aib", "wrn")
        )
    more = count(abn) - count(wrn)
    assert more == count(aib.attention.scores) + 10 * 10  # facts.md 3.3: att_conv2


def test_wide_resnets_have_the_published_number_of_parameters():
    with torch.device("meta"):
        model = build(PARAMETERS.models["wrn"], PAPER.wrn, 10, 32)
    assert round(count(model) / 1e6, 1) == 36.5  # Zagoruyko and Komodakis 2016, table 1
