"""What a person sees first of an experiment: its description, and a table with what matters.

MLflow's own table shows when a run was made and from which script. A saved view has other columns;
it is a tag of the experiment (the form is that of MLflow's menu *Views*) which a link can name.
"""

import json
from pathlib import Path

from aib.studies.plan import Plan
from aib.tracking.figures import AUROC

VIEW = "results"


def experiment_tags(plan: Plan, experiment: str, report: Path) -> dict[str, str]:
    """All tags of the study's experiment."""
    return {
        "mlflow.note.content": _note(plan, experiment, report),
        f"mlflow.sharedViewState.{VIEW}": _table(plan.runs[0].evaluation.split),
        "aib.title": plan.study.title,
        "aib.hypothesis": plan.study.hypothesis,
        "aib.report": report.as_posix(),
    }


def runs_link(experiment: str) -> str:
    """Where the table is, below the address of the server.

    It also leaves the UI's GenAI mode, which hides all runs.
    """
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"


def _note(plan: Plan, experiment: str, report: Path) -> str:
    """The description, of which the UI shows only the first line before a click.

    The report has no link: the UI strips links to files, and browsers refuse them.
    """
    place = f"report: `{report.as_posix()}` in the project's folder"
    first = f"{plan.study.title} [See the runs]({runs_link(experiment)}); {place}"
    return f"{first}\n\n{plan.study.hypothesis}"


def _table(split: str) -> str:
    """Arm, seed, and of the scored split error and rate, then AUROC."""
    metrics = (f"final/error_{split}", f"final/rate_{split}", f"final/{AUROC}")
    columns = ["params.`arm`", "params.`seed`", *(f"metrics.`{name}`" for name in metrics)]
    state = {"selectedColumns": columns, "orderByKey": columns[0], "orderByAsc": True}
    return json.dumps({"name": VIEW, "createdAt": 0, "state": json.dumps(state)})
