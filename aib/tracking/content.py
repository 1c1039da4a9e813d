"""All that MLflow shows of one record."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from aib.files import LOG, RESULT, file_sha256
from aib.record import Record
from aib.reporting.collect import CellResults
from aib.studies.plan import Plan
from aib.tracking.figures import Point, points

LONGEST_VALUE = 6000  # of a parameter, as MLflow has it
DIGEST_LENGTH = 12  # of a dataset, as in the report; MLflow takes 36 and shows some 20
IDENTITY = "aib.folder"  # the tag that says which run of the plan this is
HAS_MODEL = "aib.has_model"  # the tag that says if it has one that can be loaded
TIME = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)  "  # begins every line of a log


@dataclass(frozen=True)
class Content:
    """All of a run but its files and when it was made."""

    name: str
    completed: bool
    params: dict[str, str]
    metrics: list[Point]
    tags: dict[str, str]
    dataset: dict[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def content(plan: Plan, record: Record, cells: list[CellResults], has_model: str) -> Content:
    """What is logged of a record that belongs to these cells; `has_model`: "yes", or why not."""
    result, spec = record.result, record.spec["spec"]
    names, arms = result["names"], [cell.arm for cell in cells]
    where = f" on {names['dataset']}" if len(plan.study.datasets) > 1 else ""
    return Content(
        name=f"{arms[0]}{where} seed {result['seed']}",
        completed=record.has_figures,
        params={"arm": arms[0]} | _flat(spec),  # the compare page plots by parameters, not tags
        metrics=points(record, cells[0].spec),
        tags=_tags(record, arms) | {HAS_MODEL: has_model},
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


def times(record: Record) -> tuple[int, int]:
    """Start and end of a run in milliseconds since 1970.

    The end is the last line of the log, in this machine's time zone: file times change when DVC
    brings a record back. The start is the end less the time that the run took. A record without
    a log gets the time of its result.json.
    """
    log, result = record.folder / LOG, record.folder / RESULT
    lines = re.findall(TIME, log.read_text(), flags=re.MULTILINE) if log.exists() else []
    end = datetime.fromisoformat(lines[-1]).timestamp() if lines else result.stat().st_mtime
    cost = record.result["cost"]  # `seconds` begins anew when a run resumes, the others do not
    seconds = max(cost["seconds"], cost["step_seconds"] + cost["evaluation_seconds"])
    return round(1000 * (end - seconds)), round(1000 * end)
