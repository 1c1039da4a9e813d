"""From a finished run to its use: its network on pictures, in Python and by `aib predict`."""

import contextlib
import json
import re
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tiny
import yaml
from PIL import Image
from records import write_run
from typer.testing import CliRunner

import aib
from aib import cli, files
from aib.data.library import Library
from aib.data.prepared import load as load_data
from aib.errors import AibError
from aib.launch import launch
from aib.params import load
from aib.spec.run import RunSpec
from aib.studies.plan import plan, plan_all
from aib.use.overlay import overlay, seen_part
from aib.use.pictures import open_picture

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/using-a-run.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with one finished run of each arm of its study `quick`; not to be changed."""
    folder = tiny.make_project(tmp_path_factory.mktemp("use"))
    (folder / "params/studies/quick.yaml").write_text(yaml.safe_dump(tiny.STUDY))
    parameters, results = load(folder), folder / "results"
    with contextlib.chdir(folder):
        Library(parameters.datasets, results).prepare("tiny-digits")
        for run in plan(parameters, "quick").runs:
            if run.seed == 0:
                launch(run, results, results / "runs" / run.folder, "c0ffee123456", "cpu")
    return folder


def folder_of(project: Path, model: str) -> Path:
    return next((project / "results/runs/tiny-digits" / model).glob("*/seed-0"))


@pytest.fixture
def attentive(project) -> Path:
    return folder_of(project, "vgg-aib-qt")


@pytest.fixture
def own(project, attentive, tmp_path) -> Path:
    """A copy of the run, in a results folder of its own, that a test may damage."""
    place = Path(tmp_path, "own", *attentive.parts[-6:])
    shutil.copytree(attentive, place)
    shutil.copytree(project / "results/data", tmp_path / "own/results/data")
    return place


@pytest.fixture
def pictures(project, tmp_path) -> list[Path]:
    """Three images of the test split, one of them enlarged."""
    images = load_data(project / "results/data/tiny-digits").test.images
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    Image.open(paths[2]).resize((90, 50)).save(paths[2])
    return paths


def predict(*arguments: object) -> tuple[int, str]:
    """Exit status and output of `aib predict`, errors raised."""
    found = CliRunner().invoke(cli.app, ["predict", *map(str, arguments)], catch_exceptions=False)
    return found.exit_code, found.output


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize("model", ["vgg", "vgg-aib-qt"])
def test_it_predicts_what_the_run_recorded(project, model):
    run = aib.load_run(folder_of(project, model))
    data = load_data(project / "results/data/tiny-digits")
    kept = run.record.predictions
    found = run.predict(data.test.images)
    assert found.shape == (100, 10)
    np.testing.assert_allclose(np.log(found), kept["logits"], rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(found.argmax(axis=1), kept["predicted"])
    if model == "vgg":
        with pytest.raises(AibError, match="'vgg' has no attention map"):
            run.attention(data.test.images)
    else:
        maps = run.attention(data.test.images)
        np.testing.assert_array_equal(maps[:50], run.record.attention["test_mean"])
        run.model.train()  # whatever a reader did to it
        np.testing.assert_array_equal(run.attention(data.test.images), maps)


def test_a_run_tells_what_it_is(attentive):
    run = aib.load_run(str(attentive))
    assert run.results == json.loads((attentive / files.RESULT).read_text())
    assert run.history.index.tolist() == [1, 2]
    assert np.isfinite(run.history["loss"]).all()
    assert run.spec.folder.parts == attentive.parts[-4:]
    assert run.classes == tuple("0123456789")


def test_images_of_another_form_are_refused(attentive):
    run = aib.load_run(attentive)
    for images in (np.zeros((1, 3, 32, 32)), np.zeros((1, 32, 32, 3), np.uint8), run.images([])):
        with pytest.raises(AibError, match=r"expected uint8 \(N, 3, 32, 32\)"):
            run.predict(images)


def damaged(folder: Path, name: str) -> str:
    """Do one thing to a run; return what the error must say."""
    weights = folder / files.WEIGHTS
    manifest = folder.parents[4] / "data/tiny-digits/manifest.json"
    if name == "unfinished":
        (folder / files.RESULT).unlink()
        return f"{folder / files.RESULT}: missing"
    if name == "no weights":
        weights.unlink()
        return f"{weights}: missing"
    if name == "damaged weights":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        return f"{weights}: not what training wrote"
    if name == "no manifest":
        manifest.unlink()
        return f"{manifest}: missing, .* run: aib data prepare tiny-digits"
    if name == "damaged manifest":
        manifest.write_text('{"digest": "sha256:0"}')
        return f"{manifest}: damaged .*mean.* run: aib data prepare"
    content = json.loads(manifest.read_text()) | {"digest": "sha256:0"}
    manifest.write_text(json.dumps(content))
    return "not the data that .* was trained on"


@pytest.mark.parametrize(
    "name",
    [
        *("unfinished", "no weights", "damaged weights"),
        *("no manifest", "damaged manifest", "other data"),
    ],
)
def test_a_run_that_cannot_be_used_is_one_line(own, name):
    expected = damaged(own, name)
    with pytest.raises(AibError, match=expected) as caught:
        aib.load_run(own)
    assert "\n" not in str(caught.value)


def test_a_run_that_diverged_has_no_weights_and_no_figures(project, tmp_path):
    spec = plan(load(project), "quick").runs[0]
    folder = write_run(tmp_path, spec, diverged=True)
    with pytest.raises(AibError, match=rf"{folder}: a run without weights \(diverged\)"):
        aib.load_run(folder)
    (row,) = aib.runs(tmp_path).itertuples()
    assert row.status == "diverged"
    assert np.isnan(row.error)


def test_a_manifest_may_lie_elsewhere(own, attentive):
    manifests = own.parents[4] / "data"
    moved = manifests.rename(own / "moved") / "tiny-digits"
    np.testing.assert_array_equal(
        aib.load_run(own, data=moved).normalisation.mean,
        aib.load_run(attentive).normalisation.mean,
    )


# ---------------------------------------------------------------- pictures


def test_every_mode_becomes_what_a_person_sees(attentive, tmp_path):
    half = np.full((6, 4), 32896, np.uint16)  # 128 of 255
    clear = Image.new("RGBA", (6, 4), (255, 0, 0, 0))
    turned = Image.new("RGB", (6, 4), "red")
    turned.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(half).save(tmp_path / "16-bit.png")
    clear.save(tmp_path / "clear.png")
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.new("CMYK", (6, 4), (0, 0, 0, 255)).save(tmp_path / "cmyk.tif")
    Image.new("1", (6, 4), 1).save(tmp_path / "white.gif")
    seen = {path.stem: open_picture(path) for path in tmp_path.iterdir()}
    assert {image.mode for image in seen.values()} == {"RGB"}
    first = {name: image.getpixel((0, 0)) for name, image in seen.items()}
    assert first["16-bit"] == (128, 128, 128)
    assert first["clear"] == first["white"] == (255, 255, 255)
    assert first["cmyk"] == (0, 0, 0)
    assert first["turned"] == (255, 0, 0)
    assert seen["turned"].getpixel((5, 3)) == (0, 0, 255)
    run = aib.load_run(attentive)
    np.testing.assert_array_equal(run.images([clear]), run.images([tmp_path / "clear.png"]))


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixel."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cut", "not a whole picture"),
        ("text", "not a whole picture"),
        ("numbers", "not a whole picture"),
        ("other format", "not a whole picture"),
        ("bomb", "more than 89,478,485 pixels"),
        ("larger bomb", "more than 89,478,485 pixels"),
        ("absent", "no such file"),
    ],
)
def test_a_bad_picture_is_one_line_and_nothing_is_written(
    attentive, pictures, tmp_path, name, reason
):
    bad = tmp_path / "bad"
    if name == "cut":
        bad.write_bytes(pictures[0].read_bytes()[:300])
    elif name == "text":
        bad.write_text("no picture")
    elif name == "numbers":
        Image.fromarray(np.zeros((4, 4), np.float32)).save(bad, format="TIFF")
    elif name == "other format":
        Image.new("RGB", (4, 4)).save(bad, format="PCX")
    elif "bomb" in name:
        bad.write_bytes(png(9500, 9500) if name == "bomb" else png(60000, 60000))
    with pytest.raises(AibError, match=f"^{bad}: .*{reason}") as caught:
        predict(attentive, pictures[0], bad, "--to", tmp_path / "maps")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "maps").exists()


# ---------------------------------------------------------------- aib predict


def test_it_prints_json_and_draws_maps_with_their_own_values(attentive, pictures, tmp_path):
    status, output = predict(attentive, *pictures, "--json", "--top", 4, "--to", tmp_path / "maps")
    assert status == 0
    content = json.loads(output)
    assert (content["scaled_to"], content["seen"]) == (32, 32)
    found = content["images"]
    run = aib.load_run(attentive)
    images = run.images(pictures)
    probabilities, maps = run.predict(images), run.attention(images)
    assert [each["image"] for each in found] == [str(path) for path in pictures]
    for each, row, attention in zip(found, probabilities, maps, strict=True):
        likeliest = np.sort(row)[::-1][:4]
        assert [c["probability"] for c in each["classes"]] == pytest.approx(likeliest)
        assert each["classes"][0]["class"] == run.classes[row.argmax()]
        assert each["map"]["lowest"] == pytest.approx(attention.min())
        assert each["map"]["highest"] == pytest.approx(attention.max())
        assert each["map"]["colours"] == pytest.approx([maps.min(), maps.max()])
        Image.open(each["map"]["file"]).load()
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == [
        f"{number}-map.png" for number in range(3)
    ]


def test_a_network_without_a_map_gives_classes_and_says_so(project, pictures, monkeypatch):
    monkeypatch.chdir(project)
    name = folder_of(project, "vgg").relative_to(project / "results/runs")
    status, output = predict(name, pictures[0])
    assert status == 0
    assert "vgg has no attention map, so none is drawn" in output
    assert "scaled to 32x32 pixels" in output
    assert len(re.findall(r"\d\.\d%", output)) == 3
    assert not list(pictures[0].parent.glob("*-map.png"))


def test_maps_lie_beside_their_images(attentive, pictures):
    predict(attentive, pictures[0])
    assert pictures[0].with_name("0-map.png").exists()


def test_what_cannot_be_done_is_one_line(attentive, pictures, tmp_path):
    with pytest.raises(AibError, match="nowhere: no such run, neither here nor below results/runs"):
        predict("nowhere", pictures[0])
    same = shutil.copy(pictures[0], tmp_path / "maps.png").rename(tmp_path / "0.jpg")
    with pytest.raises(AibError, match="two of the images have the same name"):
        predict(attentive, pictures[0], same)


def test_a_map_is_drawn_as_it_is_where_it_was_seen():
    picture = Image.new("RGB", (80, 40))
    assert seen_part(picture, 32, 32).size == (80, 40)
    picture.putpixel((10, 5), (255, 255, 255))  # of 32 pixels the central 24 begin at the fourth
    part = seen_part(picture, 32, 24)
    assert part.size == (60, 30)
    assert part.getpixel((0, 0)) == (255, 255, 255)
    attention = np.array([[0.2, 0.3], [0.25, 0.21]], np.float32)
    _, shown = overlay(part, attention, 0.1, 0.4, "a $1 class").axes[1].images
    np.testing.assert_array_equal(shown.get_array(), attention)
    assert shown.get_clim() == (0.1, 0.4)
    assert shown.get_extent() == [0, 60, 30, 0]


# ---------------------------------------------------------------- tables, specs, the front door


def test_runs_are_a_table(project):
    runs = aib.runs(project / "results", study="quick", project=project)
    assert runs["arm"].tolist() == ["vgg", "vgg-aib-qt"]  # of four runs two are finished
    for row in runs.itertuples():
        result = json.loads((folder_of(project, row.arm) / files.RESULT).read_text())
        last = result["figures"]["last"]
        assert (row.key, row.seed, row.study) == (result["key"], 0, "quick")
        assert (row.dataset, row.model) == ("tiny-digits", row.arm)
        assert row.status == result["status"]
        assert row.error == pytest.approx(100 - 100 * last["test_accuracy"])
        assert (row.rate, row.parameters) == (last["test_rate"], result["parameters"])
    every = aib.runs(project / "results")
    assert set(runs.columns) - set(every.columns) == {"study", "arm"}
    assert sorted(every["key"]) == sorted(runs["key"])


def test_where_there_is_no_run_it_says_so(project, tmp_path):
    with pytest.raises(AibError, match="no run is finished below"):
        aib.runs(tmp_path)
    with pytest.raises(AibError, match="4 of the 4 runs of study 'quick' are missing"):
        aib.runs(tmp_path, study="quick", project=project)
    with pytest.raises(AibError, match=r"away: no such results folder or file of evidence"):
        aib.runs(tmp_path / "away")


def test_every_spec_comes_back_the_same():
    plans, _ = plan_all(load(ROOT))
    specs = {run.folder.parent: run for made in plans.values() for run in made.runs}
    assert len(specs) > 100
    for spec in specs.values():
        text = json.dumps(spec.model_dump(mode="json"))  # as in spec.json
        for back in (text, spec.model_dump_json()):
            found = RunSpec.model_validate_json(back)
            assert found == spec
            assert found.key == spec.key


def test_the_front_door_is_cheap(project):
    """Nothing is imported with the package, and no torch for a table."""
    code = (
        "import sys, aib; names = {'aib', 'numpy', 'pandas', 'pydantic', 'torch'}; "
        "print(sorted(m for m in sys.modules if m.partition('.')[0] in names)); "
        "aib.runs('results', study='quick'); print('torch' in sys.modules, hasattr(aib, 'nothing'))"
    )
    assert tiny.run(project, sys.executable, "-c", code).stdout.splitlines() == [
        "['aib']",
        "False False",
    ]


def test_the_guides_code_runs(project, attentive, pictures, tmp_path, monkeypatch):
    code = "".join(re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    place = tmp_path / re.search(r'load_run\("(.*?)"\)', code)[1]
    shutil.copytree(project / "params", tmp_path / "params")
    shutil.copytree(project / "results", tmp_path / "results")
    shutil.copytree(attentive, place)
    data = tmp_path / "results/data"
    shutil.copytree(data / "tiny-digits", data / "cluttered-digits")
    pictures[0].rename(tmp_path / "photo.jpg")  # the name says nothing
    pictures[2].rename(tmp_path / "other.png")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    assert names["images"].shape == (2, 3, 32, 32)
    assert names["probabilities"].shape == (2, 10)
    assert names["maps"].shape == (2, 8, 8)
