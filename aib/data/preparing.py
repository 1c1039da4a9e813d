"""Turn verified files, a folder or the generator into arrays that training maps into memory.

Two rules make the bytes depend on the images alone, not on archive order, seed or platform: every
split is ordered by the SHA-256 of the image bytes (`Spool.order`), and the validation split is the
first tenth (`validation_share`) of each class of train in that order. The first n images of a
split are thus a fixed random sample of it.

Examples are written to disk as they are decoded, and once more in their order, so memory does not
grow with the number of images.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from aib.data import clutter
from aib.data.checksums import check_file
from aib.data.decoders import DECODERS
from aib.data.decoders.class_folders import decode_folder
from aib.data.examples import Example
from aib.data.prepared import MANIFEST, SPLITS, Split
from aib.data.spool import Spool
from aib.data.statistics import ChannelSums
from aib.data.untrusted import CORRECT_IT, FETCH_AGAIN, RefusedError, reading
from aib.data.verifying import stored_digest
from aib.errors import AibError
from aib.params import ArchiveDataset, Dataset, FolderDataset


class _Part(NamedTuple):
    """One split to be: which examples of a spool, in which order."""

    spool: Spool
    indices: np.ndarray

    def labels(self) -> np.ndarray:
        return np.array(self.spool.labels, np.int64)[self.indices]


def prepare(name: str, dataset: Dataset, downloads: Path, folder: Path) -> None:
    """Write the dataset called `name` into `folder`; the same input gives the same bytes.

    Args:
        name: what params/datasets.yaml calls it; recorded in the manifest.
        dataset: its entry.
        downloads: the folder of its fetched files; not looked at if it needs none.
        folder: made if absent. What it held before stays whole until the new arrays are complete.

    Raises:
        AibError: a file is not the declared one, is damaged, or holds something else.
    """
    started = time.monotonic()
    with _workplace(folder) as aside, ExitStack() as stack:
        spools = {s: stack.enter_context(closing(Spool(aside, s))) for s in SPLITS}
        examples = _examples(name, dataset, downloads)
        _check_space(dataset, aside)
        for example in examples:
            _check_room(dataset, downloads, spools[example.split], example.split)
            spools[example.split].add(example)
        parts = _parts(dataset, downloads, spools)
        statistics = _write_arrays(aside, parts, len(dataset.classes))
        _write_manifest(aside, name, dataset, parts, statistics)
        _move(aside, folder)
    counts = ", ".join(f"{len(part.indices):,} {split}" for split, part in parts.items())
    seconds = time.monotonic() - started
    print(f"{name}: {counts} images prepared in {seconds:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, for one process at a time; gone afterwards."""
    aside = folder.with_name(f".{folder.name}.partial")
    aside.mkdir(parents=True, exist_ok=True)
    lock = FileLock(aside / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise AibError(f"{folder}: another process is preparing it; wait for it") from None
    try:
        for leftover in aside.iterdir():  # of a process that was killed
            if leftover.name != "lock":
                leftover.unlink()
        yield aside
    finally:
        shutil.rmtree(aside)
        lock.release()


def _examples(name: str, dataset: Dataset, downloads: Path) -> Iterator[Example]:
    if dataset.kind == "clutter":
        return clutter.examples(dataset)
    if dataset.kind == "folder":
        return decode_folder(dataset)
    for file in dataset.files:
        if not (downloads / file.file).exists():
            raise AibError(f"{downloads / file.file}: no such file; run: aib data fetch {name}")
        check_file(downloads / file.file, file.checksum)
    return DECODERS[dataset.decoder](dataset, [downloads / file.file for file in dataset.files])


def _check_space(dataset: Dataset, folder: Path) -> None:
    """Refuse to fill the disk, if it is known how many images there are to be."""
    counts = getattr(dataset, "counts", None)
    if counts is None:
        return
    channels = 4 if dataset.has_masks else 3
    # Every image is written twice: as it comes, and in its order.
    needed = 2 * (counts.train + counts.test) * channels * dataset.image_size**2
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise AibError(
            f"{folder.parent}: preparing needs {needed:,} bytes of disk, {free:,} are free"
        )


# ---------------------------------------------------------------- splits


def _parts(dataset: Dataset, downloads: Path, spools: dict[str, Spool]) -> dict[str, _Part]:
    """Return train, validation and test, each in canonical order."""
    if dataset.kind == "clutter":
        return {split: _Part(spool, spool.order()) for split, spool in spools.items()}
    _check_complete(dataset, downloads, spools)
    everything = _Part(spools["train"], spools["train"].order())
    labels = everything.labels()
    aside = np.zeros(len(labels), dtype=bool)
    for label in range(len(dataset.classes)):
        members = np.flatnonzero(labels == label)
        aside[members[: round(len(members) * dataset.validation_share)]] = True
    return {
        "train": everything._replace(indices=everything.indices[~aside]),
        "validation": everything._replace(indices=everything.indices[aside]),
        "test": _Part(spools["test"], spools["test"].order()),
    }


def _check_room(dataset: Dataset, downloads: Path, spool: Spool, split: str) -> None:
    """Refuse a further example of a split that has all that are declared."""
    counts = getattr(dataset, "counts", None)
    if counts is not None and len(spool.labels) == getattr(counts, split):
        with _refusing(dataset, downloads):
            raise RefusedError(
                f"holds more {split} images than the {len(spool.labels):,} that are expected"
            )


def _refusing(
    dataset: ArchiveDataset | FolderDataset, downloads: Path
) -> AbstractContextManager[None]:
    """Name the source in what is refused within."""
    where, remedy = downloads, FETCH_AGAIN
    if dataset.kind == "folder":
        where, remedy = Path(dataset.folder), CORRECT_IT
    elif len(dataset.files) == 1:
        where = downloads / dataset.files[0].file
    return reading(where, "dataset", remedy)


def _check_complete(
    dataset: ArchiveDataset | FolderDataset, downloads: Path, spools: dict[str, Spool]
) -> None:
    """Refuse a source that lacks a class, has other counts than declared or is too small."""
    with _refusing(dataset, downloads):
        for split in ("train", "test"):
            labels = spools[split].labels
            if absent := set(range(len(dataset.classes))) - set(labels):
                raise RefusedError(f"no {split} image of class '{dataset.classes[min(absent)]}'")
            declared = getattr(dataset.counts, split, len(labels))
            if len(labels) != declared:
                raise RefusedError(f"holds {len(labels):,} {split} images, expected {declared:,}")
        counts, share = np.bincount(spools["train"].labels).tolist(), dataset.validation_share
        if not any(round(count * share) for count in counts):
            largest = max(counts)
            raise RefusedError(
                f"class '{dataset.classes[counts.index(largest)]}' has {largest:,} train images, "
                f"too few for validation_share {share}"
            )


# ---------------------------------------------------------------- files


def _write_arrays(folder: Path, parts: dict[str, _Part], classes: int) -> dict[str, list[float]]:
    """Write the arrays of all splits; return the channel statistics of the train images."""
    label_type = np.uint8 if classes <= 256 else np.int64
    sums = ChannelSums()
    for split, part in parts.items():
        labels = part.labels().astype(label_type)
        _write_file(folder / f"{split}_labels.npy", lambda stream, a=labels: np.save(stream, a))
        for name, kind in part.spool.kinds().items():
            blocks = part.spool.blocks(name, part.indices)
            if (split, name) == ("train", "images"):
                blocks = sums.watch(blocks)
            shape = (len(part.indices), *kind.shape)
            _write_file(
                folder / f"{split}_{name}.npy",
                lambda stream, t=kind.base, s=shape, b=blocks: _write_blocks(stream, t, s, b),
            )
    return sums.statistics()


def _write_blocks(
    stream: BinaryIO, dtype: np.dtype, shape: tuple[int, ...], blocks: Iterable[np.ndarray]
) -> None:
    """Write an array as np.save does, block by block."""
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    for block in blocks:
        stream.write(block)


def _write_manifest(
    folder: Path, name: str, dataset: Dataset, parts: dict[str, _Part], statistics: dict[str, Any]
) -> None:
    kinds = parts["train"].spool.kinds()
    manifest = {
        "dataset": name,
        "parameters": dataset.identity(),
        **_origin(dataset),
        "classes": list(dataset.classes),
        "masks": dataset.has_masks,
        "extras": [kind for kind in kinds if kind not in ("images", "masks")],
        "digest": stored_digest(folder, ["labels", *kinds]),
        "image_size": dataset.image_size,
        "counts": {
            split: _class_counts(part.labels(), dataset.classes) for split, part in parts.items()
        },
        **statistics,
    }
    text = json.dumps(manifest, indent=2) + "\n"
    _write_file(folder / MANIFEST, lambda stream: stream.write(text.encode()))


def _origin(dataset: Dataset) -> dict[str, Any]:
    if dataset.kind == "clutter":
        source = f"scikit-learn load_digits, generator seed {dataset.generator_seed}"
        return {"source": source, "checksum": None, "decoder": "cluttered-digits"}
    if dataset.kind == "folder":
        return {"source": dataset.folder, "checksum": None, "decoder": "folder"}
    checksums = {file.file: file.checksum for file in dataset.files}
    return {"source": ", ".join(checksums), "checksum": checksums, "decoder": dataset.decoder}


def _class_counts(labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))


def _move(aside: Path, folder: Path) -> None:
    """Move the finished files, with the manifest last: no manifest, no dataset."""
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    arrays = list(aside.glob("*.npy"))
    for path in arrays:
        path.replace(folder / path.name)
    known = {f"{split}_{kind}.npy" for split in SPLITS for kind in Split.__annotations__}
    for stale in known - {path.name for path in arrays}:  # as masks that are no longer wanted
        (folder / stale).unlink(missing_ok=True)
    (aside / MANIFEST).replace(folder / MANIFEST)


def _write_file(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    with path.open("wb") as stream:
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())
