"""docs/data.md tells the truth about params/."""

from pathlib import Path

import pytest

from aib.params import Dataset, LabelMap, load

ROOT = Path(__file__).parents[2]
PARAMETERS = load(ROOT)
TEXT = (ROOT / "docs/data.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = TEXT.split(f"## {heading}\n", 1)[1].splitlines()
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("|")) :]
    end = next(n for n, line in enumerate(table) if not line.startswith("|"))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[:end]]
    return [cells[0], *cells[2:]]


def expected(name: str, dataset: Dataset) -> list[str]:
    counts = dataset if dataset.kind == "clutter" else dataset.counts
    megabytes = sum(download.bytes for download in dataset.downloads) / 1e6
    return [
        *(f"`{name}`", f"{counts.train:,}", f"{counts.test:,}", str(len(dataset.classes))),
        *(str(dataset.image_size), f"{megabytes:,.0f}", dataset.licence),
    ]


def test_the_table_of_datasets():
    described = rows("The datasets")[1:]
    assert described == [expected(name, entry) for name, entry in PARAMETERS.datasets.items()]


@pytest.mark.parametrize("name", PARAMETERS.label_maps)
def test_the_label_map(name):
    label_map: LabelMap = PARAMETERS.label_maps[name]
    source, target = (row[1:] for row in rows("From CIFAR-10 to STL-10"))
    pairs = dict(zip(source, target, strict=True))
    assert name in TEXT
    assert {left: right for left, right in pairs.items() if left and right} == label_map.classes
    for side, names in (("sources", source), ("targets", target)):
        for dataset in getattr(label_map, side):
            assert sorted(filter(None, names)) == sorted(PARAMETERS.datasets[dataset].classes)
