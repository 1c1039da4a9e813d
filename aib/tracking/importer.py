"""Makes the study's experiment in MLflow equal to the records that are here."""

import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from threading import Lock

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as TrackedRun
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from aib.record import Record
from aib.reporting.collect import CellResults, collect
from aib.studies.plan import Plan
from aib.tracking import artifacts, store
from aib.tracking.content import HAS_MODEL, IDENTITY, Content, content, times
from aib.tracking.view import experiment_tags

PARAMS_A_BATCH, METRICS_A_BATCH = 100, 800  # and with a tag 1000 at most
CONTENT = "aib.content"  # digest of all that was logged; set last, so that half a run has none
WRITERS = 8  # at once, to a server: it works while others wait; SQLite lets one write


def import_study(plan: Plan, results: Path, reports: Path, models: bool = True) -> str:
    """Bring the study's experiment up to date with its finished records; say what changed.

    Without `models` the networks' weights are left out.
    """
    records = collect(plan, results, allow_mixed_code=True, allow_missing=True).runs
    uri = store.tracking_uri()
    with store.errors_as_one_line(uri):
        client = store.connect(uri)
        experiment = store.open_experiment(client, uri, plan.name)
        importer = _Importer(client, uri, experiment, plan, results / "data", models)
        counts = importer.bring(records)
        tags = experiment_tags(plan, experiment, reports / plan.name / "index.html")
        store.set_tags(client, experiment, tags)
    total = sum(counts.values()) - counts["removed"]
    kinds = ("new", "replaced", "removed", "unchanged")
    changes = ", ".join(f"{counts[kind]} {kind}" for kind in kinds)
    return f"{store.shown(uri)}: experiment {plan.name}, {total} runs ({changes})"


@dataclass(frozen=True)
class _Importer:
    client: MlflowClient
    uri: str
    experiment: str
    plan: Plan
    datasets: Path
    models: bool
    # A server fails when two runs bring the same new dataset at the same moment.
    dataset_lock: Lock = field(default_factory=Lock)

    def bring(self, records: list[tuple[Record, list[CellResults]]]) -> Counter:
        """Log what is new or has changed, delete what is no longer asked for; count each."""
        existing, counts = self._existing(), Counter()
        planned = {run.folder.as_posix() for run in self.plan.runs}
        for folder in existing.keys() - planned:
            for old in existing.pop(folder):
                self._remove(old)
                counts["removed"] += 1
        with ThreadPoolExecutor(1 if store.database_of(self.uri) else WRITERS) as pool:
            counts.update(pool.map(lambda each: self._bring(*each, existing), records))
        counts["unchanged"] += len(existing)  # planned, and their records are not here
        return counts

    def _existing(self) -> dict[str, list[TrackedRun]]:
        """The experiment's runs that this importer made, by folder."""
        runs, token = defaultdict(list), None
        while True:
            page = self.client.search_runs([self.experiment], max_results=1000, page_token=token)
            for run in page:
                if IDENTITY in run.data.tags:
                    runs[run.data.tags[IDENTITY]].append(run)
            token = page.token
            if not token:
                return runs

    # ------------------------------------------------------------ one run

    def _bring(
        self, record: Record, cells: list[CellResults], existing: dict[str, list[TrackedRun]]
    ) -> str:
        """Let one run be there once, and as its record is; say what that took."""
        record, spec = replace(record), cells[0].spec  # a copy, which goes with what it has read
        has_model = "no: left out"
        if self.models:
            has_model = artifacts.has_model(record, spec, self.datasets)
        made = content(self.plan, record, cells, has_model)
        found = existing.pop(made.tags[IDENTITY], [])
        same = [run for run in found if run.data.tags.get(CONTENT) == made.digest][:1]
        if not same:
            self._log(made, record, cells)
        for old in found:
            if old not in same:
                self._remove(old)
        return "unchanged" if same else "replaced" if found else "new"

    def _log(self, made: Content, record: Record, cells: list[CellResults]) -> None:
        """Write one run."""
        start, end = times(record)
        run = self.client.create_run(
            self.experiment, start_time=start, run_name=made.name, tags=made.tags
        )
        run_id = run.info.run_id
        context = InputTag("mlflow.data.context", "training")
        with self.dataset_lock:
            self.client.log_inputs(run_id, [DatasetInput(Dataset(**made.dataset), [context])])
        self._write_files(run, made, record, cells)
        self.client.set_terminated(run_id, "FINISHED" if made.completed else "FAILED", end)
        params = [Param(name, value) for name, value in made.params.items()]
        metrics = [
            Metric(point.name, point.value, start + round(1000 * point.seconds), point.epoch)
            for point in made.metrics
        ]
        batches = list(
            zip_longest(
                _batches(params, PARAMS_A_BATCH), _batches(metrics, METRICS_A_BATCH), fillvalue=[]
            )
        )
        for number, (some_params, some_metrics) in enumerate(batches, start=1):
            last = [RunTag(CONTENT, made.digest)] if number == len(batches) else []
            self.client.log_batch(run_id, params=some_params, metrics=some_metrics, tags=last)

    def _write_files(
        self, run: TrackedRun, made: Content, record: Record, cells: list[CellResults]
    ) -> None:
        """Beside a local database at once, where weights need no second copy; else by upload."""
        local = store.database_of(self.uri) is not None
        place = nullcontext(run.info.artifact_uri) if local else tempfile.TemporaryDirectory()
        with place as folder:
            artifacts.write_picture(Path(folder), record)
            if made.tags[HAS_MODEL] == "yes":
                model = Path(folder, artifacts.MODEL)
                artifacts.write_model(model, record, cells[0].spec, self.datasets)
            if not local:
                self._files_of(run).log_artifacts(folder)

    def _remove(self, run: TrackedRun) -> None:
        """Delete a run with its files, which MLflow would keep."""
        self._files_of(run).delete_artifacts()
        self.client.delete_run(run.info.run_id)

    def _files_of(self, run: TrackedRun):
        return get_artifact_repository(run.info.artifact_uri, tracking_uri=self.uri)


def _batches(items: list, size: int) -> list[list]:
    return [items[first : first + size] for first in range(0, len(items), size)]
