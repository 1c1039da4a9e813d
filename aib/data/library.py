"""The datasets on this machine: what is fetched, prepared and verified, below results/.

downloads/NAME/FILE     as fetched
data/NAME/              prepared (`aib.data.prepared`)
verified/NAME.json      when both were last hashed again, and which arrays they were
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from aib.data.checksums import check_file
from aib.data.prepared import MANIFEST, SPLITS, PreparedData
from aib.data.preparing import prepare
from aib.data.sources import fetch
from aib.data.verifying import verified
from aib.data.verifying import verify as verify_arrays
from aib.errors import AibError
from aib.files import write_json
from aib.params import Dataset, Download, ParameterError, nearest
from aib.terminal import table


@dataclass(frozen=True)
class Library:
    """The datasets that params/datasets.yaml declares, and the folder results/."""

    datasets: dict[str, Dataset]
    results: Path

    def dataset(self, name: str) -> Dataset:
        """The entry of that name; the error has the nearest one."""
        if name not in self.datasets:
            raise ParameterError(
                f"params/datasets.yaml: no dataset '{name}'; {nearest(name, set(self.datasets))}"
            )
        return self.datasets[name]

    def arrays(self, name: str) -> Path:
        """The folder of the prepared dataset."""
        return self.results / "data" / name

    def file(self, name: str, download: Download) -> Path:
        """Where a fetched file of the dataset lies."""
        return self.results / "downloads" / name / download.file

    def fetch(self, name: str, only: str | None = None) -> list[Path]:
        """Fetch the dataset's files, or one of them, unless they are there; return their paths."""
        downloads = {download.file: download for download in self.dataset(name).downloads}
        if not downloads:
            raise AibError(f"dataset '{name}' needs no download; run: aib data prepare {name}")
        if only is not None and only not in downloads:
            raise AibError(
                f"dataset '{name}' has no file '{only}'; {nearest(only, set(downloads))}"
            )
        chosen = [downloads[only]] if only else downloads.values()
        locks = self.results / "downloads" / ".locks"
        return [
            fetch(d, self.file(name, d).parent, copies=self._copies(d), locks=locks) for d in chosen
        ]

    def _copies(self, download: Download) -> list[Path]:
        """Where the file lies when the datasets that share it are fetched."""
        return [
            self.file(other, candidate)
            for other, dataset in self.datasets.items()
            for candidate in dataset.downloads
            if candidate.checksum == download.checksum
        ]

    def prepare(self, name: str) -> None:
        """Decode the dataset's fetched files into arrays and a manifest."""
        prepare(name, self.dataset(name), self.results / "downloads" / name, self.arrays(name))

    def present(self) -> list[str]:
        """The names of the datasets of which anything is here, be it damaged."""
        return [name for name in self.datasets if self._files(name) or self.has_arrays(name)]

    def has_arrays(self, name: str) -> bool:
        """Is there anything in the folder of the prepared dataset?"""
        folder = self.arrays(name)
        return folder.is_dir() and any(folder.iterdir())

    def _files(self, name: str) -> list[Download]:
        """Those of the dataset's files that are fetched."""
        return [d for d in self.dataset(name).downloads if self.file(name, d).exists()]

    def manifest(self, name: str) -> dict[str, Any] | None:
        """What the prepared dataset says it is; None if there is none that can be read."""
        return _read(self.arrays(name) / MANIFEST)

    def is_current(self, name: str) -> bool:
        """Was it prepared as params/datasets.yaml says now?"""
        manifest = self.manifest(name) or {}
        return manifest.get("parameters") == self.dataset(name).identity()

    def verify(self, name: str) -> str:
        """Hash all that is here of a dataset again, note the time, say what was found sound.

        Raises:
            AibError: a file or an array is not what it should be, or nothing is here.
        """
        files, is_prepared = self._files(name), self.has_arrays(name)
        if not files and not is_prepared:
            raise AibError(f"{name}: nothing is here to verify; run: aib data prepare {name}")
        for download in files:
            check_file(self.file(name, download), download.checksum)
        found = [f"{len(files)} fetched {'file' if len(files) == 1 else 'files'}"] if files else []
        if is_prepared:
            verify_arrays(self.arrays(name))
            if not self.is_current(name):
                raise AibError(self.otherwise(name))
            self._check_entry(name)
            found.append("the arrays")
        note = {"time": datetime.now(UTC).isoformat(timespec="seconds")} | self._state(name)
        said = f"{name}: {' and '.join(found)} as declared"
        try:
            (self.results / "verified").mkdir(exist_ok=True)
            write_json(self.results / "verified" / f"{name}.json", note)
        except OSError as error:  # somebody else's results
            said += f" (when, cannot be noted: {error.strerror})"
        return said

    def otherwise(self, name: str) -> str:
        """What to say of a prepared dataset that is not current."""
        return f"{name}: was prepared with other parameters; run: aib data prepare {name}"

    def _check_entry(self, name: str) -> None:
        """Refuse a manifest that says of the dataset what params/datasets.yaml does not."""
        dataset, manifest = self.dataset(name), self.manifest(name)
        declared = {
            "classes": list(dataset.classes),
            "masks": dataset.has_masks,
            "image_size": dataset.image_size,
        }
        found = {key: manifest.get(key) for key in declared}
        counts = {split: sum(manifest["counts"][split].values()) for split in SPLITS}
        if dataset.kind == "clutter":
            declared["counts"] = {split: getattr(dataset, split) for split in SPLITS}
            found["counts"] = counts
        elif dataset.counts is not None:
            declared["counts"] = {"train": dataset.counts.train, "test": dataset.counts.test}
            train = counts["train"] + counts["validation"]
            found["counts"] = {"train": train, "test": counts["test"]}
        for key, value in declared.items():
            if found[key] != value:
                raise AibError(
                    f"{self.arrays(name)}: its {key} are not those of params/datasets.yaml "
                    f"({found[key]} instead of {value}); delete it and prepare it again"
                )

    def verified(self, name: str) -> datetime | None:
        """When the dataset was last verified as it is now."""
        note = _read(self.results / "verified" / f"{name}.json") or {}
        time = note.pop("time", None)
        return datetime.fromisoformat(time) if time and note == self._state(name) else None

    def _state(self, name: str) -> dict[str, Any]:
        """What a verification is about; when this has changed, it is out of date."""
        manifest = self.manifest(name)
        text = json.dumps(manifest, sort_keys=True)
        return {
            "digest": (manifest or {}).get("digest"),
            "manifest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
            "current": self.is_current(name),
            "files": {download.file: download.checksum for download in self._files(name)},
        }

    def load(self, name: str) -> PreparedData:
        """The prepared dataset; AibError if there is none, or if it is damaged."""
        self.dataset(name)  # the error for an unknown name has the nearest one
        if not self.has_arrays(name):
            raise AibError(f"{name}: is not prepared; run: aib data prepare {name}")
        return verified(self.arrays(name))

    def table(self) -> Table:
        """One row a dataset: what it is, and what of it is here."""
        numbers = ("train", "test", "px")
        headings = ("dataset", *numbers, "fetched", "prepared", "verified")
        rows = table("datasets", *headings, whole=headings, right=numbers)
        for name in self.datasets:
            rows.add_row(name, *self._row(name))
        return rows

    def _row(self, name: str) -> list[str]:
        dataset, manifest, time = self.datasets[name], self.manifest(name), self.verified(name)
        files = dataset.downloads
        here = sum(self.file(name, download).exists() for download in files)
        fetched = "-"
        if files:
            sizes = [download.bytes for download in files]
            fetched = {0: "no", len(files): "yes"}.get(here, f"{here} of {len(files)}")
            fetched += "" if None in sizes else f", {_megabytes(sum(sizes))}"
        state = "no"
        if manifest is not None:
            size = sum(path.stat().st_size for path in self.arrays(name).glob("*.npy"))
            state = _megabytes(size) if self.is_current(name) else "other parameters"
        elif (self.arrays(name) / MANIFEST).exists():
            state = "damaged"
        verified = f"{time.astimezone():%Y-%m-%d}" if time else "-"
        counts = _counts(dataset, manifest if self.is_current(name) else None)
        return [*counts, str(dataset.image_size), fetched, state, verified]


def _counts(dataset: Dataset, manifest: dict[str, Any] | None) -> tuple[str, str]:
    """Images of train (and validation, if it is taken from there) and of test.

    As declared, else as found when the images were prepared.
    """
    counts = dataset if dataset.kind == "clutter" else dataset.counts
    if counts is not None:
        return f"{counts.train:,}", f"{counts.test:,}"
    try:
        found = {split: sum(manifest["counts"][split].values()) for split in SPLITS}
    except (KeyError, TypeError, AttributeError):  # not prepared, or the manifest is damaged
        return "?", "?"
    return f"{found['train'] + found['validation']:,}", f"{found['test']:,}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None if there is none or it is damaged."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
