from __future__ import annotations

import pytest

from trainer.config import ScheduleConfig
from trainer.optim.schedule import learning_rate

CONFIG = ScheduleConfig(peak_lr=1.0, final_lr=0.1, warmup_steps=4, total_steps=12)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 0.25),
        (1, 0.5),
        (3, 1.0),
        (4, 1.0),
        (6, 0.1 + 0.9 * 0.8535533905932737),
        (8, 0.55),
        (10, 0.1 + 0.9 * 0.14644660940672627),
        (12, 0.1),
    ],
)
def test_warm_up_then_half_a_cosine(step: int, rate: float) -> None:
    assert learning_rate(step, CONFIG) == pytest.approx(rate, abs=1e-12)


def test_without_warm_up_it_begins_at_the_peak() -> None:
    assert learning_rate(0, ScheduleConfig(peak_lr=0.3, warmup_steps=0, total_steps=5)) == pytest.approx(0.3)


def test_after_the_warm_up_it_only_falls() -> None:
    rates = [learning_rate(step, CONFIG) for step in range(4, 13)]

    assert rates == sorted(rates, reverse=True)
