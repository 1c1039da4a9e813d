"""Learning rates against the printed sequence of the release."""

import pytest

from aib.spec.parts import CosineSchedule, DecaySchedule, HalvingSchedule, MilestoneSchedule
from aib.training.schedule import learning_rate

# facts.md 2.2: first epoch of each plateau
PLATEAUS = {0: 0.1, 24: 0.05, 49: 0.025, 74: 0.0125, 99: 0.00625, 124: 0.003125}
PLATEAUS |= {149: 0.0015625, 174: 0.00078125, 199: 0.000390625}


@pytest.mark.parametrize(
    ("warmup", "first"),
    [(0, [0.1, 0.1, 0.1]), (1, [0.01, 0.1, 0.1]), (2, [0.001, 0.01, 0.1])],
)
def test_halving_is_the_released_sequence(warmup, first):
    schedule = HalvingSchedule(name="halving", every=25, factor=0.5, warmup_epochs=warmup)
    found = [learning_rate(schedule, 0.1, epoch, 200) for epoch in range(200)]
    plateau = [PLATEAUS[max(start for start in PLATEAUS if start <= e)] for e in range(200)]
    assert found == pytest.approx(first + plateau[3:])
    assert learning_rate(schedule, 0.1, 23.99, 200) == pytest.approx(0.1)  # steps keep the rate


def test_cosine_rises_then_falls_to_zero():
    schedule = CosineSchedule(name="cosine", warmup_epochs=2)
    found = [learning_rate(schedule, 0.4, epoch, 10) for epoch in (0, 1, 2, 6, 10)]
    assert found == pytest.approx([0, 0.2, 0.4, 0.2, 0])


def test_milestones_are_the_released_wrn_sequence():
    schedule = MilestoneSchedule(
        name="milestones", epochs=(60, 120, 160), factor=0.2, warmup_epochs=0
    )
    found = [learning_rate(schedule, 0.1, epoch, 200) for epoch in range(200)]
    expected = [0.1] * 60 + [0.02] * 60 + [0.004] * 40 + [0.0008] * 40
    assert found == pytest.approx(expected)


def test_decay_is_the_released_cub_sequence():
    schedule = DecaySchedule(name="decay", every=2, factor=0.97, warmup_epochs=0)
    found = [learning_rate(schedule, 1e-4, epoch, 200) for epoch in range(200)]
    assert found == pytest.approx([1e-4 * 0.97 ** ((e - 1) // 2) for e in range(1, 201)])
    assert found[-1] == pytest.approx(4.9e-6, rel=0.01)  # facts.md 2.2
