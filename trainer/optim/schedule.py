"""The learning rate as a pure function of progress."""

from __future__ import annotations

import math
from collections.abc import Callable

from trainer.config import CosineConfig, PolynomialConfig, ScheduleConfig


def learning_rate(step: int, config: ScheduleConfig) -> float:
    """Linear warm-up to `peak_lr` (arXiv:1706.02677), then down to `final_lr` as the schedule's kind says.

    Args:
        step: optimiser steps already finished, in [0, total_steps].

    Returns:
        The rate for the next step, not scaled by batch size.
    """
    if step < config.warmup_steps:
        return config.peak_lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / (config.total_steps - config.warmup_steps)
    return config.final_lr + (config.peak_lr - config.final_lr) * _remaining(config)(progress)


def _remaining(config: ScheduleConfig) -> Callable[[float], float]:
    """What is left of the peak, from 1 to 0, by the progress since the warm-up in [0, 1]."""
    match config:
        case CosineConfig():  # SGDR without restarts (arXiv:1608.03983)
            return lambda progress: 0.5 * (1 + math.cos(math.pi * progress))
        case PolynomialConfig():  # "poly" (arXiv:1506.04579)
            return lambda progress: (1 - progress) ** config.power
