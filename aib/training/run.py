"""Train one run from its spec to its record."""

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import save_file

from aib import files
from aib.data.loader import Loader
from aib.data.prepared import PreparedData
from aib.errors import AibError
from aib.evaluation.accuracy import Figures, label_entropy, label_shares, predict, score
from aib.evaluation.maps import attention_arrays, gallery_means
from aib.generators import Generators, derived_seed
from aib.models import build
from aib.models.initialise import initialise
from aib.spec.run import RunSpec
from aib.training import checkpoint
from aib.training.average import running_average
from aib.training.device import describe, peak_memory, prepare_device
from aib.training.loop import TRACED, State, steps_an_epoch, train_epoch
from aib.training.optimiser import make_optimiser
from aib.training.outcome import collapse
from aib.training.weights import load_weights


class Stopped(AibError):
    """The run was asked to stop and saved a checkpoint."""


class Diverged(Exception):
    """The loss, or a figure of the evaluation after an epoch's last step, is NaN or infinite."""

    def __init__(self, what: str, epoch: int, step: int) -> None:
        super().__init__(f"{what} was not finite in epoch {epoch}, step {step}")
        self.epoch, self.step = epoch, step


def train(
    spec: RunSpec,
    data: PreparedData,
    folder: Path,
    origin: dict[str, str],
    around: dict[str, Any],
    device_name: str = "auto",
    checkpoint_seconds: float = 60.0,
    weights: Path | None = None,
) -> dict[str, Any]:
    """Train, evaluate and record one run in `folder`; return the content of its result.json.

    Args:
        spec: all of the run.
        data: its dataset, whose manifest has the spec's identity.
        folder: exists, and nobody else writes to it. A checkpoint there is gone on from.
        origin: code hash and digests, which with the spec decide every bit of the result.
        around: what else spec.json records of the circumstances; "environment" is completed.
        device_name: auto, cpu or cuda.
        checkpoint_seconds: time between checkpoints.
        weights: the file that a pretrained model starts from.
    """
    run = _Run(spec, data, folder, origin, device_name, checkpoint_seconds, weights)
    return run.complete(around)


