"""Evidence: enough for every number of a report, the same bytes twice, and no other's."""

import io
import json
import shutil
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest
from evaluations import ENTRIES, write_found
from records import quick_plan, write_tree

from aib.errors import AibError
from aib.evidence import MANIFEST, Packed, unpack, write
from aib.params import load
from aib.reporting.collect import collect
from aib.reporting.page import write_report

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan():
    return quick_plan(load(ROOT))


@pytest.fixture(scope="module")
def tree(plan, tmp_path_factory) -> Path:
    return write_tree(tmp_path_factory.mktemp("results"), plan)


@pytest.fixture(scope="module")
def packed(plan, tree, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "runs.tar.xz"
    assert pack(plan, tree, path) == Packed(here=48, kept=0, stale=0)
    return path


def pack(plan, tree: Path, path: Path) -> Packed:
    return write(plan, ENTRIES, tree, path)


def test_a_report_from_evidence_has_the_same_numbers(plan, tree, packed, tmp_path):
    unpack(packed, "quick", tmp_path / "unpacked")
    full = collect(plan, tree)
    alone = collect(plan, tmp_path / "none", elsewhere=tmp_path / "unpacked")
    assert write_report(full, tmp_path / "full") == write_report(alone, tmp_path / "alone")
    tables = sorted(path.name for path in (tmp_path / "full/tables").iterdir())
    assert "stability.csv" in tables
    for name in tables:
        both = [(tmp_path / side / "tables" / name).read_text() for side in ("full", "alone")]
        assert both[0] == both[1], name


def test_the_same_runs_give_the_same_bytes(plan, tree, packed, tmp_path):
    pack(plan, tree, tmp_path / "again.tar.xz")
    assert (tmp_path / "again.tar.xz").read_bytes() == packed.read_bytes()
    assert packed.stat().st_size < 1_000_000


@pytest.fixture
def halves(plan, tree, tmp_path) -> tuple[Path, Path]:
    """The runs of two machines: those of even seeds, and the others."""
    for part, odd in (("even", 0), ("odd", 1)):
        shutil.copytree(tree, tmp_path / part)
        for run in plan.runs:
            if run.seed % 2 != odd:
                shutil.rmtree(tmp_path / part / "runs" / run.folder)
    return tmp_path / "even", tmp_path / "odd"


def test_two_machines_fill_one_file(plan, tree, packed, halves, tmp_path):
    even, odd = halves
    path = tmp_path / "both.tar.xz"
    pack(plan, even, path)
    assert pack(plan, odd, path) == Packed(here=24, kept=24, stale=0)
    assert path.read_bytes() == packed.read_bytes()
    unpack(path, "quick", tmp_path / "unpacked")
    both = collect(plan, odd, elsewhere=tmp_path / "unpacked")
    whole = write_report(collect(plan, tree), tmp_path / "whole")
    assert write_report(both, tmp_path / "both") == whole
    with pytest.raises(AibError, match="24 of the 48 runs of study 'quick' are missing"):
        collect(plan, odd)


def test_a_damaged_file_is_not_filled_up(plan, halves, tmp_path):
    path = tmp_path / "runs.tar.xz"
    pack(plan, halves[0], path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(AibError, match="no readable evidence"):
        pack(plan, halves[1], path)


def test_what_was_evaluated_by_other_code_is_left_out(plan, halves, tmp_path):
    even, odd = halves
    path = tmp_path / "runs.tar.xz"
    for root in halves:
        run = next(root.glob("runs/*/vgg-aib/*/seed-*/evaluation.json"))
        content = json.loads(run.read_text())
        content["sanity"]["identity"]["code"] = ["07e500000000"]
        write_found(run.parent, content)
    assert pack(plan, even, path).stale == 1
    assert pack(plan, odd, path) == Packed(here=24, kept=24, stale=1)  # the first is gone already
    unpack(path, "quick", tmp_path / "unpacked")
    folders = [
        path.parent for path in (tmp_path / "unpacked").glob("runs/*/vgg-aib/*/*/result.json")
    ]
    kept = [(f / "evaluation/sanity.npz").exists() for f in folders]
    assert kept.count(False) == 2
    assert kept == ["sanity" in json.loads((f / "evaluation.json").read_text()) for f in folders]


def test_a_damaged_record_is_not_packed(plan, tree, tmp_path):
    run = tree / "runs" / plan.runs[0].folder / "metrics.jsonl"
    before = run.read_text()
    run.write_text(before.replace("1", "2"))
    with pytest.raises(AibError, match="not what training wrote"):
        pack(plan, tree, tmp_path / "runs.tar.xz")
    run.write_text(before)


def test_no_finished_run_is_one_line(plan, tmp_path):
    with pytest.raises(AibError, match="no run of study 'quick' is finished"):
        pack(plan, tmp_path, tmp_path / "runs.tar.xz")


def repacked(packed: Path, path: Path, change) -> Path:
    """The same members, as `change` left them: it gets and may alter names and contents."""
    with tarfile.open(packed) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    change(members)
    with tarfile.open(path, "w:xz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def accuracy_of_one(members):
    name = next(name for name in members if name.endswith("result.json"))
    content = json.loads(members[name])
    content["figures"]["last"]["test_accuracy"] = 0.99
    members[name] = json.dumps(content).encode()


def one_run_fewer(members):
    folder = next(name for name in members if name.endswith("result.json")).rpartition("/")[0]
    for name in [name for name in members if name.startswith(folder)]:
        del members[name]


@pytest.mark.parametrize(
    "change",
    [
        accuracy_of_one,
        one_run_fewer,
        lambda members: members.update({"runs/new/result.json": b"{}"}),
        lambda members: members.update({"../outside": b"!"}),
        lambda members: members.pop(MANIFEST),
        lambda members: members.update({MANIFEST: b"[]"}),
    ],
)
def test_what_was_not_packed_is_refused(packed, tmp_path, change):
    path = repacked(packed, tmp_path / "runs.tar.xz", change)
    with pytest.raises(AibError, match=r"runs\.tar\.xz"):
        unpack(path, "quick", tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()


def test_a_packed_path_that_leads_outside_is_refused(packed, tmp_path):
    def outside(members):
        manifest = json.loads(members[MANIFEST])
        members["../outside"] = b"!"
        manifest["members"]["../outside"] = sha256(b"!").hexdigest()
        members[MANIFEST] = json.dumps(manifest).encode()

    path = repacked(packed, tmp_path / "runs.tar.xz", outside)
    with pytest.raises(AibError, match=r"\.\./outside lies outside"):
        unpack(path, "quick", tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()


def test_another_studys_and_a_cut_file_are_refused(packed, tmp_path):
    with pytest.raises(AibError, match="is of study 'quick', not of 'other'"):
        unpack(packed, "other", tmp_path / "one")
    cut = tmp_path / "cut.tar.xz"
    cut.write_bytes(packed.read_bytes()[:-1000])
    with pytest.raises(AibError, match="no readable evidence"):
        unpack(cut, "quick", tmp_path / "two")
    flipped = bytearray(packed.read_bytes())
    flipped[len(flipped) // 2] ^= 4
    cut.write_bytes(flipped)
    with pytest.raises(AibError, match=r"no readable evidence|not what was packed"):
        unpack(cut, "quick", tmp_path / "four")
    with pytest.raises(AibError, match="no readable evidence"):
        unpack(tmp_path / "none.tar.xz", "quick", tmp_path / "three")
