"""What travels of a study: all that its numbers are computed from, in one small file.

A tar under xz with the records of its runs, without weights and maps: of the predictions it has the
class, and the log-probability of the true one, of the maps the ranks of their cells. One member,
`evidence.json`, holds the digest of every other. The same runs give the same bytes. Several
machines can fill one file: runs that it holds and that are not here stay in it.
"""

import io
import json
import lzma
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from aib.data.verifying import verified
from aib.errors import AibError
from aib.evaluation.identity import identity
from aib.evaluation.parts import Common
from aib.files import ADOPTED, ATTENTION, METRICS, PREDICTIONS, RESULT, SPEC, write_atomically
from aib.record import EVALUATION, PARTS, read
from aib.studies.blocks import LOOKS
from aib.studies.plan import Plan

MANIFEST, SCHEMA = "evidence.json", 1
AS_THEY_ARE = (SPEC, METRICS, RESULT, ADOPTED, EVALUATION)
UNREADABLE = (OSError, EOFError, lzma.LZMAError, tarfile.TarError)
LARGEST = 2**30  # bytes, unpacked
IMAGES = 1000  # whose maps are compared between runs; more would change the third digit


def default_path(reports: Path, study: str) -> Path:
    """Where a study's evidence lies."""
    return reports / study / "evidence" / "runs.tar.xz"


class Packed(NamedTuple):
    """What a file of evidence was made of."""

    here: int  # runs packed from this machine's records
    kept: int  # runs that the file held already, and that are not here
    stale: int  # evaluations left out, of other code or parameters than are declared now


def write(plan: Plan, evaluations: dict[str, Common], results_root: Path, path: Path) -> Packed:
    """Write the evidence of a study's finished runs, those here and those in the file already.

    `AibError` where there is none, where a record is damaged, or for a file of another study.
    """
    folders = dict.fromkeys(PurePath("runs") / folder for folder in plan.by_folder)
    here = [folder for folder in folders if (results_root / folder / RESULT).exists()]
    before = _verified(path, plan.name) if path.exists() else {}
    kept = [f for f in folders if f not in here and str(f / RESULT) in before]
    if not here and not kept:
        raise AibError(f"no run of study '{plan.name}' is finished; there is nothing to pack")
    members = {
        str(folder / name): content
        for folder in here
        for name, content in _members(results_root / folder)
    }
    members |= {
        name: content
        for name, content in before.items()
        if name.startswith("data/") or not {*kept}.isdisjoint(PurePath(name).parents)
    }
    looks = path.parents[1] / LOOKS  # of reports/STUDY
    if looks.exists():
        members[LOOKS] = looks.read_bytes()
    split = plan.runs[0].evaluation.split
    for dataset in plan.study.datasets:
        name = f"data/{dataset}/{split}_sources.npy"
        if (results_root / name).exists():
            verified((results_root / name).parent)
            members[name] = (results_root / name).read_bytes()
    stale = sum(_drop_stale(members, folder, evaluations) for folder in (*here, *kept))
    _pack(path, plan.name, members)
    return Packed(len(here), len(kept), stale)


def _drop_stale(members: dict[str, bytes], folder: PurePath, evaluations: dict[str, Common]) -> int:
    """Leave out what was evaluated by other code or parameters than are declared; return how much.

    Else one run that was evaluated before a change would keep a study from being reported.
    """
    name = str(folder / EVALUATION)
    if name not in members:
        return 0
    found = json.loads(members[name])
    current = {k: each for k, each in found.items() if _is_current(each, evaluations.get(k))}
    for stale in found.keys() - current.keys():
        members.pop(str(folder / PARTS / f"{stale}.npz"), None)
    if len(current) < len(found):
        members[name] = json.dumps(current, indent=1).encode()
    return len(found) - len(current)


def _is_current(found: dict[str, Any], entry: Common | None) -> bool:
    return entry is not None and identity(entry).items() <= found["identity"].items()


