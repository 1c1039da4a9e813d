"""A mistake in params/ is one line with file, key, what was found and the nearest valid name."""

import collections
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from aib import params
from aib.params import ParameterError
from aib.params.table import write_table
from aib.spec.run import Names, RunSpec
from aib.studies.plan import plan, plan_all
from aib.studies.resolve import resolve

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
    ("studies/quick.yaml", "seeds: [13,", "sedes: [2,", ["sedes: unknown key", "nearest: 'seeds'"]),
    (
        "studies/quick.yaml",
        "model: vgg-dvib",
        "model: vgg-dvid",
        ["arms.vgg-dvib.model", "vgg-dvib"],
    ),
    ("studies/quick.yaml", "scale: quick", "scale: quik", ["no scale 'quik'", "nearest: 'quick'"]),
    ("studies/quick.yaml", "[cluttered-digits]", "[cifar]", ["no dataset 'cifar'", "cifar10"]),
    ("studies/quick.yaml", "protocol: stated-quick", "protocol: statd", ["protocol", "'stated'"]),
    (
        "studies/quick.yaml",
        "seeds: [13, 14,",
        "seeds: [13, 13,",
        ["'seeds' names 13 twice"],
    ),
    ("studies/quick.yaml", "seeds: [13, 14, 15,", "seeds: [13, one, 15,", ["seeds.1", '"one"']),
    ("studies/quick.yaml", "control: vgg }", "control: vg }", ["no arm 'vg'", "nearest: 'vgg'"]),
    (
        "studies/quick-ablations.yaml",
        "model.anchors",
        "model.anchor",
        ["'anchor'", "nearest: 'anchors'"],
    ),
    ("studies/quick-ablations.yaml", "[2, 5,", "[1, 5,", ["model: anchors", "found 1"]),
    ("studies/quick.yaml", "margin: 1.0", "margin: 2.0\nmargin: 3.0", ["'margin' stands twice"]),
    ("studies/quick.yaml", "margin: 1.0", "margin: [1.0", ["quick.yaml:", "not YAML"]),
    (
        "studies/quick-ablations.yaml",
        "parameter: objective.beta",
        "parameter: seed",
        ["cannot be overridden"],
    ),
    ("studies/quick.yaml", "margin: 1.0", "margin: .inf", ["margin", "finite"]),
    ("studies/quick-ablations.yaml", "[2, 5, 20", "[2, 5, 5", ["a value stands twice"]),
    ("studies/quick.yaml", "seeds: [13,", "seeds: [010,", ["010 is a number in base 8"]),
    ("studies/quick.yaml", "margin: 1.0", "margin: 1:30", ["1:30 is a number in base 60"]),
    ("studies/quick.yaml", "margin: 1.0", "margin: 1:30.5", ["1:30.5 is a number in base 60"]),
    ("studies/quick.yaml", "seeds: [13,", f"seeds: [{2**63},", ["seeds.0", "less than"]),
    (
        "studies/quick.yaml",
        "  vgg-aib: {",
        "  twin: { model: vgg }\n  vgg-aib: {",
        ["arms.twin: is the same run as arm 'vgg'"],
    ),
    (
        "studies/quick.yaml",
        "contrasts:",
        "contrasts:\n  - { treatment: vgg, control: vgg-aib }\n#",
        ["compares 'vgg' and 'vgg-aib' twice"],
    ),
    (
        "studies/quick.yaml",
        "contrasts:",
        "contrasts:\n  - { treatment: vgg, control: vgg }\n#",
        ["'vgg' against itself"],
    ),
    ("studies/quick.yaml", "both: vgg-aib ", "both: vgg ", ["'factorial' names vgg twice"]),
    ("studies/quick.yaml", "both: vgg-aib ", "both: vgg-ai ", ["no arm 'vgg-ai'"]),
    (
        "studies/quick-tuning.yaml",
        "{ model: vgg-att }",
        "{ model: vgg-att, overrides: { objective.beta: 0.1 } }",
        ["objective.beta", "'vgg-att' has no use for it"],
    ),
    (
        "studies/quick-tuning.yaml",
        "{ model: vgg-att }",
        "{ model: vgg-att, overrides: { training.train_subset: 100000 } }",
        ["training.train_subset is 100,000", "images to train on"],
    ),
    (
        "studies/quick-tuning.yaml",
        "{ model: vgg-att }",
        "{ model: vgg-att, overrides: { training.batch_size: 100000 } }",
        ["training.batch_size is 100,000"],
    ),
    (
        "studies/quick-tuning.yaml",
        "{ model: vgg-att }",
        "{ model: vgg-att, overrides: { augmentation.crop_padding: 40 } }",
        ["augmentation.crop_padding is 40"],
    ),
    ("studies/quick.yaml", "tuned_in: quick-", "tuned_in: quik-", ["nearest: 'quick-tuning'"]),
    ("studies/quick.yaml", "tuned_in: quick-tuning", "tuned_in: quick", ["no 'tuning'"]),
    ("studies/quick-tuning.yaml", "runs_per_arm: 8", "runs_per_arm: 5", ["has 2 settings"]),
    (
        "studies/paper-cub.yaml",
        "seed: 1000",
        "seed: 1",
        ["pilot.seed 1 is one of the study's own 'seeds'"],
    ),
    *(
        (
            "studies/quick.yaml",
            "correction: holm\n",
            f"looks: {{ after: {after}, spending: {spending} }}\n{more}",
            told,
        )
        for after, spending, more, told in (
            ("[2, 3]", "obrien-fleming", "", ["last of 'looks.after' is 3", "there are 4 'seeds'"]),
            ("[3, 2, 4]", "obrien-fleming", "", ["looks.after", "must increase"]),
            ("[1, 4]", "obrien-fleming", "", ["looks.after", "at least 2 seeds"]),
            ("[4]", "obrien-fleming", "", ["looks.after", "at least 2 items"]),
            ("[2, 4]", "pocock", "", ["looks.spending", "valid: obrien-fleming"]),
            ("[2, 4]", "obrien-fleming", "correction: holm\n", ["'correction' has no use beside"]),
        )
    ),
    (
        "studies/quick-tuning.yaml",
        "seeds: ",
        "looks: { after: [2, 4], spending: obrien-fleming }\nseeds: ",
        ["'looks' are at questions, and the study declares none"],
    ),
    ("protocols.yaml", "released-vgg:\n", "broken: 1\nreleased-vgg:\n", ["must map names"]),
    ("models.yaml", "quantised", "quantized", ["vgg-att-qt.attention", "nearest: 'quantised'"]),
    ("models.yaml", "  anchors: 20\n", "", ["'anchors' is needed"]),
    ("datasets.yaml", "kind: clutter", "kind: cluter", ["no kind 'cluter'", "nearest: 'clutter'"]),
    (
        "datasets.yaml",
        "decoder: svhn",
        "decoder: svnh",
        ["svhn.decoder", "nearest: 'svhn'"],
    ),
    ("datasets.yaml", "vgg: half", "vgg: haf", ["no normalisation 'haf'", "nearest: 'half'"]),
    ("datasets.yaml", "box: crop", "box: crp", ["cub.box", "nearest: 'crop'"]),
    ("datasets.yaml", "train: 5994", "train: 0", ["counts.train", "found 0"]),
    ("datasets.yaml", "md5:97", "md5:9", ["files.0.checksum", "String should match pattern"]),
    ("datasets.yaml", "  licence: MIT\n", "", ["fashion-mnist", "licence: Field required"]),
    ("datasets.yaml", "distractors:", "distractor:", ["unknown key", "nearest: 'distractors'"]),
    ("protocols.yaml", "beta: 0.01", "beta: 1e-2", ["objective.beta", "YAML wants a point"]),
    ("protocols.yaml", "extends: stated", "extends: state", ["no protocol 'state'", "'stated'"]),
    (
        "protocols.yaml",
        "optimiser.learning_rate: 0.02",
        "optimizer.learning_rate: 0.02",
        ["nearest: 'optimiser'"],
    ),
    ("protocols.yaml", "    quantised:", "    quantized:", ["per_attention", "'quantised'"]),
    ("protocols.yaml", "    wrn50-2:", "    wrn502:", ["per_family", "nearest: 'wrn50-2'"]),
    (
        "protocols.yaml",
        "      initialisation: released-cub-wrn",
        "      initialization: released-cub-wrn",
        ["released-cub.per_family.wrn50-2", "nearest: 'initialisation'"],
    ),
    (
        "protocols.yaml",
        "initialisation: released-cub-wrn",
        "initialisation: released-cub",
        ["released-cub", "nearest: 'released-cub-wrn'"],
    ),
    ("studies/quick-ablations.yaml", "objective.beta", "model.family", ["cannot be overridden"]),
    ("studies/quick-ablations.yaml", "objective.beta", "precision", ["'training.precision'"]),
    ("studies/quick.yaml", "{ model: vgg-att }", "{ model: vgg-att3 }", ["'levels' is 3"]),
    ("scales.yaml", "epochs: 72", "epochs: 0", ["quick.epochs", "found 0"]),
    ("studies/quick-tuning.yaml", "epochs: [36]", "epochs: [73]", ["is 73, and training ends"]),
    (
        "studies/quick-tuning.yaml",
        "{ model: vgg-att }",
        "{ model: vgg-att, overrides: { schedule.warmup_epochs: 73 } }",
        ["schedule.warmup_epochs is 73, and training ends after 72"],
    ),
    ("evaluations.yaml", "kind: sanity", "kind: santy", ["evaluations.yaml", "sanity"]),
    ("evaluations.yaml", "kind: sanity", "kind: sanity\n  smaple: 3", ["nearest: 'sample'"]),
    ("evaluations.yaml", "target: stl10-32", "target: stl10-3", ["nearest: 'stl10-32'"]),
    ("evaluations.yaml", "partners: cifar10-to", "partners: cifar-to", ["no label map"]),
    ("scales.yaml", "attention_after: 2", "attention_after: 9", ["there are 3 blocks"]),
    ("published.yaml", "model: vgg-gap", "model: vgg-gp", ["values.1.model", "'vgg-gap'"]),
    ("published.yaml", "baseline: vgg,", "baseline: vg,", ["no other value 'vg'", "'vgg'"]),
    ("published.yaml", "baseline: vgg,", "baseline: vgg-gap,", ["no other value 'vgg-gap'"]),
    ("published.yaml", "selection: last", "selection: lst", ["tables.3.selection", "'last'"]),
    ("published.yaml", "model: vgg-dvib", "model: vgg", ["'values' has cifar10 and vgg twice"]),
]


