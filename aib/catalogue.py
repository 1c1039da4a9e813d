"""The models, as tables on the terminal."""

from rich.console import Console

from aib.errors import AibError
from aib.models.description import Description, describe
from aib.params import ParameterError, Parameters, nearest
from aib.spec.models import FAMILIES
from aib.terminal import table


def list_models(parameters: Parameters, scale: str, classes: int) -> None:
    """Print one line a model of params/models.yaml, in the sizes of a scale."""
    _known(scale, parameters.scales, "scales.yaml: no scale")
    rows = table(
        f"models at scale {scale}, {classes} classes",
        *("model", "family", "parameters", "GFLOPs", "input", "attention"),
    )
    console, impossible = Console(), []
    for name, model in parameters.models.items():
        try:
            found = _description(parameters, name, scale, classes)
        except AibError as error:
            impossible.append(f"{name}: {error}")
            continue
        side, places = FAMILIES[model.family].image_size, found.attention
        rows.add_row(
            name,
            model.family,
            f"{found.parameters:,}",
            f"{found.operations / 1e9:.3g}",
            f"{side}x{side}",
            f"{places[0]}x{places[1]}" if places else "",
        )
    console.print(rows)
    console.print("GFLOPs: of one image's forward pass, two operations a multiply-add")
    for line in impossible:
        console.print(line, soft_wrap=True)


def show_model(parameters: Parameters, name: str, scale: str, classes: int) -> None:
    """Print the layers of one model."""
    found = _description(parameters, name, scale, classes)
    rows = table(f"{name} at scale {scale}", "layer", "kind", "output", "parameters")
    for layer in found.layers:
        output = "x".join(map(str, layer.output[1:]))
        rows.add_row(layer.name, layer.kind, output, f"{layer.parameters:,}")
    console = Console()
    console.print(rows)
    for key, value in parameters.models[name].model_dump().items():
        console.print(f"{key}: {value}")
    console.print(f"{found.parameters:,} parameters, {found.operations / 1e9:.3g} GFLOPs an image")


def _description(parameters: Parameters, name: str, scale: str, classes: int) -> Description:
    model = _known(name, parameters.models, "models.yaml: no model")
    networks = _known(scale, parameters.scales, "scales.yaml: no scale").networks
    family = FAMILIES[model.family]
    sizes = getattr(networks, family.sizes)
    if sizes is None:
        raise ParameterError(f"params/scales.yaml: {scale} has no sizes for '{family.sizes}'")
    return describe(model, sizes, classes, family.image_size)


def _known(name: str, among: dict, what: str):
    if name not in among:
        raise ParameterError(f"params/{what} '{name}'; {nearest(name, set(among))}")
    return among[name]
