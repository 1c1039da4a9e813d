"""Which of our models a released one is, and how its tensors are called there.

The golden numbers of a variant say by their tensors which family it is, so another pair of files in
golden/ is checked without a change here.
"""

import re

import golden_numbers
from golden_numbers import Golden, GoldenTraining
from torch import nn

from aib.models import build
from aib.spec.models import (
    FAMILIES,
    AttentionModel,
    Block,
    LatentNetwork,
    Model,
    Network,
    VGG16Model,
    VGGNetwork,
    WRNModel,
    WRNNetwork,
)
from aib.spec.parts import Objective, SGDOptimiser

RELEASED_VGG = (  # facts.md 2.1
    Block(channels=64, layers=2),
    Block(channels=128, layers=2),
    Block(channels=256, layers=3, pool="after"),
    Block(channels=512, layers=3, pool="after"),
    Block(channels=512, layers=3, pool="after"),
    Block(channels=512, layers=2, pool="each"),
)
COMMON = [  # pattern of a released name, ours; the first that fits the whole name counts
    (r"att_module_std\.0\.(\w+)", r"attention.spread.\1"),
    (r"emb\.weight", "attention.quantiser.anchors"),
]
TWO_LAYER_HEAD = [(r"decode\.(0|2)\.(\w+)", r"head.\1.\2")]
NAMES = {
    "vgg": [
        (r"features\.(\d)\.op\.(.+)", r"features.\1.\2"),
        (r"encode\.0\.op\.(.+)", r"trunk.0.\1"),
        (r"encode\.2\.op\.(.+)", r"trunk.1.\1"),
        (r"encode\.4\.op\.(.+)", r"trunk.2.\1"),
        (r"encode\.5\.(\w+)", r"trunk.3.\1"),
        (r"encode\.8\.(\w+)", r"bottleneck.encode.\1"),
        (r"att_module_mu\.0\.(\w+)", r"attention.scores.\1"),
        *TWO_LAYER_HEAD,
    ],
    "wrn": [
        (r"conv1\.weight", "features.0.weight"),
        (r"block([12])\.layer\.(.+)", r"features.\1.\2"),
        (r"block3\.layer\.(.+)", r"trunk.0.\1"),
        (r"bn1\.(\w+)", r"trunk.1.\1"),
        (r"att_block3\.layer\.(.+)", r"attention.scores.0.\1"),
        (r"bn_att\.(\w+)", r"attention.scores.1.\1"),
        (r"att_conv\.weight", "attention.scores.2.weight"),
        (r"bn_att2\.(\w+)", r"attention.scores.3.\1"),
        (r"att_conv3\.weight", "attention.scores.5.weight"),
        (r"bn_att3\.(\w+)", r"attention.scores.6.\1"),
        (r"encode\.5\.(\w+)", r"bottleneck.encode.\1"),
        (r"decode\.1\.(\w+)", r"head.1.\1"),
    ],
    "vgg16": [
        (r"features\.(\d+\.\w+)", r"features.\1"),
        (r"encode\.2\.(\w+)", r"bottleneck.encode.\1"),
        (r"att_module_mu\.(\d\.\w+)", r"attention.scores.\1"),
        *TWO_LAYER_HEAD,
    ],
    "wrn50-2": [
        (r"layer4\.(.+)", r"trunk.layer4.\1"),
        (r"((conv1|bn1|layer[123])\..+)", r"features.\1"),
        (r"att_layer4\.(.+)", r"attention.scores.0.\1"),
        (r"att_module_mu\.1\.(\w+)", r"attention.scores.1.\1"),
        (r"encode\.3\.(\w+)", r"bottleneck.encode.\1"),
        (r"tmp_layer\..+", ""),  # never used (#41)
        *TWO_LAYER_HEAD,
    ],
}
INSIDE_WRN_BLOCKS = {
    "bn1": "norm1",
    "bn2": "norm2",
    "conv1": "convolution1",
    "conv2": "convolution2",
    "convShortcut": "shortcut",
}


def family_of(golden: Golden) -> str:
    """The family, by a tensor that only it has."""
    telling = {
        "vgg": "features.0.op.0.weight",
        "wrn": "block1.layer.0.conv1.weight",
        "vgg16": "features.0.weight",
        "wrn50-2": "layer1.0.conv1.weight",
    }
    names = {name for name, *_ in golden.weights}
    return next(family for family, name in telling.items() if name in names)


def our_name(family: str, released: str) -> str | None:
    """Our name of a released tensor; None for one that no output depends on."""
    for pattern, ours in NAMES[family] + COMMON:
        match = re.fullmatch(pattern, released)
        if match:
            name = match.expand(ours)
            if family == "wrn" and ".layer." in released:
                name = ".".join(INSIDE_WRN_BLOCKS.get(part, part) for part in name.split("."))
            return name or None
    raise AssertionError(f"a released tensor without a name here: {released}")


def described(golden: Golden) -> tuple[Model, Network]:
    """The typed model and sizes of a released variant."""
    family, settings = family_of(golden), golden.settings
    names = {name for name, *_ in golden.weights}
    anchors = [shape[-1] for name, shape, *_ in golden.weights if name == "emb.weight"]
    common = {"family": family, "bottleneck": "variational", "attention": "continuous"}
    if anchors:
        common |= {"attention": "quantised", "anchors": anchors[0]}
    match family:
        case "vgg":
            sizes = {"attention_after": 3, "dense": 512, "latent": settings["K"]}
            return AttentionModel(**common), VGGNetwork(blocks=RELEASED_VGG, **sizes)
        case "wrn":
            model = WRNModel(**common, dropout=settings["dropout"])
            sizes = {"depth": settings["depth"], "widen": settings["widen"]}
            return model, WRNNetwork(**sizes, latent=settings["K"])
        case "vgg16":
            deep = 3 if "att_module_mu.6.weight" in names else 0
            model = VGG16Model(**common, attention_convolutions=deep)
            return model, LatentNetwork(latent=settings["K"])
        case _:
            return FAMILIES[family].model(**common), LatentNetwork(latent=settings["K"])


def objective(golden: Golden | GoldenTraining) -> Objective:
    """The objective that the golden loss was made with."""
    settings = golden.settings
    return Objective(
        kl_scale="released",
        kl_factor=settings["kl_factor"],
        beta=settings["beta"],
        codebook_weight=settings.get("lambda_g", 0.0),
        commitment_weight=settings.get("lambda_c", 0.0),
    )


def optimiser(training: GoldenTraining) -> SGDOptimiser:
    """The optimiser of the golden updates."""
    settings = training.settings["optimiser"]
    return SGDOptimiser(
        name=settings["name"],
        learning_rate=settings["learning_rate"],
        momentum=settings["momentum"],
        nesterov=settings["nesterov"],
        weight_decay=settings["weight_decay"],
        anchor_lr_ratio=settings["anchor_lr_ratio"],
        anchor_weight_decay=True,
    )


def filled_model(golden: Golden) -> nn.Module:
    """Our model in float64 with the released weights."""
    settings = golden.settings
    model = build(*described(golden), settings["classes"], settings["size"]).double()
    family = family_of(golden)
    names = {name: our_name(family, name) for name, *_ in golden.weights}
    golden_numbers.fill_model(model, golden, names)
    return model