SOUND = plan_all(params.load(ROOT))[0].keys()


@pytest.mark.parametrize(("file", "old", "new", "said"), MISTAKES)
def test_a_mistake_is_one_line_that_helps(folder, file, old, new, said):
    edit(folder / "params" / file, old, new)
    if file.startswith("studies/"):
        study = Path(file).stem
        plans, mistakes = plan_all(params.load(folder))
        assert mistakes.keys() == {study}  # and no other is held up
        assert plans.keys() | {study} == SOUND
        with pytest.raises(ParameterError) as caught:
            plan(params.load(folder), study)
        assert str(caught.value) == mistakes[study]
    else:
        with pytest.raises(ParameterError) as caught:
            plan_all(params.load(folder))
    line = str(caught.value)
    assert "\n" not in line
    assert str(folder) not in line
    assert file.rsplit("/", 1)[-1] in line
    for words in said:
        assert words in line


def test_what_editors_keep_beside_a_study_is_none(folder):
    studies = folder / "params" / "studies"
    (studies / ".#quick.yaml").symlink_to("somebody@elsewhere.1")
    (studies / ".quick.yaml").write_text("half a ba")
    (studies / "quick.yaml~").write_text("half a ba")
    found = params.load(folder)
    assert not found.drafts
    assert found.studies.keys() == SOUND


