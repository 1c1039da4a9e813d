"""What is wrong with one run: each check yields its problems as lines."""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from aib import files
from aib.spec.run import RunSpec
from aib.training.schedule import learning_rate
from aib.verification.given import Given

LN2 = math.log(2)
HALF = 2.0**-11  # largest relative error of a number rounded to float16
COPIES = ("key", "seed", "code_hash", "data_digest", "schema", "pretrained_sha256")


def sealed_files(run: Given) -> Iterator[str]:
    """Files that are missing, that have other bytes, or that no seal names."""
    sealed = run.result["files"]
    expected = {files.SPEC, files.METRICS, files.LOG}
    if run.record.has_figures:
        expected |= {files.PREDICTIONS, files.WEIGHTS}
        expected |= {files.ATTENTION} if run.spec.model.has_map else set()
    if set(sealed) != expected:
        wrong = ", ".join(sorted(set(sealed) ^ expected))
        yield f"{files.RESULT} seals other files than such a run has: {wrong}"
    for name in sorted(expected & set(sealed)):
        path = run.folder / name
        if not run.record.is_held(name):
            continue
        if not path.exists():
            yield f"{name} is missing"
        elif files.file_sha256(path) != sealed[name]:
            yield f"{name} is not what training wrote"
    if run.record.has_figures and run.result["weights_sha256"] != sealed.get(files.WEIGHTS):
        yield f"{files.RESULT} names other weights than it seals"


def spec(run: Given) -> Iterator[str]:
    """Whether spec.json, result.json and the folder speak of one run."""
    said = run.record.spec
    for name in COPIES:
        ours, theirs = said.get(name), run.result.get(name)
        if ours != theirs:
            yield f"{files.SPEC} says {name} {ours}, {files.RESULT} {theirs}"
    found: RunSpec = run.spec
    if found.key != run.result["key"]:
        yield f"the spec has key {found.key}, {files.RESULT} says {run.result['key']}"
    if found.seed != run.result["seed"]:
        yield f"the spec has seed {found.seed}, {files.RESULT} says {run.result['seed']}"
    if found.names.model_dump() != run.result["names"]:
        yield f"{files.SPEC} and {files.RESULT} name different parts"
    if str(found.folder) != run.place:
        yield f"is the record of {found.folder}"


def history(run: Given) -> Iterator[str]:
    """Whether metrics.jsonl is the spec's training, and gives the result's figures."""
    lines, spec = run.record.history, run.spec
    epochs = spec.training.epochs if run.record.has_figures else len(lines)
    if [line["epoch"] for line in lines] != list(range(1, epochs + 1)):
        yield f"{len(lines)} lines of {files.METRICS} are not epochs 1 to {epochs}"
        return
    for line in lines:
        yield from _epoch(run, line)
    if run.record.has_figures:
        yield from _chosen(run, lines)
        spent = sum(line["seconds"] for line in lines)
        if not math.isclose(spent, run.result["cost"]["step_seconds"], rel_tol=1e-6):
            yield f"the epochs took {spent:.1f} s, {files.RESULT} says otherwise"


def _epoch(run: Given, line: dict[str, float]) -> Iterator[str]:
    spec, epoch = run.spec, line["epoch"]
    due = epoch % spec.evaluation.every == 0 or epoch == spec.training.epochs
    for split in ("validation", "test"):
        if (f"{split}_accuracy" in line) != (due and split in spec.splits):
            yield f"epoch {epoch}: {split} is evaluated, or is not, against the spec"
    # The rate of the last step, whose place in its epoch the number of images decides.
    ends = (epoch - 1, epoch - 1e-9)
    rates = [
        learning_rate(spec.schedule, spec.optimiser.learning_rate, at, spec.training.epochs)
        for at in ends
    ]
    slack = 1e-9 * spec.optimiser.learning_rate
    if not min(rates) - slack <= line["learning_rate"] <= max(rates) + slack:
        yield f"epoch {epoch}: learning rate {line['learning_rate']:.4g} is not the schedule's"
    objective = spec.objective
    if epoch > objective.beta_warmup_epochs:
        total = (
            line["cross_entropy"]
            + objective.beta * objective.kl_factor * line["penalty"]
            + objective.codebook_weight * line["codebook"]
            + objective.commitment_weight * line["commitment"]
            + line["branch"]
        )
        if not math.isclose(total, line["loss"], rel_tol=1e-4, abs_tol=1e-6):
            yield f"epoch {epoch}: loss {line['loss']:.5g}, its terms come to {total:.5g}"


