"""A network with weights that were trained before."""

from pathlib import Path
from textwrap import shorten

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from aib.errors import AibError
from aib.models import build
from aib.spec.run import RunSpec


def trained_network(spec: RunSpec, weights: Path) -> nn.Module:
    """The network of a spec, on the CPU, with the weights of a safetensors file.

    Raises `AibError` for a file that cannot be read, and for weights of another network.
    """
    model = build(spec.model, spec.network, len(spec.dataset.classes), spec.image_size)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, OSError) as error:
        raise AibError(f"{weights}: no readable weights ({error})") from None
    except RuntimeError as error:
        first = shorten(str(error).splitlines()[1], 100, placeholder=" …")
        raise AibError(
            f"{weights}: weights of another network than '{spec.names.model}' at scale "
            f"'{spec.names.scale}': {first}"
        ) from None
    return model