@pytest.mark.parametrize(
    ("name", "said"), [("x", "cannot be read: Is a directory"), ("a\x1b[31m\n", "its name: String")]
)
def test_what_cannot_be_a_study_is_one_line_and_stops_no_other(folder, name, said):
    (folder / "params" / "studies" / f"{name}.yaml").mkdir()
    found = params.load(folder)
    assert found.studies.keys() == SOUND
    assert said in found.drafts[name]


def test_a_wrong_study_name_gets_the_nearest(folder):
    with pytest.raises(ParameterError, match="no study 'quikc'; nearest: 'quick'"):
        plan(params.load(folder), "quikc")


def test_a_studys_values_are_those_that_its_tuning_found(folder):
    best = {"cluttered-digits": {"vgg-aib": {"values": {"optimiser.learning_rate": 0.5}}}}
    (folder / "reports/quick-tuning").mkdir(parents=True)
    (folder / "reports/quick-tuning/winners.json").write_text(json.dumps(best))
    with pytest.raises(ParameterError, match=r"vgg-aib: optimiser\.learning_rate is .*found 0\.5"):
        plan(params.load(folder), "quick")


def test_every_arm_of_a_tuning_study_has_as_many_runs():
    made = plan(params.load(ROOT), "quick-tuning")
    counts = collections.Counter(cell.tuned for cell in made.cells for _ in cell.runs)
    assert set(counts.values()) == {made.study.tuning.runs_per_arm}
    assert {run.evaluation.split for run in made.runs} == {"validation"}


