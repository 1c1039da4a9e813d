"""What a study is said to cost, and on what grounds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from records import quick_plan, write_run

from aib import files
from aib.errors import AibError
from aib.params import load
from aib.planning import actual, timing
from aib.planning.estimate import Estimator, totals
from aib.planning.machine import find_machine, recorded_machine
from aib.planning.sharing import CONTEXT, REPORT, advise, what_decides
from aib.probe import Probe
from aib.studies.cost import (
    Network,
    Work,
    memory_bytes,
    run_bytes,
    step_seconds,
    wall_seconds,
    work,
)
from aib.studies.plan import plan
from aib.studies.power import asked, power_lines, reaches

ROOT = Path(__file__).parents[2]
PARAMETERS = load(ROOT)
PAPER = plan(PARAMETERS, "paper-cifar10")
SIZES = {"train": 45000, "validation": 5000, "test": 10000}
CODE = "c0ffee123456"  # of made-up runs
MADE_UP = replace(recorded_machine(PARAMETERS.devices, "cpu", 1), processor="Made-up CPU")
H100 = find_machine(PARAMETERS.devices, "h100", gpus=8)


def arms(results: Path, reports: Path, machine=MADE_UP, study=None, **options) -> list:
    made = study or quick_plan(PARAMETERS)
    return Estimator(PARAMETERS, made, results, reports).arms(machine, CODE, **options)


# ---------------------------------------------------------------- arithmetic


def test_the_work_of_a_run_by_hand():
    spec = PAPER.cell("cifar10", "vgg").runs[0]  # 200 epochs, batches of 128, mean and 4 samples
    # Every epoch one pass over validation and test; at the end 1 + 4 of both, and one of test.
    assert work(spec, SIZES) == Work(200, 352, 3 * 128, 200 * 15000 + 5 * 15000 + 10000)
    # No split apart, four samples each time.
    released = PAPER.cell("cifar10", "vgg-released").runs[0]
    assert work(released, SIZES) == Work(200, 391, 3 * 128, 200 * 4 * 10000 + 4 * 10000 + 10000)
    # A second forward pass of 12 samples in each step, two draws; the last batch is left out.
    cub = plan(PARAMETERS, "paper-cub").cell("cub", "wrn50-2-aib-released").runs[0]
    sizes = {"train": 5400, "validation": 594, "test": 5794}
    last = (12 + 1) * 5794 + 5794
    assert work(cub, sizes) == Work(200, 5994 // 16, 16 * 15, 200 * 2 * 12 * 5794 + last)


def test_seconds_of_a_step_by_hand():
    assert step_seconds(3 * 100, 10**9, 1e12) == pytest.approx(0.3)
    assert step_seconds(3 * 100, 10**9, 1e12, sharing=4) == pytest.approx(1.2)
    assert step_seconds(3 * 100, 10**9, 1e15, least=0.01) == 0.01


@pytest.mark.parametrize(
    ("jobs", "slots", "ends"),
    [
        ([3, 3, 2, 2, 2], 2, 7),  # the best would be 6: whole, longest first
        ([1, 1, 2], 2, 2),
        ([9, 1, 1, 1], 4, 9),  # never less than the longest
        ([1] * 10, 4, 3),
        ([], 4, 0),
    ],
)
def test_runs_are_scheduled_whole(jobs, slots, ends):
    assert wall_seconds(jobs, slots) == ends


def test_bytes_by_hand():
    network = Network(parameters=1000, operations=1, activations=50, map_cells=16)
    spec = PAPER.cell("cifar10", "vgg-aib").runs[0]
    images = 60000 * 3 * 32 * 32
    # Weights, gradients, momentum; activations of a batch of 128.
    assert memory_bytes(spec, network, SIZES) == 4 * 3 * 1000 + 4 * 128 * 50 + images
    # Weights, 2,000 maps of validation and of test; 10 classes in float16 and two int64.
    assert run_bytes(spec, network, SIZES) == 4 * (1000 + 4000 * 16) + 10000 * (20 + 16)


def test_operations_over_the_declared_rate():
    spec = PAPER.cell("cifar10", "vgg-aib-qt").runs[0]
    network, todo = timing.network_of(spec), work(spec, SIZES)
    found = timing.from_operations(spec, network, H100, todo, SIZES)
    # What the rate was computed from: 1,400 images/s in fp32.
    assert 45000 / found.epoch_seconds == pytest.approx(1400, rel=0.01)
    assert found.run_seconds == pytest.approx(200 * found.epoch_seconds * (1 + 3085 / 27034), 1e-3)
    assert found.source == "operations"
    assert "31.8 TFLOP/s in fp32" in found.basis
    given = find_machine(PARAMETERS.devices, tflops=63.6, gpus=8)
    half = timing.from_operations(spec, network, given, todo, SIZES)
    assert half.run_seconds == pytest.approx(found.run_seconds / 2, rel=0.01)
    assert "--device-rate" in half.basis


def test_a_precision_without_a_rate_is_not_estimated():
    a100 = find_machine(PARAMETERS.devices, "a100")
    found = Estimator(PARAMETERS, PAPER, Path("none"), Path("none")).arms(a100, CODE)
    assert {arm.timing.source for arm in found} == {"unknown"}
    assert "no rate in fp32 is declared for a100" in found[0].timing.basis
    assert totals(found, a100, None).unknown_arms == len(found)


# ---------------------------------------------------------------- sources


def pilot(reports: Path, study: str, **changes) -> None:
    cells = timing.pilot_plan(PARAMETERS, study).cells
    row = {"verdict": "", "seconds_an_epoch": 7.0, "peak_memory_bytes": 5, "device": "cpu"}
    row |= {"processor": "Made-up CPU"}
    rows = {f"{c.arm} on {c.dataset}": {"key": c.key, **row, **changes} for c in cells}
    (reports / study).mkdir(parents=True)
    files.write_json(reports / study / "pilot.json", {"arms": rows})


def test_finished_runs_go_before_the_pilot_before_operations(tmp_path):
    study = plan(PARAMETERS, "cifar10-compact")
    seen = study.cell("cifar10-jpeg", "vgg").runs[0]
    where = tmp_path / "results", tmp_path / "reports"
    assert {arm.timing.source for arm in arms(*where, study=study)} == {"operations"}
    pilot(where[1], "cifar10-compact")
    write_run(where[0], seen)
    first, second, *_ = arms(*where, study=study)
    assert (first.timing.source, second.timing.source) == ("finished runs", "pilot")
    assert first.timing.run_seconds == 20.0  # as recorded, all of it
    assert first.timing.epoch_seconds == 17.5 / 24
    assert second.timing.epoch_seconds == 7.0
    assert second.timing.memory_bytes == 5
    # 24 epochs; 3 evaluations of 15,000 images and 85,000 at the end, a pass where training has 3.
    evaluations = (3 * 15000 + 85000) / (24 * 176 * 256 * 3)
    assert second.timing.run_seconds == pytest.approx(7.0 * 24 * (1 + evaluations))


def test_what_was_measured_elsewhere_does_not_count(tmp_path):
    study = plan(PARAMETERS, "cifar10-compact")
    write_run(tmp_path / "results", study.cells[0].runs[0])
    pilot(tmp_path / "reports", "cifar10-compact")
    where = tmp_path / "results", tmp_path / "reports"
    for machine in (H100, replace(MADE_UP, processor="Another CPU")):
        assert {arm.timing.source for arm in arms(*where, machine, study)} == {"operations"}


def test_a_pilot_of_other_settings_does_not_count(tmp_path):
    pilot(tmp_path, "cifar10-compact", key="0" * 12)
    found = arms(tmp_path, tmp_path, study=plan(PARAMETERS, "cifar10-compact"))
    assert {arm.timing.source for arm in found} == {"operations"}


def test_finished_runs_cost_nothing_more(tmp_path):
    study = quick_plan(PARAMETERS)  # six seeds an arm
    for run in study.cell("cluttered-digits", "vgg").runs[:4]:
        write_run(tmp_path, run)
    other = study.cell("cluttered-digits", "vgg").runs[4]
    write_run(tmp_path, other, code="0" * 12)
    found = arms(tmp_path, tmp_path)
    vgg = next(arm for arm in found if arm.cell.arm == "vgg")
    assert (len(vgg.seeds), vgg.done, vgg.left) == (6, 4, 2)  # other code is trained again
    sums = totals([vgg], replace(MADE_UP, count=2), 0)
    assert (sums.left, sums.epochs, sums.jobs) == (2, 2 * 72, 2)
    assert sums.device_seconds == 2 * 20.0
    assert sums.evaluation_seconds == pytest.approx(2 * vgg.evaluation_seconds)
    assert sums.wall_seconds == pytest.approx(20.0 + vgg.evaluation_seconds)


def test_an_ablations_default_value_is_the_arm_itself(tmp_path):
    study = quick_plan(PARAMETERS)
    found = arms(tmp_path, tmp_path)
    assert len(found) == len({arm.key for arm in found}) < len(study.cells)
    assert sum(len(arm.seeds) for arm in found) == len(study.runs)


def test_a_probe_is_scaled_to_the_run():
    spec = PAPER.cell("cifar10", "vgg").runs[0]
    todo = work(spec, SIZES)
    found = timing.from_probe(spec, Probe(0.5, 1000, "cpu"), todo, SIZES)
    assert found.epoch_seconds == 0.5 * 352
    assert found.memory_bytes == 1000 + 60000 * 3 * 32 * 32


# ---------------------------------------------------------------- the estimate and what it took


def test_the_estimate_stands_beside_what_it_took(tmp_path):
    study = quick_plan(PARAMETERS)
    for run in study.cell("cluttered-digits", "vgg").runs[:3]:
        write_run(tmp_path, run)
    estimator = Estimator(PARAMETERS, study, tmp_path, tmp_path)
    made = estimator.arms(MADE_UP, CODE)
    (found,) = actual.from_records(estimator, made, PARAMETERS.devices, 1)
    assert (found.device, found.runs, found.seconds) == ("cpu", 3, 60.0)
    assert found.sources == ("operations",)
    one = estimator.unmeasured(study.cell("cluttered-digits", "vgg"), MADE_UP).run_seconds
    assert found.estimated == pytest.approx(3 * one)


def test_a_report_tells_the_cost_when_the_runs_are_gone(tmp_path):
    study = plan(PARAMETERS, "quick")
    estimator = Estimator(PARAMETERS, study, tmp_path, tmp_path)
    made = estimator.arms(MADE_UP, CODE)
    keys = [{"key": arm.key} for arm in made for _ in arm.seeds]
    summary = {"runs": keys, "cost": {"run_seconds": 1234.0}}
    summary["provenance"] = {"environments": [{"device": "cpu"}]}
    path = tmp_path / "summary.json"
    files.write_json(path, summary)
    (found,) = actual.from_summary(estimator, made, PARAMETERS.devices, 1, path)
    assert (found.runs, found.seconds, found.where) == (len(study.runs), 1234.0, str(path))
    files.write_json(path, summary | {"runs": [*keys, {"key": "of another grid"}]})
    assert actual.from_summary(estimator, made, PARAMETERS.devices, 1, path) == []


# ---------------------------------------------------------------- power


def test_each_question_has_its_power_and_the_primary_ones_a_verdict():
    study = plan(PARAMETERS, "quick")
    found = asked(study)
    assert [each.primary for each in found] == [True, True, False, False]
    assert found[0].superiority > found[2].superiority  # every run counts for a main effect
    assert reaches(found, 0.8)
    assert not reaches(found, 0.99999)
    one_sided = replace(found[0], superiority=0.9, equivalence=0.7)
    assert reaches([one_sided], 0.65)
    assert not reaches([one_sided], 0.8)
    few = replace(study, study=study.study.model_copy(update={"seeds": (0, 1)}))
    assert "do not reach a power of 0.8 with 2 seeds an arm" in power_lines(asked(few), few)[-1]


def test_without_a_spread_the_power_cannot_be_told():
    bare = replace(PAPER, study=PAPER.study.model_copy(update={"spread": None}))
    found = asked(bare)
    assert {each.superiority for each in found} == {None}
    assert reaches(found, 0.8) is None
    said = power_lines(found, bare)[-1]
    assert said == "power: cannot be told, params/studies/paper-cifar10.yaml declares no 'spread'"


# ---------------------------------------------------------------- machines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "h10"}, "no device 'h10'; nearest: 'h100'"),
        ({"gpus": 2}, "this machine has no GPU; say which one is meant with --device (h100"),
        ({"device": "h100", "cores": 4}, "--cores: h100 is a gpu"),
        ({"gpus": 1, "cores": 4}, "one of them"),
    ],
)
def test_options_that_do_not_go_together(monkeypatch, options, said):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(AibError) as error:
        find_machine(PARAMETERS.devices, **options)
    assert said in str(error.value)


def test_declared_rates_have_a_share_and_a_source():
    rates = PARAMETERS.devices["a100"].rates
    assert rates["fp16"].reached == pytest.approx(78e12)  # 25 % of 312 TFLOP/s
    assert all(
        rate.source for device in PARAMETERS.devices.values() for rate in device.rates.values()
    )


# ---------------------------------------------------------------- trainings a GPU


@pytest.fixture
def checked(tmp_path):
    """Writes what gpu-check found of runs of the paper's VGG on a card; gives results/."""

    def write(card: str, speeds: dict[str, float], **run) -> Path:
        decides = what_decides(PAPER.cell("cifar10", "vgg").runs[0])
        row = {"run": decides | run, "images_per_second": speeds}
        checks = {
            "device": {"figures": {"name": card}},
            "side-by-side": {"figures": {"rows": [row]}},
        }
        (tmp_path / REPORT).parent.mkdir(exist_ok=True)
        files.write_json(tmp_path / REPORT, {"checks": checks})
        return tmp_path

    return write


