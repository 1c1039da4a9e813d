"""Every declared evaluation of a finished run, or of weights that somebody else trained."""

import time
from collections.abc import Collection
from functools import cache, partial
from pathlib import Path
from typing import Any

from aib import files
from aib.data.verifying import mapped, verified
from aib.errors import AibError
from aib.evaluation.identity import applicable, identity
from aib.evaluation.network import trained_network
from aib.evaluation.parts import Common, Found, Inapplicable, part
from aib.evaluation.subject import Subject, Surroundings
from aib.numbers import plain
from aib.reading import read_json
from aib.record import EVALUATION, PARTS, Record, evaluation_digest
from aib.spec.run import RunSpec

AGAIN = "evaluate the run again"


def load_subject(spec: RunSpec, weights: Path, around: Surroundings) -> Subject:
    """The network of a spec with those weights, and its dataset.

    Raises `AibError` for weights of another network, and for data that are damaged or prepared
    from another entry.
    """
    data = verified(around.datasets / spec.names.dataset)
    if data.manifest["parameters"] != spec.dataset.identity:
        name = spec.names.dataset
        raise AibError(f"{name}: was prepared with other parameters; run: aib data prepare {name}")
    return Subject(trained_network(spec, weights), spec, data, around)


def evaluate_run(
    run: Record,
    entries: dict[str, Common],
    around: Surroundings,
    what: Collection[str] | None = None,
) -> dict[str, Any]:
    """Make those evaluations that are not yet there, and write evaluation.json; return its content.

    A part is computed again when its code, its parameters, the weights or the data are others. What
    says nothing of this run is noted with its reason. A run that diverged has no evaluation. Of
    entries that `what` does not name, only those that are there already are taken in.
    """
    found: dict[str, Any] = {}
    if run.has_figures:
        run.check_seal()
        spec = run.run_spec
        subject = cache(partial(load_subject, spec, run.folder / files.WEIGHTS, around))
        data = mapped(around.datasets / spec.names.dataset)
        if data.digest != run.result["data_digest"]:
            raise AibError(f"{spec.names.dataset}: not the data that {run.folder} was trained on")
        origin = {"weights": run.result["weights_sha256"], "data": data.digest}
        for name, entry in applicable(entries, spec.names.dataset).items():
            each = _Part(run.folder / PARTS, name, entry, origin | elsewhere(entry, around))
            content = each.known()
            if content is None and (what is None or name in what):
                content = each.made(subject())
            if content is not None:
                found[name] = content
    files.write_json(run.folder / EVALUATION, found)
    return found


class _Part:
    """One evaluation of a run with its two files."""

    def __init__(self, folder: Path, name: str, entry: Common, origin: dict[str, str]) -> None:
        self.entry = entry
        self.path, self.arrays = folder / f"{name}.json", folder / f"{name}.npz"
        self.identity = origin | identity(entry)

    def known(self) -> dict[str, Any] | None:
        """What was found before, if that is of the same identity and whole."""
        if not self.path.exists():
            return None
        content = read_json(self.path, dict[str, Any], f"delete it and {AGAIN}")
        if content.get("identity") != self.identity:
            return None
        if content.get("digest", evaluation_digest(content)) != evaluation_digest(content):
            raise AibError(f"{self.path}: damaged (not what was found); delete it and {AGAIN}")
        whole = "arrays" not in content or (
            self.arrays.exists() and files.file_sha256(self.arrays) == content["arrays"]
        )
        return content if whole else None

    def made(self, subject: Subject) -> dict[str, Any]:
        """What is found now."""
        self.path.parent.mkdir(exist_ok=True)
        begin = time.perf_counter()
        content: dict[str, Any] = {"identity": self.identity}
        found = make(subject, self.entry)
        if isinstance(found, str):
            content["inapplicable"] = found
        else:
            content["numbers"] = plain(found.numbers)
            if found.arrays:
                files.write_arrays(self.arrays, **found.arrays)
                content["arrays"] = files.file_sha256(self.arrays)
        content["seconds"] = time.perf_counter() - begin
        content["digest"] = evaluation_digest(content)
        files.write_json(self.path, content)
        return content


def elsewhere(entry: Common, around: Surroundings) -> dict[str, Any]:
    """What an entry needs beside the run, as far as it is here: digests, a label map's content."""
    found: dict[str, Any] = {}
    for name in entry.other_datasets:
        folder = around.datasets / name
        found[name] = mapped(folder).digest if folder.exists() else None
    if entry.label_map is not None:
        found["label_map"] = around.label_maps[entry.label_map].model_dump(mode="json")
    return found


def make(subject: Subject, entry: Common) -> Found | str:
    """One evaluation of a network; the reason where it says nothing of it."""
    for folder in (subject.around.datasets / name for name in entry.other_datasets):
        if folder.exists():
            verified(folder)
    try:
        return part(entry.kind).evaluate(subject, entry)
    except Inapplicable as reason:
        return str(reason)
