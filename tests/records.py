"""Made-up run records for tests of whatever reads records."""

import zlib
from pathlib import Path

import numpy as np
from evaluations import write_evaluations
from scipy.special import entr

from aib import files
from aib.params import Parameters
from aib.params.studies import Ablation, Arm, Contrast
from aib.spec.run import RunSpec
from aib.studies.plan import Plan, plan

ERROR = {"vgg": 8.4, "vgg-att": 8.2, "vgg-dvib": 7.6, "vgg-aib": 6.2, "vgg-aib-qt": 6.5}
TEST, CLASSES, EPOCHS = 400, 10, 4
DIVERGED = ("vgg-aib-qt", 2, 2)  # model, anchors, seed


def write_tree(root: Path, plan: Plan) -> Path:
    """A results folder of study quick with one diverged run and both polarities."""
    for run in plan.runs:
        diverged = (run.names.model, run.model.anchor_count, run.seed) == DIVERGED
        write_run(root, run, diverged=diverged)
    return root


def write_run(root: Path, run: RunSpec, diverged: bool = False, code: str = "c0ffee123456") -> Path:
    """One run record with plausible numbers, a function of what is varied and the seed."""
    folder = root / "runs" / run.folder
    folder.mkdir(parents=True)
    name = f"{run.names.model} {run.model.anchor_count} {run.objective.beta}"
    rng = np.random.default_rng([zlib.crc32(name.encode()), run.seed])
    identity = {"schema": files.SCHEMA, "key": run.key, "seed": run.seed, "code_hash": code}
    identity |= {"data_digest": "sha256:" + "d1" * 32}
    libraries = {"torch": "2.14.1", "numpy": "2.4.6"}
    environment = {"python": "3.11.2", "libraries": libraries, "platform": "Linux x86_64"}
    environment |= {"processor": "Made-up CPU", "cores": 2, "device": "cpu"}
    spec = {"spec": run.model_dump(mode="json"), "git": {"commit": "a" * 40, "dirty": False}}
    files.write_json(folder / files.SPEC, identity | spec | {"environment": environment})
    names = {"names": run.names.model_dump()}
    cost = {"seconds": 20.0, "step_seconds": 17.5, "evaluation_seconds": 1.5}
    cost |= {"images_per_second": 2100.0, "peak_memory_bytes": 400 << 20, "device": "cpu"}
    cost |= {"threads": 1, "precision": "fp32"}
    (folder / files.LOG).write_text(
        "2026-03-01 12:00:00  epoch 1/4\n2026-03-01 12:00:20  the end\n"
    )
    if diverged:
        files.write_history(folder / files.METRICS, [made_up_epoch(1, 0.9, 5.0, rng)])
        failure = {"status": "diverged", "epoch": 2, "step": 31}
        failure["reason"] = "the loss was not finite in epoch 2, step 31"
        content = identity | names | failure
        files.write_json(
            folder / files.RESULT, content | {"cost": cost, "files": files.seal(folder)}
        )
        return folder
    content = made_up_run(folder, run, rng)
    content |= {"cost": cost, "files": files.seal(folder)}
    files.write_json(folder / files.RESULT, identity | names | content)
    return folder


def made_up_run(folder: Path, run: RunSpec, rng: np.random.Generator) -> dict:
    labels = np.arange(TEST) % CLASSES
    error = ERROR[run.names.model] + 20 * (run.objective.beta - 0.01) + rng.normal(0, 0.5)
    error += {2: 1.6, 5: 0.4}.get(run.model.anchor_count, 0)
    wrong = rng.permutation(TEST) < round(TEST * error / 100)
    logits = rng.normal(size=(TEST, CLASSES))
    logits[np.arange(TEST), (labels + wrong) % CLASSES] += 12
    files.write_arrays(
        folder / files.PREDICTIONS,
        logits=logits.astype(np.float32),
        predicted=logits.argmax(axis=1),
        labels=labels,
    )
    accuracy = float(1 - wrong.mean())
    rate = 5.5 / (run.objective.beta * 20 + 0.2) + rng.normal(0, 0.8)
    rate = float(rate) if run.model.has_rate else 0.0
    history = [made_up_epoch(epoch, accuracy, rate, rng) for epoch in range(1, EPOCHS + 1)]
    files.write_history(folder / files.METRICS, history)
    last = history[-1]
    test = {"accuracy": accuracy, "cross_entropy": last["test_cross_entropy"], "rate": rate}
    modes = {str(mode): {"validation": test, "test": test} for mode in run.evaluation.samples}
    choices = {"last": last, "best_validation": history[-2]}
    choices["best_test"] = max(history, key=lambda line: line["test_accuracy"])
    anchors = None
    if run.model.has_map:
        made_up_maps(folder, run, rng)
        if run.model.anchor_count:
            usage = rng.dirichlet(np.ones(run.model.anchor_count))
            anchors = {"values": np.linspace(0, 1, run.model.anchor_count).tolist()}
            anchors |= {"usage": usage.tolist(), "dead": 0}
            anchors["perplexity"] = float(np.exp(entr(usage).sum()))
    if run.evaluation.split == "test":  # as the pipeline does
        write_evaluations(folder, run, ~wrong, masks=run.dataset.has_masks)
    keep = ("epoch", "validation_accuracy", "test_accuracy", "test_cross_entropy", "test_rate")
    return {
        "status": "completed",
        "parameters": 100_000 + 1000 * run.model.has_rate,
        "selected": run.evaluation.select,
        "headline": str(run.evaluation.samples[0]),
        "figures": {name: {k: line[k] for k in keep} for name, line in choices.items()},
        "scored": "test",
        "evaluation": modes,
        "information": {
            "rate": rate,
            "relevance": float(np.log2(CLASSES) - last["test_cross_entropy"]) - 0.05,
        },
        "anchors": anchors,
        "weights_sha256": rng.bytes(32).hex(),
    }