def test_switches_at_their_default_are_no_part_of_the_key():
    spec = plan(params.load(ROOT), "quick").cell("cluttered-digits", "vgg").runs[0]
    content = spec.model_dump(mode="json")
    assert content["evaluation"].pop("draws") == 1
    assert content["training"].pop("outcome")
    assert RunSpec.model_validate_json(json.dumps(content)).key == spec.key


def test_schemas_are_those_of_the_models(folder):
    committed = {path.name: path.read_text() for path in (ROOT / "params/schema").glob("*.json")}
    generated = {path.name: path.read_text() for path in params.write_schemas(folder)}
    assert committed == generated, "run: aib params schema"


CHANGES = {
    "model.modulation": "multiplicative",
    "network.latent": 5,
    "objective.beta": 0.5,
    "optimiser.momentum": 0.5,
    "schedule.warmup_epochs": 0,
    "training.epochs": 90,
    "augmentation.crop_padding": 0,
    "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]},
    "initialisation": "released-vgg",
    "evaluation.average": "logits",
    "map_sample": 5,
}


def test_key_ignores_seed_and_names_and_nothing_else():
    parameters = params.load(ROOT)
    spec = plan(parameters, "quick").cell("cluttered-digits", "vgg-aib").runs[0]
    names = spec.names.model_copy(update={"protocol": "another"})
    assert spec.model_copy(update={"seed": 99, "names": names}).key == spec.key
    assert {key.split(".")[0] for key in CHANGES} == set(RunSpec.model_fields) - {
        *("seed", "names", "dataset")
    }
    changed = [
        resolve(parameters, spec.names, {key: value}, 0, "test").key
        for key, value in CHANGES.items()
    ]
    assert len({spec.key, *changed}) == len(CHANGES) + 1


def test_ablations_share_the_runs_of_the_arms_own_value():
    made = plan(params.load(ROOT), "quick-ablations")
    default = made.cell("cluttered-digits", "vgg-aib-qt")
    ablated = made.cell("cluttered-digits", "vgg-aib-qt [anchors=20]")
    assert ablated.runs == default.runs
    treatments = [q.treatment for q in made.questions if q.family == "ablation"]
    assert "vgg-aib-qt [anchors=20]" not in treatments


def test_the_table_of_protocols_is_that_of_params(tmp_path):
    guide = tmp_path / "docs/method.md"
    guide.parent.mkdir()
    shutil.copy(ROOT / "docs/method.md", guide)
    write_table(tmp_path, params.load(ROOT))
    assert guide.read_text() == (ROOT / "docs/method.md").read_text(), "run: aib params table"


def test_every_justification_stands_in_facts():
    facts = (ROOT / "docs/facts.md").read_text()
    sections = set(re.findall(r"^###? (\d(?:\.\d)?)\b", facts, re.MULTILINE))
    items = {f"#{number}" for number in re.findall(r"^(\d+)\. ", facts, re.MULTILINE)}
    assert len(items) == 41
    for name, protocol in params.load(ROOT).protocols.items():
        for key, reasons in protocol.facts.items():
            unknown = set(reasons.split(", ")) - sections - items
            assert not unknown, (name, key, unknown)


# Every row of the switch table that the design declares (docs/method.md, Switches).
SWITCHES = {
    "objective.kl_scale": ("released", "released", "released", "stated"),
    "objective.kl_factor": (0.5, 1, 1, 1),
    "optimiser.anchor_lr_ratio": (1, 1e-4, 0, 1),
    "optimiser.anchor_weight_decay": (True, True, None, False),
    "evaluation.select": ("best_test", "best_test", "best_test", "last"),
    "evaluation.samples": ((4,), (4,), (12, 1), ("mean", 4)),
    "evaluation.average": ("logits", "logits", "logits", "probabilities"),
    "augmentation.padding_mode": ("reflect", "reflect", None, "reflect"),
    "normalisation": ("released-vgg", "released-wrn", "imagenet", "own"),
    "schedule.warmup_epochs": (0, 0, 0, 1),
    "second_forward": (None, None, 12, None),
    "optimiser.learning_rate": (0.1, 0.1, 1e-4, 0.02),
    "batch_size": (128, 128, 16, 128),
}