def _pack(path: Path, study: str, members: dict[str, bytes]) -> None:
    members = dict(sorted(members.items()))
    digests = {name: sha256(content).hexdigest() for name, content in members.items()}
    manifest = {"schema": SCHEMA, "study": study, "members": digests}
    path.parent.mkdir(parents=True, exist_ok=True)

    def pack(temporary: Path) -> None:
        with tarfile.open(temporary, "w:xz", preset=9) as tar:
            for name, content in {MANIFEST: json.dumps(manifest).encode(), **members}.items():
                entry = tarfile.TarInfo(name)  # no times, no owner
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))

    write_atomically(path, pack)


def _members(folder: Path) -> Iterator[tuple[str, bytes]]:
    run = read(folder)
    run.check_seal()
    _ = run.code_hashes, run.evaluation  # read, so that no damaged file is packed
    for name in AS_THEY_ARE:
        if (folder / name).exists():
            yield name, (folder / name).read_bytes()
    if run.predictions:
        yield PREDICTIONS, _arrays(**_shortened(run.predictions))
    maps = f"{run.result.get('scored')}_mean"
    if maps in run.attention:
        yield ATTENTION, _arrays(**{maps: _ranks(run.attention[maps][:IMAGES])})
    for path in sorted((folder / PARTS).glob("*.npz")):
        # Without zip's compression, so that xz sees what runs have in common.
        yield f"{PARTS}/{path.name}", _arrays(**run.evaluation_arrays(path.stem))


def _shortened(predictions: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    logits, labels = predictions["logits"], predictions["labels"]
    smallest = np.min_scalar_type(logits.shape[1])
    return {
        "predicted": predictions["predicted"].astype(smallest),
        "labels": labels.astype(smallest),
        "log_probability": logits[np.arange(len(labels)), labels],
    }


def _ranks(maps: np.ndarray) -> np.ndarray:
    """Twice the rank of each cell in its map, whole numbers even where cells tie."""
    ranks = 2 * rankdata(maps.reshape(len(maps), -1), axis=1)
    return ranks.reshape(maps.shape).astype(np.min_scalar_type(int(ranks.max())))


def _arrays(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def unpack(path: Path, study: str, folder: Path) -> None:
    """Unpack evidence into an empty folder, as the results of that study.

    `AibError` for another study's, and for a file that is damaged or holds what it should not.
    """
    for name, content in _verified(path, study).items():
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise AibError(f"{path}: {name} lies outside of it; do not use this file")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def study_of(path: Path) -> str:
    """The study that a file of evidence is of; `AibError` where it is no such file."""
    try:
        with tarfile.open(path, "r:xz") as tar:
            return str(json.load(tar.extractfile(MANIFEST))["study"])
    except (*UNREADABLE, LookupError, TypeError, ValueError, AttributeError) as error:
        raise AibError(f"{path}: no readable evidence ({error}); fetch or write it again") from None


def _verified(path: Path, study: str) -> dict[str, bytes]:
    """The members of a file but its manifest, each with the digest that it was packed with."""
    try:
        with tarfile.open(path, "r:xz") as tar:
            entries = tar.getmembers()
            if sum(entry.size for entry in entries) > LARGEST:
                raise AibError(f"{path}: would unpack to more than {LARGEST} bytes")
            # Plain files alone: what a link or a device would be is never made.
            members = {e.name: tar.extractfile(e).read() for e in entries if e.isreg()}
        manifest = json.loads(members.pop(MANIFEST))
        _check(path, members, manifest, study)
    except (*UNREADABLE, LookupError, TypeError, ValueError) as error:
        raise AibError(f"{path}: no readable evidence ({error}); fetch or write it again") from None
    return members


def _check(path: Path, members: dict[str, bytes], manifest: dict, study: str) -> None:
    if manifest["schema"] != SCHEMA:
        raise AibError(f"{path}: evidence of schema {manifest['schema']}, this reads {SCHEMA}")
    if manifest["study"] != study:
        raise AibError(f"{path}: is of study '{manifest['study']}', not of '{study}'")
    found = {name: sha256(content).hexdigest() for name, content in members.items()}
    for name in sorted(found.keys() | manifest["members"].keys()):
        if found.get(name) != manifest["members"].get(name):
            raise AibError(f"{path}: {name} is not what was packed; fetch or write it again")
