"""Which file of ImageNet weights a network starts from, and where it lies."""

from pathlib import Path

from torchvision.models import VGG16_Weights, Wide_ResNet50_2_Weights

from aib.data.checksums import check_file
from aib.errors import AibError
from aib.params import Download, ParameterError, nearest


def download_of(family: str) -> Download:
    """The file of torchvision's registry for a family; its name ends in digits of its SHA-256.

    Raises `ParameterError` for a family without such a file.
    """
    weights = {"vgg16": VGG16_Weights.IMAGENET1K_V1}
    weights |= {"wrn50-2": Wide_ResNet50_2_Weights.IMAGENET1K_V1}
    if family not in weights:
        raise ParameterError(
            f"no ImageNet weights for family '{family}'; {nearest(family, set(weights))}"
        )
    address = weights[family].url
    file = address.rsplit("/", 1)[-1]
    digits = Path(file).stem.rsplit("-", 1)[-1]
    return Download(file=file, addresses=(address,), checksum=f"sha256:{digits}")


def find_weights(family: str, folder: Path) -> Path:
    """The fetched and verified file in `folder`; `AibError` says how to get it."""
    download = download_of(family)
    path = folder / download.file
    if not path.exists():
        raise AibError(
            f"{path}: no such file; run: aib models fetch {family} (it looks in the folders of "
            "AIB_MIRROR first), or start without weights (weights: none in params/models.yaml)"
        )
    check_file(path, download.checksum)
    return path