def _chosen(run: Given, lines: list[dict[str, float]]) -> Iterator[str]:
    """Figures of the last and of the best epochs, and those of the weights that were kept."""
    result, scored = run.result, run.result["scored"]
    for choice in ("last", "best_validation", "best_test"):
        if _figures(lines, choice) != result["figures"].get(choice):
            yield f"figures of {choice} are not those of {files.METRICS}"
    kept = result["figures"][result["selected"]]
    own = result["evaluation"][result["headline"]][scored]
    redrawn = run.spec.training.weight_average is not None or run.spec.evaluation.draws > 1
    if redrawn:  # kept weights are then evaluated otherwise than epochs are
        return
    for name, value in own.items():
        seen = kept[f"{scored}_{name}"]
        if not math.isclose(value, seen, rel_tol=2e-3, abs_tol=1e-6):
            yield f"{name} of the kept weights is {value:.5f}, epoch {kept['epoch']} had {seen:.5f}"


def _figures(lines: list[dict[str, float]], choice: str) -> dict[str, float] | None:
    """The evaluated figures of the epoch chosen; of equal ones the earliest."""
    split = choice.removeprefix("best_")

    def selecting(line: dict[str, float]) -> float:
        return line.get(f"{split}_best_draw", line[f"{split}_accuracy"])

    seen = lines[-1:] if choice == "last" else [x for x in lines if f"{split}_accuracy" in x]
    if not seen:
        return None
    line = seen[0] if choice == "last" else max(seen, key=selecting)
    pairs = product(("validation", "test"), ("accuracy", "cross_entropy", "rate"))
    names = [f"{scored}_{figure}" for scored, figure in pairs]
    found = {"epoch": line["epoch"]} | {name: line[name] for name in names if name in line}
    return found | {"test_accuracy": selecting(line)} if choice == "best_test" else found


def predictions(run: Given) -> Iterator[str]:
    """Accuracy and cross-entropy of the scored split, from what the run predicted."""
    kept, result = run.record.predictions, run.result
    if not kept:
        yield f"{files.PREDICTIONS} holds nothing"
        return
    stated = result["evaluation"][result["headline"]][result["scored"]]
    labels, predicted = kept["labels"].astype(int), kept["predicted"]
    own = kept["log_probability"] if run.packed else kept["logits"][np.arange(len(labels)), labels]
    own = own.astype(np.float64)
    if not math.isclose(run.correct.mean(), stated["accuracy"], abs_tol=1e-9):
        yield f"accuracy {run.correct.mean():.4f}, {files.RESULT} says {stated['accuracy']:.4f}"
    entropy, slack = -own.mean() / LN2, np.abs(own).mean() * HALF / LN2 + 1e-6
    if not abs(entropy - stated["cross_entropy"]) <= slack:
        yield f"cross-entropy {entropy:.5f}, {files.RESULT} says {stated['cross_entropy']:.5f}"
    if run.data is not None:
        declared = getattr(run.data, result["scored"]).labels
        if not np.array_equal(declared, labels):
            yield f"its labels are not those of the prepared {result['scored']} images"
    if not run.packed:
        yield from _logits(kept["logits"].astype(np.float64), predicted)
    shares = np.bincount(labels) / len(labels)
    if (
        result["information"]["relevance"]
        > -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    ):
        yield "its relevance is higher than the entropy of the labels"
    for mode, splits in result["evaluation"].items():
        hits = splits[result["scored"]]["accuracy"] * len(labels)
        if abs(hits - round(hits)) > 1e-6 * len(labels):
            yield f"the accuracy with samples {mode} is no share of {len(labels)} images"


