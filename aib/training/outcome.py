"""Did a run that reached its end learn anything?"""

from scipy.special import bdtrc

from aib.spec.parts import Outcome


def collapse(
    outcome: Outcome, accuracy: float, images: int, majority: float, rate: float | None
) -> str | None:
    """Why the run counts as collapsed, in words; None when it does not.

    Args:
        outcome: the declared limits.
        accuracy: of the last epoch, in training.
        images: that epoch saw.
        majority: share of the most frequent class, which a constant answer gets right.
        rate: bits an image; None where the loss does not charge for them.
    """
    correct = round(accuracy * images)
    p_value = bdtrc(correct - 1, images, majority) if correct else 1.0
    if p_value > outcome.chance_alpha:
        return (
            f"train accuracy {accuracy:.2%} is no better than {majority:.2%}, the share of the "
            f"most frequent class (binomial test, p = {p_value:.2g})"
        )
    if rate is not None and rate < outcome.rate_floor:
        return f"the rate is {rate:.3g} bits an image, under the floor of {outcome.rate_floor:g}"
    return None
