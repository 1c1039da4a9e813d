"""The label map of CIFAR-10 to STL-10, class by class, and the two figures it gives."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from aib.evaluation.parts.cross_domain import transfer_figures
from aib.params import ParameterError, load

ROOT = Path(__file__).parents[2]
PARAMETERS = load(ROOT)
MAP = PARAMETERS.label_maps["cifar10-to-stl10"]
CIFAR10 = list(PARAMETERS.datasets["cifar10"].classes)
STL10 = list(PARAMETERS.datasets["stl10-32"].classes)
# Written out once more, by number: airplane to truck of CIFAR-10 are these of STL-10.
PARTNERS = [0, 2, 1, 3, 4, 5, None, 6, 8, 9]
FROG, MONKEY = 6, 7


def figures(predicted: list[int], labels: list[int]):
    return transfer_figures(np.array(predicted), np.array(labels), MAP.classes, CIFAR10, STL10)


@pytest.mark.parametrize("source", range(10))
def test_each_class(source):
    for target in range(10):
        found = figures([source], [target])
        right = float(PARTNERS[source] == target)
        assert found["all"] == {"images": 1, "accuracy": right}
        if target == MONKEY:
            assert found["shared"]["images"] == 0
            assert found["shared"]["accuracy"] is None
        else:
            assert found["shared"] == {"images": 1, "accuracy": right}


def test_class_orders_are_the_known_ones():
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    assert names.split() == CIFAR10
    names = "airplane bird car cat deer dog horse monkey ship truck"
    assert names.split() == STL10
    assert {*CIFAR10} - {*MAP.classes} == {"frog"}
    assert {*STL10} - {*MAP.classes.values()} == {"monkey"}


def test_both_counts():
    labels = [*range(10)] * 2
    perfect = [PARTNERS.index(label) if label != MONKEY else FROG for label in labels]
    found = figures(perfect, labels)
    assert found == {
        "all": {"images": 20, "accuracy": 0.9},
        "shared": {"images": 18, "accuracy": 1.0},
    }
    found = figures([FROG] * 20, labels)  # a prediction without a partner is wrong, not left out
    assert found["all"]["accuracy"] == found["shared"]["accuracy"] == 0
    same_number = figures(labels, labels)  # the trap: the lists are in other orders
    assert same_number["all"]["accuracy"] == 0.6


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("automobile: car", "automobil: car", "no class of cifar10 'automobil'; nearest: 'autom"),
        ("automobile: car", "automobile: cra", "no class of stl10 'cra'; nearest: "),
        ("automobile: car", "automobile: cat", "two classes are mapped to 'cat'"),
        ("[stl10, ", "[stl, ", "targets: no dataset 'stl'; nearest: 'stl10'"),
        ("[cifar10, ", "[cifr10, ", "sources: no dataset 'cifr10'; nearest: 'cifar10'"),
        ("[stl10, ", "[svhn, ", "no class of svhn 'airplane'"),
    ],
)
def test_a_wrong_map_is_one_line(tmp_path, old, new, said):
    shutil.copytree(ROOT / "params", tmp_path / "params")
    path = tmp_path / "params/label_maps.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ParameterError, match=r"label_maps\.yaml: cifar10-to-stl10") as caught:
        load(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
