"""MLflow, as a view of the run records that can be rebuilt at any time.

Training writes plain files and never imports mlflow; this importer, the one writer, reads them.
A study is an experiment, a record is a run. Importing again writes nothing, what has changed is
replaced, and a deleted database comes back with the next import. No file goes into MLflow: it
stores where artifacts lie as absolute paths, which break when the project moves.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

from aib.errors import AibError
from aib.files import LOG, RESULT, file_sha256
from aib.record import Record
from aib.reporting.collect import CellResults, collect
from aib.reporting.evaluations import per_run
from aib.studies.plan import Plan
from aib.terminal import without_passwords

# Before mlflow is imported: no telemetry, no two lines of output a run, and a server that is away
# is noticed in seconds, where MLflow would ask for some minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.entities import Run as TrackedRun
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

DATABASE = "mlflow.db"
LONGEST_VALUE = 6000  # of a parameter, as MLflow has it
PARAMS_A_BATCH, METRICS_A_BATCH = 100, 900  # and together 1000 at most
DIGEST_LENGTH = 12  # of a dataset, as in the report; MLflow takes 36 and shows some 20
IDENTITY = "aib.folder"  # the tag that says which run of the plan this is
TIME = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  "  # begins every line of a log
CONTENT = "aib.content"  # digest of all that was logged; set last, so that half a run has none


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    value: float
    epoch: int
    seconds: float  # since the run started


@dataclass(frozen=True)
class Content:
    """All that MLflow shows of one record, but when it was made."""

    name: str
    completed: bool
    params: dict[str, str]
    metrics: list[Point]
    tags: dict[str, str]
    dataset: dict[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def import_study(plan: Plan, results: Path, reports: Path) -> str:
    """Make the study's experiment in MLflow equal to its finished records; say what changed."""
    records = collect(plan, results, allow_mixed_code=True, allow_missing=True).runs
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{DATABASE}"
    with _errors_as_one_line(uri):
        client = _connect(uri)
        experiment = _experiment(client, plan, reports / plan.name / "index.html")
        counts = _import_runs(client, experiment, plan, records)
    total = sum(counts.values()) - counts["removed"]
    kinds = ("new", "replaced", "removed", "unchanged")
    changes = ", ".join(f"{counts[kind]} {kind}" for kind in kinds)
    return f"{_shown(uri)}: experiment {plan.name}, {total} runs ({changes})"


# ---------------------------------------------------------------- the store


def _connect(uri: str) -> MlflowClient:
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if uri.startswith("sqlite:///"):
        _check_database(Path(uri.removeprefix("sqlite:///")))
    return MlflowClient(tracking_uri=uri)


def _check_database(path: Path) -> None:
    """Raise unless `path` is, or can become, a database of MLflow that can be written.

    MLflow itself would try for minutes to open what is no database, and add its tables to a
    database of something else.
    """
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        connection.rollback()
    if tables and "alembic_version" not in tables:
        raise sqlite3.DatabaseError("a database, but not one of MLflow")


@contextmanager
def _errors_as_one_line(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error) as error:
        remedy = "set MLFLOW_TRACKING_URI to a running server, or unset it to use mlflow.db"
        if uri.startswith("sqlite:"):
            remedy = "make it writable, or move it away and import again: it mirrors the records"
        reason = str(error).strip().splitlines()[0].rsplit("(Caused by ", 1)[-1].rstrip(")")
        reason = shorten(without_passwords(reason), 160, placeholder=" …")
        raise AibError(f"{_shown(uri)}: MLflow cannot be used ({reason}); {remedy}") from None


def _shown(uri: str) -> str:
    return without_passwords(uri).removeprefix("sqlite:///")


# ---------------------------------------------------------------- the experiment