@pytest.mark.parametrize("key", SWITCHES)
def test_protocols_hold_the_switches_of_the_design(key):
    protocols = params.load(ROOT).protocols
    for name, expected in zip(
        ("released-vgg", "released-wrn", "released-cub", "stated"), SWITCHES[key], strict=True
    ):
        found = protocols[name]
        for part in key.split("."):
            found = getattr(found, part)
        assert found == expected or (expected is None and key != "second_forward"), name


def test_what_differs_by_family_or_model_reaches_the_run():
    parameters = params.load(ROOT)

    def resolved(model, protocol):
        names = Names(dataset="cifar10", model=model, protocol=protocol, scale="paper")
        crop = {"augmentation.crop_size": None}
        return resolve(parameters, names, crop, 0, "test")

    warmup = {
        name: resolved(name, "released-vgg").schedule.warmup_epochs
        for name in ("vgg", "vgg-aib", "vgg-aib-qt")
    }
    assert warmup == {"vgg": 0, "vgg-aib": 1, "vgg-aib-qt": 2}  # facts.md 2.2
    start = {
        name: resolved(name, "released-cub").initialisation for name in ("vgg16-aib", "wrn50-2-aib")
    }
    assert start == {"vgg16-aib": "released-vgg", "wrn50-2-aib": "released-cub-wrn"}


@pytest.mark.parametrize(
    ("dataset", "protocol", "expected"),
    [  # facts.md 2.1 and #37
        ("cifar10", "released-vgg", "cifar100"),
        ("cifar100", "released-vgg", "cifar100"),
        ("cifar10", "released-wrn", "cifar10"),
        ("cifar100", "released-wrn", "cifar10"),
        ("svhn", "released-vgg", "half"),
        ("svhn", "released-wrn", "half"),
        ("svhn", "stated", None),
    ],
)
def test_released_constants_are_those_of_the_code_for_the_data(dataset, protocol, expected):
    parameters = params.load(ROOT)
    names = Names(dataset=dataset, model="vgg", protocol=protocol, scale="paper")
    found = resolve(parameters, names, {}, 0, "test").normalisation
    assert found == (parameters.normalisations[expected] if expected else None)


def test_data_that_the_release_never_saw_have_no_released_constants():
    parameters = params.load(ROOT)
    names = Names(dataset="cluttered-digits", model="vgg", protocol="released-wrn", scale="paper")
    with pytest.raises(ParameterError, match="no constants for dataset 'cluttered-digits'"):
        resolve(parameters, names, {}, 0, "test")
    assert resolve(parameters, names, {"normalisation": None}, 0, "t").normalisation is None


def test_a_changed_value_loses_the_justification_of_the_old_one():
    protocols = params.load(ROOT).protocols
    assert protocols["released-vgg"].facts["optimiser.anchor_lr_ratio"] == "#16"
    assert protocols["released-wrn"].facts["optimiser.anchor_lr_ratio"] == "#17"
    assert "optimiser.anchor_lr_ratio" not in protocols["stated"].facts
    assert "schedule.every" not in protocols["stated-short"].facts  # its part was replaced


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"family": "vg"}, "no family 'vg'; nearest: 'vgg'"),
        ({"famly": "vgg"}, "'family' is missing"),
        ({"family": "wrn", "dropuot": 0.1}, "unknown key 'dropuot'; nearest: 'dropout'"),
        ({"family": "vgg", "dropout": 0.1}, "unknown key 'dropout'"),
        ({"family": "wrn50-2", "weights": "imagnet"}, "nearest: 'imagenet'"),
        (
            {"family": "wrn", "attention": "quantised", "bottleneck": "variational", "anchors": 1},
            "anchors: Input should be greater than or equal to 2; found 1",
        ),
        ({"family": "vgg-pay", "levels": 0}, "levels: Input should be greater than 0"),
    ],
)
def test_a_wrong_model_is_one_line_that_helps(folder, entry, words):
    path = folder / "params/models.yaml"
    path.write_text(f"{path.read_text()}\n{yaml.safe_dump({'mine': entry})}")
    with pytest.raises(ParameterError, match=r"^params/models.yaml: mine[^\n]*$") as caught:
        params.load(folder)
    assert words in str(caught.value)