class _Run:
    """The state of one training process."""

    def __init__(
        self,
        spec: RunSpec,
        data: PreparedData,
        folder: Path,
        origin: dict[str, str],
        device_name: str,
        checkpoint_seconds: float,
        weights: Path | None,
    ) -> None:
        self.spec, self.data, self.folder, self.origin = spec, data, folder, origin
        self.started = time.perf_counter()
        self.device = device = prepare_device(device_name, spec.training.precision)
        with torch.random.fork_rng([]):  # what building draws is of no consequence
            torch.manual_seed(spec.seed)
            model = build(spec.model, spec.network, len(data.classes), spec.image_size)
        generators = Generators(spec.seed, device)
        initialise(model, spec.initialisation, generators.init)
        if spec.model.pretrained:
            load_weights(model, weights)
        model.to(device, memory_format=torch.channels_last)
        self.parameters = sum(p.numel() for p in model.parameters())
        average = spec.training.weight_average
        self.state = State(
            model,
            make_optimiser(model, spec.optimiser),
            torch.amp.GradScaler(device.type, enabled=spec.training.precision == "fp16"),
            running_average(model, average.decay) if average else None,
            generators,
        )
        self.forward = torch.compile(model) if spec.training.compile else model
        self.loaders = make_loaders(spec, data, device)
        _, self.images_an_epoch = steps_an_epoch(spec.training, len(self.loaders["train"]))
        if not self.images_an_epoch:
            raise AibError(
                f"{len(self.loaders['train'])} train images do not fill a batch of "
                f"{spec.training.batch_size}, and drop_last leaves out what is not full"
            )
        # Random states are those of one kind of device.
        self.identity = "/".join([spec.key, str(spec.seed), *origin.values(), device.type])
        self.seconds_before = 0.0
        self.checkpoint_seconds, self.saved_at = checkpoint_seconds, time.monotonic()
        self.stop_signal: int | None = None

    def complete(self, around: dict[str, Any]) -> dict[str, Any]:
        """From wherever the run stands to its result.json."""
        saved = checkpoint.load(self.folder, self.identity)
        if saved is not None:
            self.state.restore(saved["state"])
            self.seconds_before = self.state.seconds
        self._write_spec(around)
        self._rewrite_history()
        if saved is not None:
            self._log(f"resumed at epoch {self.state.epoch + 1}, step {self.state.step}")
        try:
            with self._signals(), self._progress() as advance:
                while self.state.epoch < self.spec.training.epochs:
                    train_epoch(
                        self.state,
                        self.spec,
                        self.loaders["train"],
                        self.forward,
                        self._save_if_due,
                    )
                    self._finish_epoch()
                    self._save_if_due()
                    advance()
                result = self._evaluate()
        except Diverged as error:
            self._log(str(error))
            result = {"status": "diverged", "epoch": error.epoch, "step": error.step}
            result["reason"] = str(error)
        return self._write_result(result)

    # ------------------------------------------------------------ while training

    def _save_if_due(self) -> None:
        """Save a checkpoint when it is time to, or when asked to stop, and then do stop."""
        asked = self.stop_signal is not None
        if not asked and time.monotonic() - self.saved_at < self.checkpoint_seconds:
            return
        self.state.seconds = self._seconds()
        checkpoint.save(self.folder, {"identity": self.identity, "state": self.state.to_dict()})
        self.saved_at = time.monotonic()
        if asked:
            name = signal.Signals(self.stop_signal).name
            raise Stopped(f"{self.folder}: stopped by {name}; run again to go on from here")

    def _seconds(self) -> float:
        """Time spent on this run, by earlier processes too."""
        return self.seconds_before + time.perf_counter() - self.started

    def _finish_epoch(self) -> None:
        """Read the epoch's trace, evaluate, add a line to the history."""
        state = self.state
        trace = self._finite(state.trace.double().cpu())
        begin = time.perf_counter()
        sums = dict(zip(TRACED, trace.sum(0).tolist(), strict=True))
        images = sums.pop("images")
        means = {name: total / images for name, total in sums.items()}
        line = {"epoch": state.epoch + 1}
        line["learning_rate"] = state.optimiser.param_groups[0]["lr"]
        line |= {"loss": means.pop("total"), "train_accuracy": means.pop("correct")} | means
        due = line["epoch"] % self.spec.evaluation.every == 0
        if due or line["epoch"] == self.spec.training.epochs:
            line |= self._evaluate_epoch()
            if self.spec.model.has_map:
                model = self._evaluated(self.spec.evaluation.samples[0])
                state.film.append(gallery_means(model, self.loaders[self.spec.splits[-1]]))
        spent = sum(entry["seconds"] for entry in state.history)
        state.evaluation_seconds += time.perf_counter() - begin
        line["seconds"] = state.step_seconds - spent
        line["images_per_second"] = self.images_an_epoch / line["seconds"]
        for name, value in line.items():
            if not math.isfinite(value):
                raise Diverged(name, state.epoch + 1, len(state.trace))
        state.history.append(line)
        self._keep_best()
        state.epoch, state.step, state.trace = state.epoch + 1, 0, None
        self._rewrite_history()
        self._log(
            f"epoch {line['epoch']}/{self.spec.training.epochs}  loss {line['loss']:.3f} bits  "
            f"rate {line['rate']:.2f} bits  train {line['train_accuracy']:.2%}  "
            f"{line['images_per_second']:.0f} images/s" + _evaluated_words(line)
        )

    def _evaluate_epoch(self) -> dict[str, float]:
        """Figures of every split that is evaluated, and how the anchors are used."""
        evaluation, found = self.spec.evaluation, {}
        for split in self.spec.splits:
            draws = [
                self._predict(split, evaluation.samples[0], draw)
                for draw in range(evaluation.draws)
            ]
            figures, _, anchors = draws[0]
            found |= {f"{split}_{name}": value for name, value in figures._asdict().items()}
            if evaluation.draws > 1:
                found[f"{split}_best_draw"] = max(drawn.accuracy for drawn, _, _ in draws)
            if anchors and split == self.spec.splits[0]:
                found |= {"dead_anchors": anchors["dead"], "perplexity": anchors["perplexity"]}
        return found

    def _finite(self, trace: torch.Tensor) -> torch.Tensor:
        """The trace without steps that overflowed and were left out, as only fp16 may do.

        Raises `Diverged` where the loss was lost for good.
        """
        finite = torch.isfinite(trace[:, TRACED.index("total")])
        recovered = self.state.scaler.is_enabled() and bool(finite[-1])
        if not finite.all() and not recovered:
            raise Diverged("the loss", self.state.epoch + 1, int((~finite).nonzero()[0]) + 1)
        return trace[finite]

    def _keep_best(self) -> None:
        """Copy the weights if this epoch is the one that the protocol selects so far."""
        select = self.spec.evaluation.select
        if select != "last" and best_epoch(self.state.history, select) == self.state.epoch + 1:
            self.state.keep()

    def _evaluated(self, samples: int | str) -> torch.nn.Module:
        """The network that predicts from so many samples: the weights, or their average."""
        average = self.spec.training.weight_average
        if average and (average.evaluates == "all" or samples == 1):
            return self.state.average.module
        return self.state.model

    def _predict(
        self, split: str, samples: int | str, draw: int = 0
    ) -> tuple[Figures, torch.Tensor, dict[str, Any] | None]:
        """Figures, log-probabilities, use of anchors; the noise has its own seed at any time."""
        loader, average = self.loaders[split], self.spec.evaluation.average
        name = f"evaluation/{split}/{samples}" + (f"/{draw}" if draw else "")
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(derived_seed(self.spec.seed, name))
            model = self._evaluated(samples)
            log_probabilities, rate, anchors = predict(model, loader, samples, average)
        return score(log_probabilities, rate, loader.labels), log_probabilities, anchors

    # ------------------------------------------------------------ at the end

    def _evaluate(self) -> dict[str, Any]:
        """Figures of the kept weights in every mode; writes weights, predictions and maps."""
        begin, state, scored = time.perf_counter(), self.state, self.spec.splits[-1]
        state.take_kept()
        headline, modes = self.spec.evaluation.samples[0], {}
        for samples in self.spec.evaluation.samples:
            predicted = {split: self._predict(split, samples) for split in self.spec.splits}
            modes[str(samples)] = {s: figures._asdict() for s, (figures, _, _) in predicted.items()}
            self._check_finite(modes[str(samples)], f"a figure with samples {samples}")
            if samples == headline:
                _, log_probabilities, anchors = predicted[scored]
                files.write_arrays(
                    self.folder / files.PREDICTIONS,
                    logits=log_probabilities.half().cpu().numpy(),
                    predicted=log_probabilities.argmax(dim=1).cpu().numpy(),
                    labels=self.loaders[scored].labels.cpu().numpy(),
                )
        information = self._information(scored)
        model = self._evaluated(headline)
        weights = {k: v.contiguous().cpu() for k, v in model.state_dict().items()}
        path = self.folder / files.WEIGHTS
        files.write_atomically(path, lambda temporary: save_file(weights, temporary))
        if self.spec.model.has_map:
            spec = self.spec
            maps = attention_arrays(
                model, self.loaders, self.data, spec.splits, spec.map_sample, spec.seed
            )
            evaluated = [line["epoch"] for line in state.history if f"{scored}_accuracy" in line]
            maps |= {"film": torch.stack(state.film).numpy(), "film_epochs": np.array(evaluated)}
            files.write_arrays(self.folder / files.ATTENTION, **maps)
        state.evaluation_seconds += time.perf_counter() - begin
        choices = ("last", "best_validation", "best_test")
        return self._outcome(information["rate"]) | {
            "parameters": self.parameters,
            "selected": self.spec.evaluation.select,
            "headline": str(headline),
            "scored": scored,
            "figures": {choice: figures_at(state.history, choice) for choice in choices},
            "evaluation": modes,
            "information": information,
            "anchors": anchors,
            "weights_sha256": files.file_sha256(path),
        }

    def _information(self, split: str) -> dict[str, float]:
        """The bounds on I(Z; X, A) and I(Z; Y) of the kept weights, bits an image.

        The second is H(Y) minus the expected cross-entropy over single samples of z, as the
        decoder sees it; that of averaged samples is a figure of accuracy, and no bound.
        """
        figures, _, _ = self._predict(split, 1)
        entropy = label_entropy(self.loaders[split].labels)
        found = {"rate": figures.rate, "relevance": entropy - figures.cross_entropy}
        self._check_finite({split: found}, "the rate or the relevance")
        return found

    def _check_finite(self, figures: dict[str, dict[str, float]], what: str) -> None:
        if not all(math.isfinite(v) for values in figures.values() for v in values.values()):
            steps, _ = steps_an_epoch(self.spec.training, len(self.loaders["train"]))
            raise Diverged(what, self.state.epoch, steps)

    def _outcome(self, rate: float) -> dict[str, str]:
        """completed, or collapsed and why."""
        charged = self.spec.model.has_rate and self.spec.objective.beta > 0
        reason = collapse(
            self.spec.training.outcome,
            self.state.history[-1]["train_accuracy"],
            self.images_an_epoch,
            float(label_shares(self.loaders["train"].labels).max()),
            rate if charged else None,
        )
        if reason is None:
            return {"status": "completed"}
        self._log(f"collapsed: {reason}")
        return {"status": "collapsed", "reason": reason}

    def _write_result(self, result: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        images = self.images_an_epoch * len(state.history)
        identity = {"schema": files.SCHEMA, "key": self.spec.key, "seed": self.spec.seed}
        identity |= {"names": self.spec.names.model_dump()} | self.origin
        cost = {
            "seconds": self._seconds(),
            "step_seconds": state.step_seconds,
            "evaluation_seconds": state.evaluation_seconds,
            "images_per_second": images / state.step_seconds if images else 0.0,
            "peak_memory_bytes": peak_memory(self.device),
            "device": describe(self.device),
            "threads": torch.get_num_threads(),
            "precision": self.spec.training.precision,
        }
        self._log(f"{result['status']} in {cost['seconds']:.1f} s")
        content = identity | result | {"cost": cost, "files": files.seal(self.folder)}
        files.write_json(self.folder / files.FINISHED, content)
        files.write_json(self.folder / files.RESULT, content)
        (self.folder / files.CHECKPOINT).unlink(missing_ok=True)
        return content

    def _write_spec(self, around: dict[str, Any]) -> None:
        content = {"schema": files.SCHEMA, "key": self.spec.key, "seed": self.spec.seed}
        content |= self.origin | {"spec": self.spec.model_dump(mode="json")} | around
        content["environment"] = around["environment"] | {"device": describe(self.device)}
        files.write_json(self.folder / files.SPEC, content)

    def _rewrite_history(self) -> None:
        """The whole history each time: a resumed run drops lines that its checkpoint lacks."""
        files.write_history(self.folder / files.METRICS, self.state.history)

    # ------------------------------------------------------------ seen by people

    def _log(self, text: str) -> None:
        with (self.folder / files.LOG).open("a") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
        if not sys.stderr.isatty():
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def _progress(self) -> Iterator[Any]:
        """A live bar on a terminal; yields a function to call after each epoch."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [TextColumn("epochs,"), TimeRemainingColumn(), TextColumn("left")]
        console = Console(stderr=True)
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(
                f"{self.spec.names.model} seed {self.spec.seed}",
                total=self.spec.training.epochs,
                completed=self.state.epoch,
            )
            yield lambda: progress.advance(task)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C end the run after the step in hand, with a checkpoint."""

        def note(number: int, _: Any) -> None:
            self.stop_signal = number

        previous = {n: signal.signal(n, note) for n in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _evaluated_words(line: dict[str, float]) -> str:
    words = [
        f"  {split} {line[f'{split}_accuracy']:.2%}"
        for split in ("validation", "test")
        if f"{split}_accuracy" in line
    ]
    if "perplexity" in line:
        words.append(f"  anchors {line['perplexity']:.1f} in use, {line['dead_anchors']} dead")
    return "".join(words)


def make_loaders(spec: RunSpec, data: PreparedData, device: torch.device) -> dict[str, Loader]:
    """What is trained on and what is evaluated, normalised and augmented as the spec says."""
    own = data.manifest["mean"], data.manifest["std"]
    mean, std = (spec.normalisation.mean, spec.normalisation.std) if spec.normalisation else own

    def loader(images: np.ndarray, labels: np.ndarray) -> Loader:
        return Loader(
            images,
            labels,
            mean,
            std,
            crop_padding=spec.augmentation.crop_padding,
            padding_mode=spec.augmentation.padding_mode,
            crop_size=spec.augmentation.crop_size,
            horizontal_flip=spec.dataset.horizontal_flip,
            device=device,
        )

    images, labels = data.train.images, data.train.labels
    if spec.training.validation == "none":  # as the release: nothing is kept apart
        images = np.concatenate([images, data.validation.images])
        labels = np.concatenate([labels, data.validation.labels])
    subset = spec.training.train_subset
    if subset is not None and subset > len(images):
        raise AibError(
            f"training.train_subset is {subset}, and '{spec.names.dataset}' has {len(images)} "
            "images to train on"
        )
    evaluated = {split: getattr(data, split) for split in spec.splits}
    return {"train": loader(images[:subset], labels[:subset])} | {
        split: loader(content.images, content.labels) for split, content in evaluated.items()
    }


def best_epoch(history: list[dict[str, float]], choice: str) -> int | None:
    """The epoch, from 1, that `choice` selects of those evaluated; the earliest wins a tie.

    None where the split that would choose was never looked at.
    """
    if choice == "last":
        return len(history)
    split = choice.removeprefix("best_")
    evaluated = [line for line in history if f"{split}_accuracy" in line]
    if not evaluated:
        return None
    return max(evaluated, key=lambda line: _selecting(line, split))["epoch"]


def _selecting(line: dict[str, float], split: str) -> float:
    """The accuracy that selects: the best of several draws, as the release does (#25)."""
    return line.get(f"{split}_best_draw", line[f"{split}_accuracy"])


def figures_at(history: list[dict[str, float]], choice: str) -> dict[str, float] | None:
    """The evaluated figures of the epoch that `choice` selects; None where there is none."""
    epoch = best_epoch(history, choice)
    if epoch is None:
        return None
    line = history[epoch - 1]
    names = [f"{split}_{name}" for split in ("validation", "test") for name in Figures._fields]
    figures = {name: line[name] for name in names if name in line}
    if choice == "best_test":
        figures["test_accuracy"] = _selecting(line, "test")
    return {"epoch": epoch} | figures
