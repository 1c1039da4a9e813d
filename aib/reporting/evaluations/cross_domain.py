"""Does a classifier of one dataset know the images of another?"""

from typing import Any

from aib.reporting.comparing import differences, sorted_out, spanned
from aib.reporting.evaluations import Column, Told

TITLE = "Does it know the images of another dataset?"
COLUMNS = {
    "all": Column("accuracy, all images of its test split, %"),
    "shared": Column("accuracy, images of shared classes, %"),
}
HEADLINE = ("all",)


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Accuracy on each split of the target that was asked for; of test, without its name."""
    found = {}
    for split, by_images in numbers.items():
        before = "" if split == "test" else f"{split}_"
        for name, each in by_images.items():
            accuracy = each["accuracy"]  # None where no image is of a shared class
            found[before + name] = None if accuracy is None else 100 * accuracy
    return found


def message(told: Told) -> str:
    """How much of the other dataset is known, and whether an arm knows more of it."""
    known = [cell for cell in told.arms if told.values(cell, "all").size]
    if not known:
        return ""
    target = told.runs(known[0])[0].evaluation[told.name]["identity"]["parameters"]["target"]
    text = (
        f"On the test images of {target}, {spanned(told, 'all', known)} % are right (range of the "
        "arms' means)"
    )
    shared = [cell for cell in known if told.values(cell, "shared").size]
    if shared and spanned(told, "shared", shared) != spanned(told, "all", known):
        text += f", of those of shared classes {spanned(told, 'shared', shared)} %"
    return f"{text}.{sorted_out('All images', differences(told, 'all'))}"