def made_up_epoch(epoch: int, accuracy: float, rate: float, rng: np.random.Generator) -> dict:
    left = np.exp(-1.1 * epoch) - np.exp(-1.1 * EPOCHS)
    now = float(accuracy - 0.9 * left + rng.normal(0, 0.003) * (epoch < EPOCHS))
    entropy = 3.5 * (1 - now) + 0.02
    line = {"epoch": epoch, "learning_rate": 0.05, "loss": entropy, "cross_entropy": entropy}
    line |= {"train_accuracy": now, "validation_accuracy": now, "rate": rate}
    return line | {
        "validation_rate": rate,
        "test_accuracy": now,
        "test_cross_entropy": entropy,
        "test_rate": rate * float(1 + 2 * left),
        "seconds": 4.0,
    }


def made_up_maps(folder: Path, run: RunSpec, rng: np.random.Generator) -> None:
    """A disc on texture as image; a map that follows it, inverted for every third seed."""
    inverted = run.seed % 3 == 2
    y, x = np.mgrid[:32, :32]
    centres = np.random.default_rng(0).integers(9, 23, size=(12, 2))
    masks = np.array([(y - a) ** 2 + (x - b) ** 2 < 49 for a, b in centres])
    texture = np.random.default_rng(1).integers(0, 90, size=(12, 3, 32, 32))
    images = (texture + 150 * masks[:, None]).astype(np.uint8)
    coarse = masks.reshape(12, 8, 4, 8, 4).mean((2, 4))
    mean = 0.2 + 0.6 * (1 - coarse if inverted else coarse) + rng.uniform(0, 0.1, coarse.shape)
    sample = mean + rng.normal(0, 0.03, mean.shape)
    anchors = run.model.anchor_count or 2
    files.write_arrays(
        folder / files.ATTENTION,
        gallery_images=images,
        gallery_masks=masks.astype(np.uint8),
        gallery_mean=mean.astype(np.float32),
        gallery_sample=sample.astype(np.float32),
        gallery_quantised=(np.round(sample * (anchors - 1)) / (anchors - 1)).astype(np.float32),
        test_mean=mean.astype(np.float32),
        validation_mean=mean.astype(np.float32),
        film=np.stack([mean] * EPOCHS).astype(np.float32),
        film_epochs=np.arange(1, EPOCHS + 1),
    )


def quick_plan(parameters: Parameters, seeds: int = 6) -> Plan:
    """A study called quick with two ablations and seeds from 0, whatever params/ declares now."""
    study = parameters.studies["quick"]
    pairs = [("vgg-aib", "vgg"), ("vgg-aib-qt", "vgg"), ("vgg-aib", "vgg-dvib")]
    pairs += [("vgg-aib-qt", "vgg-aib")]
    overrides = {"vgg-aib": {"objective.beta": 0.01}, "vgg-aib-qt": {"objective.beta": 0.01}}
    ablations = {
        "anchors": Ablation(arm="vgg-aib-qt", parameter="model.anchors", values=(2, 5, 20)),
        "beta": Ablation(arm="vgg-aib", parameter="objective.beta", values=(0, 0.01, 0.1)),
    }
    changes = {
        "seeds": tuple(range(seeds)),
        "margin": 1.0,
        "correction": "holm",
        "tuned_in": None,
        "factorial": None,
        "arms": {
            name: Arm(model=name, overrides=overrides.get(name, {}))
            for name in ERROR
            if name != "vgg-att"
        },
        "contrasts": tuple(Contrast(treatment=a, control=b) for a, b in pairs),
        "ablations": ablations,
    }
    studies = parameters.studies | {"quick": study.model_copy(update=changes)}
    return plan(parameters.model_copy(update={"studies": studies}), "quick")