def _experiment(client: MlflowClient, plan: Plan, report: Path) -> str:
    """Id of the study's experiment, made or brought up to date."""
    found = client.get_experiment_by_name(plan.name)
    if found is None:
        found = client.get_experiment(client.create_experiment(plan.name))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    tags = {
        "mlflow.note.content": _note(plan, report, found.experiment_id),
        "aib.title": plan.study.title,
        "aib.hypothesis": plan.study.hypothesis,
        "aib.report": report.as_posix(),
    }
    for name, value in tags.items():
        if found.tags.get(name) != value:
            client.set_experiment_tag(found.experiment_id, name, value)
    return found.experiment_id


def _note(plan: Plan, report: Path, experiment: str) -> str:
    """The description in the UI, which shows only the first line before a click.

    The link is for those who have not left the UI's GenAI mode, which hides all runs. The report
    has none: the UI strips links to files, and browsers refuse them.
    """
    runs = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    place = f"report: `{report.as_posix()}` in the project's folder"
    return f"{plan.study.title} [See the runs]({runs}); {place}\n\n{plan.study.hypothesis}"


# ---------------------------------------------------------------- its runs


def _import_runs(
    client: MlflowClient,
    experiment: str,
    plan: Plan,
    records: list[tuple[Record, list[CellResults]]],
) -> Counter:
    """Log what is new or has changed, delete what is no longer asked for; count each."""
    existing, counts = _existing(client, experiment), Counter()
    planned = {run.folder.as_posix() for run in plan.runs}
    for folder in existing.keys() - planned:
        for old in existing.pop(folder):
            client.delete_run(old.info.run_id)
            counts["removed"] += 1
    for record, cells in records:
        content = _content(plan, record, cells)
        found = existing.pop(content.tags[IDENTITY], [])
        same = [run for run in found if run.data.tags.get(CONTENT) == content.digest][:1]
        if not same:
            _log(client, experiment, content, *_times(record))
        for old in found:
            if old not in same:
                client.delete_run(old.info.run_id)
        counts["unchanged" if same else "replaced" if found else "new"] += 1
    counts["unchanged"] += len(existing)  # planned, and their records are not here
    return counts


def _existing(client: MlflowClient, experiment: str) -> dict[str, list[TrackedRun]]:
    """The experiment's runs that this importer made, by folder."""
    runs, token = defaultdict(list), None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        for run in page:
            if IDENTITY in run.data.tags:
                runs[run.data.tags[IDENTITY]].append(run)
        token = page.token
        if not token:
            return runs


def _log(client: MlflowClient, experiment: str, content: Content, start: int, end: int) -> None:
    """Write one run; `start` and `end` in milliseconds since 1970."""
    run = client.create_run(experiment, start_time=start, run_name=content.name, tags=content.tags)
    run_id = run.info.run_id
    params = [Param(name, value) for name, value in content.params.items()]
    metrics = [
        Metric(point.name, point.value, start + round(1000 * point.seconds), point.epoch)
        for point in content.metrics
    ]
    batches = _batches(params, PARAMS_A_BATCH), _batches(metrics, METRICS_A_BATCH)
    for some_params, some_metrics in zip_longest(*batches, fillvalue=[]):
        client.log_batch(run_id, params=some_params, metrics=some_metrics)
    context = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [DatasetInput(Dataset(**content.dataset), [context])])
    status = "FINISHED" if content.completed else "FAILED"
    client.set_terminated(run_id, status, end)
    client.set_tag(run_id, CONTENT, content.digest)


def _batches(items: list, size: int) -> list[list]:
    return [items[first : first + size] for first in range(0, len(items), size)]


def _times(record: Record) -> tuple[int, int]:
    """Start and end of a run in milliseconds since 1970.

    The end is the last line of the log, in this machine's time zone: file times change when DVC
    brings a record back. The start is the end less the time that the run took. A record without
    a log gets the time of its result.json.
    """
    log, result = record.folder / LOG, record.folder / RESULT
    times = re.findall(TIME, log.read_text(), flags=re.MULTILINE) if log.exists() else []
    end = datetime.fromisoformat(times[-1]).timestamp() if times else result.stat().st_mtime
    cost = record.result["cost"]  # `seconds` begins anew when a run resumes, the others do not
    seconds = max(cost["seconds"], cost["step_seconds"] + cost["evaluation_seconds"])
    return round(1000 * (end - seconds)), round(1000 * end)