def _logits(logits: np.ndarray, predicted: np.ndarray) -> Iterator[str]:
    """Rounding keeps the order, so what was predicted still has the largest of its image."""
    rows = np.arange(len(logits))
    if (logits[rows, predicted] < logits.max(axis=1)).any():
        yield "what it says it predicted is not the likeliest class"
    sums = np.exp(logits).sum(axis=1)
    if (np.abs(sums - 1) > 0.02).any():
        yield "its log-probabilities are of no distribution"


def maps(run: Given) -> Iterator[str]:
    """Range, number and shape of the kept maps; what the anchors say of themselves."""
    anchors = run.result["anchors"]
    if (anchors is not None) != (run.spec.model.anchor_count is not None):
        yield "has anchors, or has none, against the spec"
    if anchors is not None:
        yield from _anchors(anchors, run.spec.model.anchor_count)
    if run.packed or not run.spec.model.has_map:
        return
    kept, scored = run.record.attention, run.result["scored"]
    for name, array in kept.items():
        # Noise may lead out of the range, and an anchor; without anchors that is what is drawn.
        drawn = name in ("gallery_sample", "gallery_quantised")
        if array.dtype.kind == "f" and not drawn and not ((array >= 0) & (array <= 1)).all():
            yield f"{name} holds values outside of 0 to 1"
    count = min(run.spec.map_sample, len(run.record.predictions["labels"]))
    if len(kept[f"{scored}_mean"]) != count:
        yield f"holds {len(kept[f'{scored}_mean'])} maps of {scored} images, expected {count}"
    shown = kept["gallery_mean"]
    if not np.allclose(kept[f"{scored}_mean"][: len(shown)], shown, atol=1e-3):
        yield "the maps of the gallery are not the first ones"
    if not np.allclose(kept["film"][-1], shown, atol=1e-3) and run.result["selected"] == "last":
        yield "the film does not end with the maps of the gallery"
    if (
        anchors is not None
        and not np.isin(
            kept["gallery_quantised"].round(5), np.array(anchors["values"], np.float32).round(5)
        ).all()
    ):
        yield "quantised maps hold values that are no anchors"


def _anchors(anchors: dict, count: int) -> Iterator[str]:
    usage = np.array(anchors["usage"])
    if len(usage) != count or len(anchors["values"]) != count:
        yield f"lists {len(usage)} anchors, the spec has {count}"
    used = usage[usage > 0]
    perplexity = math.exp(-(used * np.log(used)).sum())
    if not math.isclose(usage.sum(), 1, abs_tol=1e-6):
        yield f"the shares of its anchors add up to {usage.sum():.4f}"
    elif not math.isclose(perplexity, anchors["perplexity"], rel_tol=1e-6):
        yield f"perplexity {perplexity:.4f} of its anchors, it says {anchors['perplexity']:.4f}"
    if (usage == 0).sum() != anchors["dead"]:
        yield f"{(usage == 0).sum()} dead anchors, it says {anchors['dead']}"


STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # no parameters


def weights(run: Given) -> Iterator[str]:
    """Count and finiteness of the parameters; the anchors are those of the result."""
    from safetensors.numpy import load_file

    tensors = load_file(run.folder / files.WEIGHTS)
    count = sum(t.size for name, t in tensors.items() if not name.endswith(STATISTICS))
    if count != run.result["parameters"]:
        yield f"has {count} parameters, {files.RESULT} says {run.result['parameters']}"
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        yield "holds values that are not finite"
    if anchors := run.result["anchors"]:
        held = [t for name, t in tensors.items() if name.endswith("quantiser.anchors")]
        if not held or not np.array_equal(held[0], np.array(anchors["values"], held[0].dtype)):
            yield f"its anchors are not those of {files.RESULT}"
