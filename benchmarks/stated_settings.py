"""Which settings of `stated` and `stated-wrn` train at K 256 and 512? Trials on validation.

    python benchmarks/stated_settings.py DATASET [--full STEPS --batch IMAGES]

Small networks with the full latent on 32-pixel images, a few epochs each, on trial seeds that no
study uses. Every line of results/trials/stated_settings.jsonl is one run; what is there is not run
again. `--full` trains the VGG of scale `paper` for so many steps under the protocol, in epochs of
40 steps so that its warm-ups end, and in smaller batches if told: a core does 3 to 6 images a
second.
"""

import argparse
import contextlib
import itertools
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from aib.data.prepared import load as load_data
from aib.generators import Generators
from aib.launch import launch
from aib.models import build
from aib.models.initialise import initialise
from aib.params import load
from aib.spec.run import Names
from aib.studies.resolve import resolve
from aib.training.device import prepare_device
from aib.training.loop import State, train_epoch
from aib.training.optimiser import make_optimiser
from aib.training.run import make_loaders

RESULTS = Path("results")
SEEDS = (900, 901)
FULL_EPOCH = 40  # steps
EPOCHS, IMAGES = 4, {"vgg-aib-qt": 20_000, "wrn-aib-qt": 20_000}


@dataclass(frozen=True)
class Trial:
    """One setting of one network."""

    model: str
    protocol: str
    latent: int
    learning_rate: float
    beta_warmup_epochs: int
    clip_norm: float | None
    seed: int


def trials() -> list[Trial]:
    """As released, with clipping and warm-up of beta, then smaller rates."""
    settings = [(0.1, 0, None), (0.1, 0, 5.0), (0.1, 2, None), (0.1, 2, 5.0)]
    settings += [(0.05, 0, None), (0.05, 2, None), (0.02, 0, None), (0.02, 2, 5.0)]
    return [
        Trial(*network, latent, *setting, seed)
        for network, tried in (
            (("vgg-aib-qt", "stated"), settings),
            (("wrn-aib-qt", "stated-wrn"), settings[:1]),  # 24 times the operations
        )
        for setting, latent, seed in itertools.product(tried, (256, 512), SEEDS)
    ]


def run(trial: Trial, dataset: str) -> dict:
    """Train one trial and say what came of it."""
    names = Names(dataset=dataset, model=trial.model, protocol=trial.protocol, scale="cpu-smoke")
    changes = {
        "network.latent": trial.latent,
        "optimiser.learning_rate": trial.learning_rate,
        "optimiser.clip_norm": trial.clip_norm,
        "objective.beta_warmup_epochs": trial.beta_warmup_epochs,
        "training.epochs": EPOCHS,
        "training.train_subset": IMAGES[trial.model],
        "training.precision": "fp32",
        "evaluation.split": "validation",
        "evaluation.samples": ["mean"],
        "evaluation.every": EPOCHS,
    }
    if trial.protocol == "stated":  # its halving would not show in so few epochs
        changes["schedule.warmup_epochs"] = 1
    spec = resolve(load(Path.cwd()), names, changes, trial.seed, "trial")
    folder = RESULTS / "trials" / spec.folder
    result = launch(spec, RESULTS, folder, "trial", "cpu")
    found = {"status": result["status"], "reason": result.get("reason")}
    if "information" in result:
        last = result["figures"]["last"]
        found |= {"validation_accuracy": last["validation_accuracy"]}
        found |= {"rate": result["information"]["rate"]}
    return (
        asdict(trial)
        | {"dataset": dataset, "epochs": EPOCHS, "images": IMAGES[trial.model]}
        | found
    )


def full(dataset: str, steps: int, batch: int | None) -> None:
    """The first steps of the full VGG under `stated`, the loss printed as it goes."""
    names = Names(dataset=dataset, model="vgg-aib-qt", protocol="stated", scale="paper")
    parameters = load(Path.cwd())
    size = batch or parameters.protocols["stated"].batch_size
    changes = {"training.batch_size": size, "training.train_subset": size * FULL_EPOCH}
    spec = resolve(parameters, names, changes, SEEDS[0], "trial")
    device = prepare_device("cpu", spec.training.precision)
    data = load_data(RESULTS / "data" / dataset)
    model = build(spec.model, spec.network, len(data.classes), spec.image_size)
    generators = Generators(spec.seed, device)
    initialise(model, spec.initialisation, generators.init)
    model.to(memory_format=torch.channels_last)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = State(model, make_optimiser(model, spec.optimiser), scaler, None, generators)

    class Enough(Exception):
        pass

    def after_step() -> None:
        total, cross_entropy, _, rate, *_, correct, images = state.trace[state.step - 1].tolist()
        line = {
            "step": state.epoch * FULL_EPOCH + state.step,
            "loss": total / images,
            "rate": rate / images,
        }
        line |= {"cross_entropy": cross_entropy / images, "accuracy": correct / images}
        print(json.dumps(line), flush=True)
        if line["step"] == steps:
            raise Enough

    loader = make_loaders(spec, data, device)["train"]
    with contextlib.suppress(Enough):
        while True:
            train_epoch(state, spec, loader, model, after_step)
            state.epoch, state.step = state.epoch + 1, 0


def main() -> None:
    """Run what has not been run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--full", type=int, metavar="STEPS")
    parser.add_argument("--batch", type=int, metavar="IMAGES")
    arguments = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if arguments.full:
        full(arguments.dataset, arguments.full, arguments.batch)
        return
    path = RESULTS / "trials" / "stated_settings.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = path.read_text().splitlines() if path.exists() else []
    known = {tuple(json.loads(line)[key] for key in Trial.__annotations__) for line in done}
    for trial in trials():
        if tuple(asdict(trial).values()) in known:
            continue
        with path.open("a") as stream:
            stream.write(json.dumps(run(trial, arguments.dataset)) + "\n")


if __name__ == "__main__":
    main()
