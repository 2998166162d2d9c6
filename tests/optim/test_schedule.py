from __future__ import annotations

from itertools import pairwise

import pytest

from trainer.config import CosineConfig, PolynomialConfig, ScheduleConfig
from trainer.optim.schedule import learning_rate

COSINE = CosineConfig(peak_lr=1.0, final_lr=0.1, warmup_steps=4, total_steps=12)
LINEAR = PolynomialConfig(peak_lr=1.0, final_lr=0.1, warmup_steps=4, total_steps=12, power=1.0)


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
    assert learning_rate(step, COSINE) == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize(
    ("power", "rates"),
    [
        (1.0, {0: 0.25, 4: 1.0, 6: 0.775, 8: 0.55, 10: 0.325, 12: 0.1}),
        (2.0, {0: 0.25, 4: 1.0, 6: 0.60625, 8: 0.325, 10: 0.15625, 12: 0.1}),
        (0.5, {0: 0.25, 4: 1.0, 6: 0.8794228634059948, 8: 0.7363961030678928, 10: 0.55, 12: 0.1}),
        (0.9, {0: 0.25, 4: 1.0, 6: 0.7947005560512135, 8: 0.582298058141332, 10: 0.35845712987433287, 12: 0.1}),
    ],
)
def test_warm_up_then_the_remaining_share_to_a_power(power: float, rates: dict[int, float]) -> None:
    config = LINEAR.model_copy(update={"power": power})

    assert {step: learning_rate(step, config) for step in rates} == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize("kind", [CosineConfig, PolynomialConfig])
def test_without_warm_up_it_begins_at_the_peak(kind: type[CosineConfig | PolynomialConfig]) -> None:
    assert learning_rate(0, kind(peak_lr=0.3, warmup_steps=0, total_steps=5)) == pytest.approx(0.3)


@pytest.mark.parametrize("config", [COSINE, LINEAR], ids=["cosine", "polynomial"])
def test_after_the_warm_up_it_only_falls(config: ScheduleConfig) -> None:
    rates = [learning_rate(step, config) for step in range(4, 13)]

    assert all(later < earlier for earlier, later in pairwise(rates))
