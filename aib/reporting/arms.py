"""What an arm is, in one line for somebody who has not read the paper."""

from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.words import listed
from aib.spec.models import ABNModel, AttentionModel, Model, PayModel

BOTTLENECKS = {
    "variational": "an information bottleneck",
    "deterministic": "the bottleneck’s layers without its noise and its limit",
}


def about(results: StudyResults, cell: CellResults) -> str:
    """The parts of its network, then the settings that the study gives this arm alone."""
    text = _network(cell.spec.model)
    settings = _settings(results, cell)
    return f"{text} ({', '.join(settings)})" if settings else text


def _network(model: Model) -> str:
    match model:
        case AttentionModel():
            parts = [_map(model), BOTTLENECKS.get(model.bottleneck, "")]
            return listed([part for part in parts if part]) or "nothing added"
        case PayModel():
            return f"Learn to Pay Attention, an earlier method: maps at {model.levels} depths"
        case ABNModel():
            return "Attention Branch Network, an earlier method: a map from a branch of its own"
    return "the network with global average pooling; its class activation map is the map"


def _map(model: AttentionModel) -> str:
    if not model.has_map:
        return ""
    text = "a map of where to look"
    return f"{text} in {model.anchors} levels" if model.anchors else text


def _settings(results: StudyResults, cell: CellResults) -> list[str]:
    """Overrides of the arm, and the value of an ablation."""
    study, varied = results.plan.study, cell.cell.ablation
    if varied is not None:
        name = study.ablations[varied].parameter
        return [] if name.startswith("model.") else [f"{_last(name)} {cell.cell.value}"]
    arm = study.arms.get(cell.arm)  # none in a tuning study, whose names hold the values
    overrides = arm.overrides if arm else {}
    return [f"{_last(name)} {value}" for name, value in overrides.items()]


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1].replace("_", " ")