# ---------------------------------------------------------------- one record


def _content(plan: Plan, record: Record, cells: list[CellResults]) -> Content:
    result, spec = record.result, record.spec["spec"]
    names, arms = result["names"], [cell.arm for cell in cells]
    where = f" on {names['dataset']}" if len(plan.study.datasets) > 1 else ""
    return Content(
        name=f"{arms[0]}{where} seed {result['seed']}",
        completed=record.has_figures,
        params={"arm": arms[0]} | _flat(spec),  # the compare page plots by parameters, not tags
        metrics=[*_figures(record), *_by_epoch(record.history)],
        tags=_tags(record, arms),
        dataset={
            "name": names["dataset"],
            "digest": result["data_digest"].removeprefix("sha256:")[:DIGEST_LENGTH],
            "source_type": "local",
            "source": json.dumps({"uri": f"results/data/{names['dataset']}"}),
            "profile": json.dumps(spec["dataset"]),
        },
    )


def _tags(record: Record, arms: list[str]) -> dict[str, str]:
    result, git = record.result, record.spec["git"]
    folder = "/".join(record.folder.parts[-4:])  # as RunSpec.folder
    note = f"Record: `results/runs/{folder}`"
    tags = {
        "aib.arm": arms[0],
        "aib.arms": ", ".join(arms),
        "aib.seed": str(result["seed"]),
        **{f"aib.{part}": name for part, name in result["names"].items()},
        "aib.run_key": result["key"],
        "aib.code_hash": result["code_hash"],
        "aib.data_digest": result["data_digest"],
        "aib.device": result["cost"]["device"],
        "aib.record": file_sha256(record.folder / RESULT),
        IDENTITY: folder,
        "mlflow.source.name": "aib train",
        "mlflow.note.content": note if record.has_figures else f"{note}\n\n{result['reason']}",
    }
    if git["commit"]:
        tags["mlflow.source.git.commit"] = git["commit"]
    return tags


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys of a spec; what is neither text nor a mapping is spelled as JSON."""
    flat = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[prefix + key] = text[:LONGEST_VALUE]
    return flat


def _figures(record: Record) -> Iterator[Point]:
    """The figures of the whole run. At epoch 0, which makes MLflow draw them as bars.

    MLflow makes a section of charts of what stands before the slash, in alphabetical order.
    """
    result, sections = record.result, {}
    if record.has_figures:
        modes = result["evaluation"]
        sections["final"] = _joined(modes[result["headline"]])
        sections["samples"] = _joined({mode: _joined(splits) for mode, splits in modes.items()})
        sections["selection"] = _joined({k: v for k, v in result["figures"].items() if v})
        sections["information"] = result["information"]
    sections |= dict(per_run(record))
    sections["resources"] = {"parameters": result.get("parameters")} | result["cost"]
    for section, figures in sections.items():
        for name, value in _numbers(figures):
            yield Point(f"{section}/{name}", value, 0, result["cost"]["seconds"])


def _by_epoch(history: list[dict[str, Any]]) -> Iterator[Point]:
    """Every number of every epoch."""
    seconds = 0.0
    for line in history:
        seconds += line["seconds"]
        for name, value in _numbers(line):
            if name != "epoch":
                yield Point(f"by_epoch/{name}", value, line["epoch"], seconds)


def _joined(tree: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """{"test": {"accuracy": 0.9}} as {"test_accuracy": 0.9}."""
    return {f"{outer}_{k}": v for outer, inner in sorted(tree.items()) for k, v in inner.items()}


def _numbers(content: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The entries that are numbers, which leaves out null, texts and switches."""
    for name, value in content.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