SPEEDS = {"1": 100.0, "2": 180.0, "4": 196.0, "8": 200.0}  # 4 are within 5 % of the best


def test_trainings_a_gpu_by_memory_and_by_speed(checked):
    results = checked("NVIDIA H100 80GB HBM3", SPEEDS)
    made = arms(results, results, H100, PAPER)
    largest = max(arm.timing.memory_bytes for arm in made)
    found = advise(H100, made, results)
    assert (found.fitting, found.worth, found.advised) == (80e9 // (largest + CONTEXT), 4, 4)
    small = replace(H100, card_bytes=int(2.5 * (largest + CONTEXT)))  # the one in use goes first
    assert advise(small, made, results).advised == 2


@pytest.mark.parametrize(
    ("card", "run"),
    [("NVIDIA A100", {}), ("NVIDIA H100", {"precision": "bf16"}), ("NVIDIA H100", {"network": {}})],
)
def test_speed_measured_of_other_runs_or_cards_does_not_count(checked, card, run):
    results = checked(card, SPEEDS, **run)
    found = advise(H100, arms(results, results, H100, PAPER), results)
    assert (found.fitting > 1, found.worth, found.advised) == (True, None, None)


def test_a_damaged_report_of_gpu_check_is_one_line_and_a_core_has_one_training(checked):
    results = checked("NVIDIA H100", SPEEDS)
    (results / REPORT).write_text('{"checks": {}}')
    with pytest.raises(AibError, match=r"report\.json: damaged .* make it again: make gpu-check"):
        advise(H100, arms(results, results, H100, PAPER), results)
    assert advise(MADE_UP, arms(results, results), results) is None


# ---------------------------------------------------------------- the command


def test_the_command_probes_and_speaks_json(tmp_path):
    project = tiny.make_project(tmp_path)
    command = ("aib", "plan", "tiny", "--device", "cpu", "--cores", "2")
    found = json.loads(tiny.run(project, *command, "--probe", "--json").stdout)
    assert [arm["source"] for arm in found["arms"]] == ["probe", "probe"]
    for arm in found["arms"]:
        assert 0 < arm["epoch_seconds"] < arm["run_seconds"]
        assert arm["memory_bytes"] > 50e6  # a process with torch
    sums = found["totals"]
    assert (sums["runs"], sums["left"], sums["epochs"], sums["jobs"]) == (4, 4, 8, 2)
    longest = max(arm["run_seconds"] for arm in found["arms"])
    assert longest <= sums["wall_seconds"] <= sums["device_seconds"] + 1e-6
    assert found["power"]["reached"] is None
    assert not (project / "results").exists()
    shown = tiny.run(project, *command).stdout
    assert "operations: the least time of a step" in shown
    assert "left: 4 of 4 runs, 8 epochs, on cpu" in shown


def test_a_mistake_is_one_line(tmp_path):
    project = tiny.make_project(tmp_path)
    tiny.edit(project / "params/studies/tiny.yaml", "scale: tiny", "scale: tyny")
    result = tiny.run(project, "aib", "plan", "tiny", check=False)
    said = "error: params/studies/tiny.yaml: scale: no scale 'tyny'; nearest: 'tiny'\n"
    assert (result.returncode, result.stderr) == (1, said)
    tiny.edit(project / "params/studies/tiny.yaml", "scale: tyny", "scale: tiny")
    result = tiny.run(project, "aib", "plan", "tinny", check=False)
    assert "no study 'tinny'; nearest: 'tiny'" in result.stderr
    path = project / "params/devices.yaml"
    tiny.edit(path, "tflops: 0.09", "teraflops: 0.09")
    result = tiny.run(project, "aib", "plan", "tiny", check=False)
    assert "params/devices.yaml: cpu.rates.fp32.teraflops: unknown key" in result.stderr
    assert "nearest: 'tflops'" in result.stderr


def test_planning_of_finished_runs_needs_no_torch(tmp_path):
    project = tiny.make_project(tmp_path)
    code = "import sys, aib.planning.command, aib.studies.cost; sys.exit('torch' in sys.modules)"
    tiny.run(project, "python", "-c", code)
