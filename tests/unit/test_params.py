"""A mistake in params/ is one line with file, key, what was found and the nearest valid name."""

import shutil
from pathlib import Path

import pytest

from aib import params, runs
from aib.params import ParameterError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "params", tmp_path / "params")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


MISTAKES = [
    # file, old, new, and what the line must say
    ("studies/quick.yaml", "seeds: [2,", "sedes: [2,", ["sedes: unknown key", "nearest: 'seeds'"]),
    (
        "studies/quick.yaml",
        "model: vgg-dvib",
        "model: vgg-dvid",
        ["arms.vgg-dvib.model", "vgg-dvib"],
    ),
    ("studies/quick.yaml", "scale: quick", "scale: quik", ["no scale 'quik'", "nearest: 'quick'"]),
    ("studies/quick.yaml", "[cluttered-digits]", "[cifar]", ["no dataset 'cifar'", "cifar10"]),
    ("studies/quick.yaml", "protocol: stated-short", "protocol: statd", ["protocol", "'stated'"]),
    ("studies/quick.yaml", "seeds: [2, 3, 4,", "seeds: [2, 3, 3,", ["'seeds' names seed 3 twice"]),
    ("studies/quick.yaml", "seeds: [2, 3, 4,", "seeds: [2, one, 4,", ["seeds.1", '"one"']),
    ("studies/quick.yaml", "control: vgg }", "control: vg }", ["no arm 'vg'", "nearest: 'vgg'"]),
    ("studies/quick.yaml", "model.anchors", "model.anchor", ["'anchor'", "nearest: 'anchors'"]),
    ("studies/quick.yaml", "[2, 5, 20]", "[1, 5, 20]", ["model.anchors", "found 1"]),
    ("studies/quick.yaml", "margin: 1.0", "margin: 1.0\nmargin: 2.0", ["'margin' stands twice"]),
    ("studies/quick.yaml", "margin: 1.0", "margin: [1.0", ["quick.yaml:", "not YAML"]),
    (
        "studies/quick.yaml",
        "parameter: objective.beta",
        "parameter: seed",
        ["cannot be overridden"],
    ),
    ("studies/quick.yaml", "margin: 1.0", "margin: .inf", ["margin", "finite"]),
    ("studies/quick.yaml", "[2, 5, 20]", "[2, 5, 5]", ["a value stands twice"]),
    ("protocols.yaml", "released-vgg:\n", "broken: 1\nreleased-vgg:\n", ["must map names"]),
    ("models.yaml", "quantised", "quantized", ["vgg-aib-qt.attention", "nearest: 'quantised'"]),
    ("models.yaml", "  anchors: 20\n", "", ["'anchors' is needed"]),
    ("datasets.yaml", "kind: clutter", "kind: cluter", ["no kind 'cluter'", "nearest: 'clutter'"]),
    (
        "datasets.yaml",
        "decoder: svhn",
        "decoder: svnh",
        ["archive.decoder", "nearest: 'svhn'"],
    ),
    ("datasets.yaml", "vgg: half", "vgg: haf", ["no normalisation 'haf'", "nearest: 'half'"]),
    ("datasets.yaml", "box: crop", "box: crp", ["cub.archive.box", "nearest: 'crop'"]),
    ("datasets.yaml", "train: 5994", "train: 0", ["counts.train", "found 0"]),
    ("datasets.yaml", "md5:97", "md5:9", ["files.0.checksum", "String should match pattern"]),
    ("datasets.yaml", "  licence: MIT\n", "", ["fashion-mnist", "licence: Field required"]),
    ("datasets.yaml", "distractors:", "distractor:", ["unknown key", "nearest: 'distractors'"]),
    ("protocols.yaml", "beta: 0.01", "beta: 1e-2", ["objective.beta", "YAML wants a point"]),
    ("protocols.yaml", "extends: stated", "extends: state", ["no protocol 'state'", "'stated'"]),
    ("protocols.yaml", "optimiser.learning", "optimizer.learning", ["nearest: 'optimiser'"]),
    ("protocols.yaml", "vgg-aib:", "vgg-aid:", ["per_model", "nearest: 'vgg-aib'"]),
    ("scales.yaml", "epochs: 12", "epochs: 0", ["quick.epochs", "found 0"]),
    ("scales.yaml", "attention_after: 2", "attention_after: 9", ["there are 3 blocks"]),
]


@pytest.mark.parametrize(("file", "old", "new", "said"), MISTAKES)
def test_a_mistake_is_one_line_that_helps(folder, file, old, new, said):
    edit(folder / "params" / file, old, new)

    def check_everything():
        parameters = params.load(folder)
        for study in parameters.studies:
            runs.plan(parameters, study)

    with pytest.raises(ParameterError) as caught:
        check_everything()
    line = str(caught.value)
    assert "\n" not in line
    assert file.rsplit("/", 1)[-1] in line
    for words in said:
        assert words in line


def test_a_wrong_study_name_gets_the_nearest(folder):
    with pytest.raises(ParameterError, match="no study 'quikc'; nearest: 'quick'"):
        runs.plan(params.load(folder), "quikc")


def test_schemas_are_those_of_the_models(folder):
    committed = {path.name: path.read_text() for path in (ROOT / "params/schema").glob("*.json")}
    generated = {path.name: path.read_text() for path in params.write_schemas(folder)}
    assert committed == generated, "run: aib params schema"


CHANGES = {
    "model.bottleneck": True,
    "network.latent": 5,
    "objective.beta": 0.5,
    "optimiser.momentum": 0.5,
    "schedule.warmup_epochs": 0,
    "training.epochs": 3,
    "augmentation.crop_padding": 0,
    "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]},
    "initialisation": "released-vgg",
    "evaluation.average": "logits",
    "map_sample": 5,
}


def test_key_ignores_seed_and_names_and_nothing_else():
    parameters = params.load(ROOT)
    spec = runs.plan(parameters, "quick").runs[0]
    names = spec.names.model_copy(update={"protocol": "another"})
    assert spec.model_copy(update={"seed": 99, "names": names}).key == spec.key
    assert {key.split(".")[0] for key in CHANGES} == set(runs.RunSpec.model_fields) - {
        *("seed", "names", "dataset")
    }
    changed = [
        runs.resolve(parameters, spec.names, {key: value}, 0, "test").key
        for key, value in CHANGES.items()
    ]
    assert len({spec.key, *changed}) == len(CHANGES) + 1


def test_quick_shares_the_runs_of_default_ablation_values():
    plan = runs.plan(params.load(ROOT), "quick")
    assert len(plan.runs) == 36
    default = plan.cell("cluttered-digits", "vgg-aib-qt")
    ablated = plan.cell("cluttered-digits", "vgg-aib-qt [anchors=20]")
    assert ablated.runs == default.runs[:3]
    treatments = [q.treatment for q in plan.questions if q.family == "ablation"]
    assert "vgg-aib-qt [anchors=20]" not in treatments
