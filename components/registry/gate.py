"""The gate before an alias moves: a pure function of two models' metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from trainer.config import RegistrationConfig
from trainer.errors import ConfigError

Metrics = Mapping[str, float]


class Verdict(NamedTuple):
    passed: bool
    reason: str


def judge(metrics: Metrics, champion: Metrics | None, config: RegistrationConfig) -> Verdict:
    """Whether a model may take the alias from its holder, whose metrics are `champion`; None where nobody holds it.

    A holder that scored NaN, which this gate lets nobody become, stops no successor.

    Raises:
        ConfigError: one of the two has no such metric.
    """
    name, value = config.metric, metric_of(metrics, config.metric, "the evaluation")
    if math.isnan(value):
        return Verdict(passed=False, reason=f"{name} is not a number")
    if value < config.minimum:
        return Verdict(passed=False, reason=f"{name} {value:.4f} is below the minimum {config.minimum:.4f}")
    if champion is None:
        return Verdict(
            passed=True, reason=f"{name} {value:.4f} reaches the minimum {config.minimum:.4f}, and no model is {config.alias} yet"
        )
    held = metric_of(champion, name, f"the present {config.alias}")
    if value < held - config.max_drop:
        return Verdict(passed=False, reason=f"{name} {value:.4f} is more than {config.max_drop:.4f} below the {config.alias}'s {held:.4f}")
    return Verdict(passed=True, reason=f"{name} {value:.4f}, against the former {config.alias}'s {held:.4f}")


def metric_of(metrics: Metrics, name: str, whose: str) -> float:
    """The named metric.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in metrics:
        raise ConfigError(
            f"registration.metric={name} is not among the metrics of {whose}, which are: {', '.join(sorted(metrics))}; choose one"
        )
    return metrics[name]
