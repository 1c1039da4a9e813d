"""The finding on maps in two sentences: are they used, and do they show the object?"""

from collections import Counter

from aib.reporting.collect import StudyResults
from aib.reporting.evaluations import Told, localisation, tell
from aib.reporting.words import listed, number, spanned


def glance_words(results: StudyResults, dataset: str) -> list[str]:
    """What localisation and interventions found, if they were evaluated; nothing else is said."""
    told = {each.kind: each for each in tell(results, dataset) if each.arms}
    said = [_shown(told["localisation"])] if "localisation" in told else []
    return said + ([_used(told["interventions"])] if "interventions" in told else [])


def _shown(told: Told) -> str:
    """In how many runs the map is high on the object, and how well it tells it from the rest."""
    runs = [told.figures(record) for cell in told.arms for record in told.runs(cell)]
    found = Counter(run["polarity"] for run in runs)
    figure = localisation.compared_figures(told)[0]
    column, _ = localisation.AGAINST[figure]
    means = [100 * told.values(cell, column).mean() for cell in told.arms]
    name, score = localisation.best_control(told, figure)
    return (
        f"The map marks the object in {found['object']} of {len(runs)} networks: a pixel of the "
        f"object is higher in it than one of {localisation.against(told, figure)} in "
        f"{spanned(means, 0)} % of pairs (means of the arms). The best map that comes without "
        f"attention, {name}, has {number(100 * score, 0)} %, and chance 50 %."
    )


def _used(told: Told) -> str:
    """What the map of another image costs, and in which arms that is more than the margin."""
    margin = told.results.plan.study.margin
    costs = {cell.arm: told.interval(cell, "other") for cell in told.arms}
    losses = [-cost.estimate for cost in costs.values()]
    used = [arm for arm, cost in costs.items() if cost.high < -margin]
    idle = [arm for arm, cost in costs.items() if cost.low > -margin and cost.high < margin]
    open_ = [arm for arm in costs if arm not in (*used, *idle)]
    text = (
        f"Given the map of another image, networks lose {spanned(losses, 1)} points of accuracy "
        "(means of the arms)"
    )
    parts = [f"{listed(used)} {_verb(used)} the map of the image"] * bool(used)
    parts += [f"in {listed(idle)} it hardly matters"] * bool(idle)
    parts += [f"{listed(open_)} stay{'s' * (len(open_) == 1)} open"] * bool(open_)
    return f"{text}: {'; '.join(parts)}."


def _verb(arms: list[str]) -> str:
    return "needs" if len(arms) == 1 else "need"
