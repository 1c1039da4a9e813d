"""Attention, anchors, bottleneck and objective, against hand-worked values and invariants."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aib.errors import AibError
from aib.models import AnchorQuantiser, IBSpatialAttention, Prediction, build, gaussian_kl
from aib.models.attention import gaussian_sample
from aib.models.initialise import initialise
from aib.objective import losses, rate, warmed_beta
from aib.params import load
from aib.spec.models import AttentionModel, Block, VGGNetwork
from aib.spec.parts import Objective

PARAMETERS = load(Path(__file__).parents[2])
SMALL = VGGNetwork(
    blocks=(Block(channels=4, layers=1, pool="after"), Block(channels=6, layers=1, pool="each")),
    attention_after=1,
    dense=8,
    latent=3,
)


def objective(**changes) -> Objective:
    values = {"kl_scale": "stated", "kl_factor": 1.0, "beta": 0.01}
    return Objective(**values | {"codebook_weight": 0.4, "commitment_weight": 0.1} | changes)


def prediction_with(mean: float, std: float) -> Prediction:
    return Prediction(torch.zeros(1, 2, 2), torch.full((2, 3), mean), torch.full((2, 3), std))


@pytest.mark.parametrize(
    ("mean", "std", "released", "stated"),
    [  # nats a dimension at mean 0: the values of facts.md #1, to their printed digits
        (0.0, 0.1, 0.011, 1.81),
        (0.0, 0.5, 0.36, 0.32),
        (0.0, 1.0, 2.19, 0.0),
        # by hand: 0.5 * (1 + e - 1) - 0.5 = 0.859 and 0.5 * (1 + 0.25 - 1) + ln 2 = 0.818
        (1.0, 0.5, 0.859, 0.818),
    ],
)
def test_kl_scales_against_hand_worked_values(mean, std, released, stated):
    labels = torch.tensor([0, 1])
    for scale, nats in (("released", released), ("stated", stated)):
        result = losses(prediction_with(mean, std), labels, objective(kl_scale=scale))
        assert result.penalty.item() * math.log(2) / 3 == pytest.approx(nats, abs=0.005)
    # The reported rate is the encoder's own, whichever was trained.
    assert result.rate.item() * math.log(2) / 3 == pytest.approx(stated, abs=0.005)


def test_total_adds_the_terms_in_their_units():
    labels = torch.tensor([0, 1])
    result = losses(prediction_with(1.0, 0.5), labels, objective(beta=0.1, kl_factor=0.5))
    assert result.cross_entropy.item() == pytest.approx(1.0)  # one bit between two classes
    assert result.total.item() == pytest.approx(1.0 + 0.1 * 0.5 * result.penalty.item())


def test_gaussian_kl_is_zero_only_at_the_prior():
    assert gaussian_kl(torch.zeros(4, 5), torch.ones(4, 5)).item() == 0
    assert gaussian_kl(torch.zeros(4, 5), torch.full((4, 5), 1.1)).item() > 0


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-0.5, 1.5, width=32), min_size=1, max_size=30),
    st.integers(2, 50),
)
def test_quantised_scores_are_the_nearest_anchors(scores, count):
    quantiser, scores = AnchorQuantiser(count), torch.tensor(scores)
    quantised, codebook, commitment = quantiser(scores)
    distances = (scores.unsqueeze(1) - quantiser.anchors).abs().min(dim=1).values
    assert torch.allclose((quantised - scores).abs(), distances, atol=1e-6)
    assert codebook.item() == pytest.approx(distances.square().mean().item(), abs=1e-6)
    assert commitment.item() == pytest.approx(codebook.item())


def test_gradients_of_the_quantiser_go_where_the_method_says():
    quantiser = AnchorQuantiser(5)
    scores = torch.tensor([0.1, 0.6], requires_grad=True)
    quantised, codebook, commitment = quantiser(scores)

    def gradients(output: torch.Tensor) -> tuple:
        inputs = (scores, quantiser.anchors)
        return torch.autograd.grad(output.sum(), inputs, retain_graph=True, allow_unused=True)

    to_scores, to_anchors = gradients(quantised)
    assert to_scores.tolist() == [1, 1]  # straight through
    assert to_anchors is None  # and never to the anchors
    to_scores, to_anchors = gradients(codebook)
    assert to_scores is None
    assert to_anchors.any()
    to_scores, to_anchors = gradients(commitment)
    assert to_scores.any()
    assert to_anchors is None


def test_fewer_than_two_anchors_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        AnchorQuantiser(1)


@pytest.mark.parametrize("anchors", [None, 20])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 7), (1, 1)])
def test_the_attention_module_works_in_any_network(anchors, height, width):
    features = torch.rand(2, 6, height, width)
    modulated, attention = IBSpatialAttention(6, anchors)(features, samples=3)
    assert modulated.shape == (6, 6, height, width)
    assert attention.map.shape == (6, 1, height, width)
    expected = features.repeat(3, 1, 1, 1) * (1 + attention.quantised)
    assert torch.allclose(modulated, expected)


def test_the_spread_comes_from_the_map_and_starts_small():
    torch.manual_seed(0)
    _, attention = IBSpatialAttention(16)(torch.rand(4, 16, 8, 8))
    assert attention.std.max() < 0.02  # facts.md #6: about 0.006
    assert ((attention.mean > 0) & (attention.mean < 1)).all()


def test_samples_are_stacked_sample_by_sample():
    mean, std = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.1], [0.1]])
    noise = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    drawn = gaussian_sample(mean, std, 2, noise).flatten()
    assert drawn.tolist() == pytest.approx([1.0, 2.1, 1.2, 2.3])


@pytest.mark.parametrize("name", ["vgg", "vgg-dvib", "vgg-aib", "vgg-aib-qt"])
def test_every_vgg_predicts_with_means_one_and_several_samples(name):
    model = build(PARAMETERS.models[name], SMALL, 10, 32).eval()
    images = torch.rand(5, 3, 32, 32)
    draws = {0: 1, 1: 1, 3: 9 if "aib" in name else 3}
    for samples, count in draws.items():
        prediction = model(images, samples)
        assert prediction.logits.shape == (1 if name == "vgg" else count, 5, 10)
    assert torch.equal(model(images, 0).logits, model(images, 0).logits)
    assert (rate(prediction) > 0) == (name != "vgg")


@pytest.mark.parametrize("size", [32, 48, 40])
def test_other_input_sizes_work(size):
    model = build(PARAMETERS.models["vgg-aib-qt"], SMALL, 10, size)
    prediction = model(torch.rand(2, 3, size, size))
    assert prediction.attention.map.shape == (2, 1, size // 2, size // 2)


def test_an_image_too_small_for_the_pools_is_one_clear_error():
    with pytest.raises(AibError, match="3 pixels is too small: block 2"):
        build(PARAMETERS.models["vgg"], SMALL, 10, 3)


def test_released_initialisation():
    model = build(PARAMETERS.models["vgg-aib-qt"], SMALL, 10, 32)
    initialise(model, "released-vgg", torch.Generator().manual_seed(0))
    convolution, norm = model.features[0][0], model.features[0][1]
    bound = math.sqrt(2) * math.sqrt(6 / (3 * 9 + 4 * 9))
    assert 0.9 * bound < convolution.weight.abs().max() <= bound
    assert not convolution.bias.any()
    assert norm.weight.min() >= 0
    assert norm.weight.std() > 0.05
    assert torch.equal(model.attention.quantiser.anchors, torch.linspace(0, 1, 20))


def test_pytorch_initialisation_is_pytorchs_own_distribution():
    layer = nn.Linear(100, 1000)
    reference = layer.weight.std().item(), layer.bias.std().item()
    initialise(layer, "pytorch", torch.Generator().manual_seed(0))
    assert layer.weight.std().item() == pytest.approx(reference[0], rel=0.02)
    assert layer.bias.std().item() == pytest.approx(reference[1], rel=0.1)


@pytest.mark.parametrize("attention", ["continuous", "quantised"])
def test_attention_without_a_bottleneck_modulates_and_has_its_losses(attention):
    anchors = 5 if attention == "quantised" else None
    model = AttentionModel(family="vgg", attention=attention, anchors=anchors)
    network = build(model, SMALL, 10, 32)
    images, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    result = losses(network(images), labels, objective())
    assert result.rate == result.penalty == 0
    assert (result.codebook > 0) == (anchors is not None)
    result.total.backward()
    assert network.attention.scores.weight.grad.norm() > 0


def test_a_deterministic_bottleneck_is_the_variational_one_without_noise():
    def network(bottleneck):
        torch.manual_seed(0)
        model = AttentionModel(family="vgg", attention="continuous", bottleneck=bottleneck)
        return build(model, SMALL, 10, 32).eval()

    deterministic, variational = network("deterministic"), network("variational")
    assert deterministic.state_dict().keys() == variational.state_dict().keys()
    images = torch.rand(2, 3, 32, 32)
    found, means = deterministic(images, 0), variational(images, 0)
    assert torch.equal(found.logits, means.logits)
    assert found.latent_std is None
    result = losses(found, torch.arange(2), objective())
    assert result.rate == result.penalty == 0


def test_multiplicative_modulation_is_without_the_features_themselves():
    attention = IBSpatialAttention(3, modulation="multiplicative")
    features = torch.rand(2, 3, 5, 5)
    modulated, found = attention(features, 0)
    assert torch.equal(modulated, features * found.mean)


def test_a_deviation_that_underflowed_has_a_finite_kl_and_no_gradient_of_nan():
    raw = torch.tensor([[-200.0, 1.0]], requires_grad=True)
    std = torch.nn.functional.softplus(raw - 5)
    assert std[0, 0] == 0
    kl = gaussian_kl(torch.zeros(1, 2), std)
    kl.backward()
    assert torch.isfinite(kl)
    assert torch.isfinite(raw.grad).all()


def test_beta_rises_linearly_to_its_value():
    warmed = objective(beta=0.5, beta_warmup_epochs=4)
    assert [warmed_beta(warmed, epoch) for epoch in (0, 1, 3, 4, 9)] == [
        *(0, 0.125, 0.375, 0.5, 0.5)
    ]
    prediction = build(AttentionModel(family="vgg", bottleneck="variational"), SMALL, 10, 32)(
        torch.rand(2, 3, 32, 32)
    )
    none, whole = (losses(prediction, torch.arange(2), warmed, b) for b in (0.0, 0.5))
    expected = none.total + 0.5 * warmed.kl_factor * whole.penalty
    assert torch.allclose(whole.total, expected)
