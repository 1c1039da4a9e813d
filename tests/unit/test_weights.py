"""ImageNet weights: found or explained, of the right network or refused."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision

from aib.data import weights as registry
from aib.data.sources import fetch
from aib.data.weights import download_of, find_weights
from aib.errors import AibError
from aib.models import build
from aib.spec.models import LatentNetwork, PretrainedModel, VGG16Model
from aib.training.weights import load_weights

SIZES = LatentNetwork(latent=4)


def vgg16():
    model = VGG16Model(family="vgg16", attention="continuous", bottleneck="variational")
    return build(model, SIZES, 5, 32)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A file as torchvision's, of VGG-16 with the classifier cut down."""
    torch.manual_seed(0)
    features = torchvision.models.vgg16(weights=None).features.state_dict()
    tensors = {f"features.{name}": tensor for name, tensor in features.items()}
    tensors["classifier.6.weight"] = torch.rand(1000, 2)
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    torch.save(tensors, path)
    return path


def changed(released: Path, folder: Path, change) -> Path:
    tensors = torch.load(released)
    change(tensors)
    torch.save(tensors, folder / "changed.pth")
    return folder / "changed.pth"


def test_the_backbone_is_filled_and_the_rest_is_left(released):
    model = vgg16()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    load_weights(model, released)
    tensors = torch.load(released)
    for name, tensor in model.state_dict().items():
        expected = tensors[name] if name.startswith("features.") else before[name]
        assert torch.equal(tensor, expected), name


def test_a_wide_resnet_computes_what_torchvisions_does(tmp_path):
    torch.manual_seed(0)
    theirs = torchvision.models.wide_resnet50_2(weights=None)
    theirs(torch.rand(8, 3, 64, 64))  # running statistics of its own
    theirs.eval()
    ours = build(PretrainedModel(family="wrn50-2"), SIZES, 1000, 32).eval()
    backbone = theirs.state_dict()
    assert set(ours.backbone()) == {n for n in backbone if not n.startswith("fc.")}
    torch.save(backbone, tmp_path / "wide_resnet50_2.pth")
    load_weights(ours, tmp_path / "wide_resnet50_2.pth")
    with torch.no_grad():
        ours.head.load_state_dict(theirs.fc.state_dict())
        images = torch.rand(2, 3, 64, 64)
        torch.testing.assert_close(ours(images).logits[0], theirs(images))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("features.5.bias"), "it has no 'features.5.bias'"),
        (
            lambda tensors: tensors.update({"layer4.2.conv1.weight": torch.zeros(1)}),
            "'layer4.2.conv1.weight' has no place",
        ),
        (
            lambda tensors: tensors.update({"features.0.weight": torch.zeros(64, 3, 11, 11)}),
            "'features.0.weight' is [64, 3, 11, 11], expected [64, 3, 3, 3]",
        ),
    ],
)
def test_weights_of_another_network_are_refused(released, tmp_path, change, words):
    model = vgg16()
    before = model.features[0].weight.clone()
    with pytest.raises(AibError, match="weights of another network") as caught:
        load_weights(model, changed(released, tmp_path, change))
    assert words in str(caught.value)
    assert torch.equal(model.features[0].weight, before)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_damaged_file_is_refused(released, tmp_path, content):
    path = tmp_path / "damaged.pth"
    path.write_bytes(released.read_bytes()[:10_000] if content is None else content)
    with pytest.raises(AibError, match=r"^[^\n]*not a file of weights[^\n]*fetch it again$"):
        load_weights(vgg16(), path)


def test_a_file_that_runs_code_is_refused_unrun(tmp_path):
    class Touch:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    torch.save({"features.0.weight": Touch()}, tmp_path / "hostile.pth")
    with pytest.raises(AibError, match="not a file of weights"):
        load_weights(vgg16(), tmp_path / "hostile.pth")
    assert not (tmp_path / "touched").exists()


def test_without_the_file_the_error_says_what_to_do(tmp_path):
    with pytest.raises(AibError) as caught:
        find_weights("vgg16", tmp_path)
    for words in ("vgg16-397923af.pth", "aib models fetch vgg16", "AIB_MIRROR", "weights: none"):
        assert words in str(caught.value)


def test_a_family_without_weights_gets_the_nearest():
    with pytest.raises(AibError, match="nearest: 'wrn50-2'"):
        download_of("wrn50")


def test_a_mirror_folder_serves_and_only_the_right_bytes_count(tmp_path, monkeypatch):
    mirror, target = tmp_path / "mirror", tmp_path / "weights"
    mirror.mkdir()
    declared = download_of("wrn50-2")
    (mirror / declared.file).write_bytes(b"bytes")
    monkeypatch.setenv("AIB_MIRROR", str(mirror))
    digits = hashlib.sha256(b"bytes").hexdigest()[:8]
    genuine = declared.model_copy(update={"checksum": f"sha256:{digits}", "addresses": ()})
    other = declared.model_copy(update={"addresses": ()})
    with pytest.raises(AibError, match=declared.checksum):
        fetch(other, target)
    fetch(genuine, target)
    monkeypatch.setattr(registry, "download_of", lambda _: genuine)
    assert find_weights("wrn50-2", target).read_bytes() == b"bytes"
    (target / declared.file).write_bytes(b"changed")
    with pytest.raises(AibError, match=f"expected sha256:{digits}"):
        find_weights("wrn50-2", target)
