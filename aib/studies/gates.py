"""What must have been seen before a study is run: its pilot, and the winners of its tuning."""

from pathlib import Path

from aib.errors import AibError
from aib.params import Parameters
from aib.studies.pilot import pilot_plan, read_pilot
from aib.studies.plan import Plan


def check_gates(parameters: Parameters, plan: Plan, reports: Path) -> None:
    """Refuse, with the reason, a study whose earlier stages are missing or did not pass."""
    study = plan.study
    if study.tuned_in and study.tuned_in not in parameters.winners:
        raise AibError(
            f"study '{plan.name}' takes its settings from '{study.tuned_in}', which has no winners "
            f"yet; run: snakemake --cores all --config study={study.tuned_in}"
        )
    if needs_pilot(parameters, plan):
        _check_pilot(parameters, plan, reports / plan.name / "pilot.json")


def needs_pilot(parameters: Parameters, plan: Plan) -> bool:
    """Is the study beyond what its scale lets run unseen?"""
    epochs = sum(run.training.epochs for run in plan.runs)
    return epochs > parameters.scales[plan.study.scale].epochs_without_pilot


def _check_pilot(parameters: Parameters, plan: Plan, path: Path) -> None:
    run_it = f"run: snakemake --cores all pilot --config study={plan.name}"
    if not path.exists():
        raise AibError(f"study '{plan.name}' is too large to be run without a pilot; {run_it}")
    rows = read_pilot(path)
    wanted = {f"{c.arm} on {c.dataset}": c.key for c in pilot_plan(parameters, plan.name).cells}
    if {name: row["key"] for name, row in rows.items()} != wanted:
        raise AibError(f"{path}: is the pilot of other arms or settings; {run_it}")
    failed = [f"{name}: {row['verdict']}" for name, row in rows.items() if row["verdict"]]
    if failed:
        raise AibError(f"the pilot of study '{plan.name}' did not pass ({'; '.join(failed)})")
