"""`aib export` of the reports that are committed here."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from aib.errors import AibError
from aib.export.command import export
from aib.export.crate import METADATA
from aib.export.schema import json_schema
from aib.export.tables import Table, latex, markdown
from aib.params import load

ROOT = Path(__file__).parents[2]
SUMMARIES = sorted((ROOT / "reports").glob("*/summary.json"))


@pytest.fixture(scope="module")
def study():
    return load(ROOT).studies["quick"]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The committed report of quick, without its evidence."""
    kept = shutil.ignore_patterns("evidence")
    return shutil.copytree(ROOT / "reports/quick", tmp_path_factory.mktemp("r") / "q", ignore=kept)


@pytest.fixture(scope="module")
def exported(study, report, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "quick"
    export(study, report, ROOT / "CITATION.cff", folder)
    return folder


@pytest.mark.parametrize("path", SUMMARIES, ids=lambda path: path.parent.name)
def test_every_committed_summary_has_the_form_of_the_schema(path):
    validator = Draft202012Validator(json_schema())
    summary = json.loads(path.read_text())
    assert list(validator.iter_errors(summary)) == []
    summary["runs"][0]["status"] = "fine"
    del summary["provenance"]["git"]
    assert len(list(validator.iter_errors(summary))) == 2


def test_the_crate_names_every_file_once_and_nothing_else(exported):
    graph = json.loads((exported / METADATA).read_text())["@graph"]
    entities = {each["@id"]: each for each in graph}
    assert len(entities) == len(graph)
    assert entities[METADATA]["about"] == {"@id": "./"}
    assert entities[METADATA]["conformsTo"]["@id"].startswith("https://w3id.org/ro/crate/1.")
    root = entities["./"]
    assert {"name", "description", "datePublished", "license"} <= root.keys()
    held = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert {part["@id"] for part in root["hasPart"]} == held - {METADATA}
    for each in graph:  # whatever is pointed at is described
        for value in each.values():
            for link in value if isinstance(value, list) else [value]:
                if isinstance(link, dict) and not link["@id"].startswith("https://w3id.org"):
                    assert link["@id"] in entities, link


def test_the_codecheck_manifest_names_files_that_are_there(exported):
    text = (exported / "codecheck.yml").read_text()
    assert text.startswith("---\n")
    content = yaml.safe_load(text)
    assert content["version"].startswith("https://codecheck.org.uk/spec/config/")
    assert len(content["manifest"]) > 10
    assert all((exported / each["file"]).is_file() for each in content["manifest"])
    assert content["codechecker"] == []  # nobody has checked
    assert "certificate" not in content


def test_a_report_without_questions_is_exported_too(tmp_path):
    name = "cifar10-compact-tuning"
    study = load(ROOT).studies[name]
    export(study, ROOT / "reports" / name, ROOT / "CITATION.cff", tmp_path / "out")
    manifest = yaml.safe_load((tmp_path / "out/codecheck.yml").read_text())["manifest"]
    assert all((tmp_path / "out" / each["file"]).is_file() for each in manifest)
    assert not any("contrasts" in each["file"] for each in manifest)


def test_tables_have_the_numbers_of_the_summary(exported, report):
    summary = json.loads((report / "summary.json").read_text())
    for name in ("questions.md", "questions.tex"):
        text = (exported / name).read_text()
        for row in summary["verdicts"]:
            assert f"{abs(row['difference']):.2f}" in text
            assert row["verdict"] in text
    rows = (exported / "arms.md").read_text().splitlines()[4:]
    assert len(rows) == len(summary["cells"]["cluttered-digits"])
    assert all(row.count("|") == 7 for row in rows)


def test_what_latex_and_markdown_would_misread_is_escaped():
    table = Table("50 % of a_b", ["arm", "95 % interval"], [["a|b & c_d", "[−1.00, 2.00]"]])
    text = latex(table)
    assert r"a|b \& c\_d & {[$-$1.00, 2.00]} \\" in text
    assert r"50 \% of a\_b" in text
    assert "a∣b & c_d" in markdown(table)


def test_bibtex_has_the_paper_and_the_software(exported):
    text = (exported / "citation.bib").read_text()
    assert "@inproceedings{lai2021," in text
    assert "Lai, Qiuxia and Li, Yu" in text
    assert "@software{aib," in text
    assert text.count("{") == text.count("}")


def test_the_checklist_ticks_what_records_show_and_nothing_else(study, report, tmp_path):
    summary = json.loads((report / "summary.json").read_text())
    again = shutil.copytree(report, tmp_path / "report")
    summary["provenance"]["git"] = ["abc with uncommitted changes"]
    (again / "summary.json").write_text(json.dumps(summary))
    export(study, again, ROOT / "CITATION.cff", tmp_path / "out")
    text = (tmp_path / "out" / "checklist.md").read_text()
    assert "- [ ] Training code: commit abc with uncommitted changes" in text
    assert "- [x] Number of runs: 20 finished, 4 an arm, 0 missing; seeds 13, 14, 15, 16" in text
    assert "study quick-tuning" in text


def test_a_folder_of_other_things_is_left_alone(study, report, exported, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(AibError, match="something else than an export"):
        export(study, report, ROOT / "CITATION.cff", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    (exported / "report" / "stale.txt").write_text("old")
    export(study, report, ROOT / "CITATION.cff", exported)  # one's own is written again
    assert not (exported / "report" / "stale.txt").exists()


def test_a_report_of_another_form_is_one_line(study, report, tmp_path):
    with pytest.raises(AibError, match=r"summary\.json: missing") as error:
        export(study, tmp_path / "none", ROOT / "CITATION.cff", tmp_path / "out")
    assert "\n" not in str(error.value)
    summary = json.loads((report / "summary.json").read_text())
    summary["verdicts"][0]["verdict"] = "maybe"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(AibError, match=r"verdicts\.0\.verdict.*aib report bad"):
        export(study, tmp_path / "bad", ROOT / "CITATION.cff", tmp_path / "out")
    assert not (tmp_path / "out").exists()
