"""Whatever the bytes of a file of params/ or of a record, they are read, or one line says why."""

import resource
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import quick_plan, write_run

from aib import files, params
from aib.data.prepared import MANIFEST
from aib.data.preparing import prepare
from aib.data.verifying import verify
from aib.errors import AibError
from aib.evidence import unpack, write
from aib.params.checking import check, read_yaml
from aib.params.studies import Study
from aib.planning.timing import finished
from aib.record import EVALUATION, PARTS
from aib.reporting.collect import collect
from aib.reporting.evaluations import tell
from aib.reporting.summary import summarise
from aib.status import standing

ROOT = Path(__file__).parents[2]
MEMORY = 1 << 30  # bytes that reading may take beside what the process has
FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@contextmanager
def one_line_at_most():
    """Bound the memory; let nothing but an `AibError` of one line through."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    try:
        yield
    except AibError as error:
        if "\n" in str(error):
            raise AssertionError("more than one line") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The content cut, with some bytes changed, with something put in, or something else."""
    place = st.integers(0, len(content) - 1)
    odd = st.sampled_from([b"[" * 5000, b"{}", b"null", b"-1", b"\xff", b"1e999", b"*a", b"\0"])

    def changed(at, byte):
        return content[:at] + bytes([byte]) + content[at + 1 :]

    def inserted(at, some, length):
        return content[:at] + some + content[at + length :]

    return st.one_of(
        place.map(lambda at: content[:at]),
        st.builds(changed, place, st.integers(0, 255)),
        st.builds(inserted, place, odd, st.integers(0, 40)),
        odd,
        st.binary(max_size=50),
    )


# ---------------------------------------------------------------- params/

words = st.sampled_from(["title", "arms", "seeds", "model", "vgg", "x", "<<", "=", "~"])
scalars = st.one_of(words, st.integers(), st.floats(), st.booleans(), st.none(), st.dates())
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | scalars, inner, max_size=4),
    max_leaves=20,
)


def bomb(mapping: bool) -> bytes:
    """Each line is the one before it, nine times."""
    lines = ["a0: &a0 [x]"]
    for level in range(1, 12):
        copies = [f"k{n}: *a{level - 1}" if mapping else f"*a{level - 1}" for n in range(9)]
        inside = ", ".join(copies)
        lines.append(f"a{level}: &a{level} " + (f"{{{inside}}}" if mapping else f"[{inside}]"))
    return "\n".join(lines).encode()


HOSTILE = [
    bomb(mapping=False),
    bomb(mapping=True),
    b"a: &a\n  b: *a\n",
    b"a: " + b"[" * 3000 + b"]" * 3000,
    b"\n".join(b" " * n + b"a:" for n in range(1000)),
    b"a: " + b"9" * 5000,
    b"a: 2020-99-99",
    b"? [1, 2]\n: 3",
    b"a: \0",
    b"\xff\xfe",
    b"x" * (1 << 20),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_yaml_is_one_line_that_names_the_file(tmp_path, content):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with one_line_at_most(), pytest.raises(params.ParameterError, match=r"^x\.yaml"):
        check(Study, read_yaml(path, "x.yaml"), "x.yaml")


@FUZZ
@given(st.data())
def test_any_bytes_of_a_study(tmp_path, data):
    content = (ROOT / "params/studies/quick.yaml").read_bytes()
    path = tmp_path / "quick.yaml"
    path.write_bytes(data.draw(damaged(content)))
    with one_line_at_most():
        check(Study, read_yaml(path, "quick.yaml"), "quick.yaml")


@FUZZ
@given(st.sampled_from([*params.loading.FILES]), trees)
def test_any_tree_as_any_file_of_params(kind, tree):
    with one_line_at_most():
        check(params.loading.FILES[kind], tree, f"{kind}.yaml")


# ---------------------------------------------------------------- records

RECORD = (files.RESULT, files.SPEC, files.METRICS, files.PREDICTIONS, files.ATTENTION)
EVIDENCE = "reports/evidence/runs.tar.xz"
RECORD += (files.ADOPTED, EVALUATION, f"{PARTS}/sanity.json", f"{PARTS}/sanity.npz")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of one run, with its records and its evidence."""
    parameters = params.load(ROOT)
    whole = quick_plan(parameters)
    cell = whole.cell("cluttered-digits", "vgg-aib-qt")
    arms = {cell.arm: whole.study.arms[cell.arm]}
    study = whole.study.model_copy(update={"arms": arms, "contrasts": (), "ablations": {}})
    made = replace(whole, study=study, cells=(replace(cell, runs=cell.runs[:1]),), questions=())
    root = tmp_path_factory.mktemp("results")
    folder = write_run(root, made.runs[0])
    files.write_json(folder / files.ADOPTED, [{"code_hash": "0123456789ab"}])
    (root / EVIDENCE).parent.mkdir(parents=True)
    write(made, {}, root, root / EVIDENCE)
    return made, root, folder


def read_all(made, root: Path) -> None:
    """All that reads records, but the page, which is slow; of a damaged run `standing` tells."""
    standing(made.runs[0], root / "runs" / made.runs[0].folder)
    finished(made.runs[0], made.runs[0].key, [made.runs[0].seed], root)
    results = collect(made, root)
    summarise(results)
    tell(results, "cluttered-digits")
    for record, _ in results.runs:
        assert all((record.spec, record.history, record.attention, record.predictions))


def test_what_is_whole_is_read(made):
    read_all(made[0], made[1])


@pytest.mark.parametrize("name", RECORD)
@FUZZ
@given(st.data())
def test_any_bytes_of_a_record(made, name, data):
    plan, root, folder = made
    content = (folder / name).read_bytes()
    try:
        (folder / name).write_bytes(data.draw(damaged(content)))
        with one_line_at_most():
            read_all(plan, root)
    finally:
        (folder / name).write_bytes(content)


@FUZZ
@given(st.data())
def test_any_bytes_of_evidence(made, tmp_path, data):
    plan, root, _ = made
    path = tmp_path / "runs.tar.xz"
    path.write_bytes(data.draw(damaged((root / EVIDENCE).read_bytes())))
    with one_line_at_most():
        unpack(path, plan.name, tmp_path / "unpacked")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Prepared data of a few images."""
    folder = tmp_path_factory.mktemp("digits")
    counts = {"train": 20, "validation": 10, "test": 10}
    dataset = params.load(ROOT).datasets["cluttered-digits"].model_copy(update=counts)
    prepare("digits", dataset, folder, folder / "data")
    return folder / "data"


@pytest.mark.parametrize("name", [MANIFEST, "train_images.npy", "test_labels.npy"])
@FUZZ
@given(st.data())
def test_any_bytes_of_prepared_data(digits, name, data):
    content = (digits / name).read_bytes()
    whole = {key: array.copy() for key, array in verify(digits).arrays().items()}
    try:
        (digits / name).write_bytes(data.draw(damaged(content)))
        with one_line_at_most():
            found = verify(digits).arrays()
            assert all(np.array_equal(found[key], array) for key, array in whole.items())
    finally:
        (digits / name).write_bytes(content)
