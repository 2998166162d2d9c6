from __future__ import annotations

import math

import pytest

from components.registry.gate import judge
from trainer.config import RegistrationConfig
from trainer.errors import ConfigError

CONFIG = RegistrationConfig(metric="miou", minimum=0.5, max_drop=0.1)


@pytest.mark.parametrize(
    ("value", "champion", "passed", "reason"),
    [
        (0.5, None, True, "miou 0.5000 reaches the minimum 0.5000, and no model is champion yet"),
        (0.49, None, False, "miou 0.4900 is below the minimum 0.5000"),
        (0.49, 0.1, False, "miou 0.4900 is below the minimum 0.5000"),
        (0.9, 0.8, True, "against the former champion's 0.8000"),
        (0.75, 0.8, True, "against the former champion's 0.8000"),
        (0.75, 0.85, True, "against the former champion's 0.8500"),
        (0.74, 0.85, False, "miou 0.7400 is more than 0.1000 below the champion's 0.8500"),
        (math.nan, None, False, "miou is not a number"),
        (math.nan, 0.0, False, "miou is not a number"),
        (0.6, math.nan, True, "against the former champion's nan"),
    ],
)
def test_a_model_passes_if_it_is_good_enough_and_not_much_worse(value: float, champion: float | None, *, passed: bool, reason: str) -> None:
    verdict = judge({"miou": value}, None if champion is None else {"miou": champion}, CONFIG)
    assert verdict.passed is passed
    assert reason in verdict.reason


def test_a_missing_metric_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="metric=miou is not among the metrics of the evaluation, which are: ap, top1"):
        judge({"top1": 1.0, "ap": 1.0}, None, CONFIG)


def test_a_metric_that_the_champion_lacks_is_told_as_such() -> None:
    with pytest.raises(ConfigError, match="not among the metrics of the present champion, which are: top1"):
        judge({"miou": 1.0}, {"top1": 1.0}, CONFIG)
