"""The learning rate as a pure function of progress."""

from __future__ import annotations

import math

from trainer.config import ScheduleConfig


def learning_rate(step: int, config: ScheduleConfig) -> float:
    """Linear warm-up to `peak_lr`, then half a cosine down to `final_lr`.

    Args:
        step: optimiser steps already finished, in [0, total_steps].

    Returns:
        The rate for the next step, not scaled by batch size.

    Source: SGDR without restarts (arXiv:1608.03983); "gradual warmup" (arXiv:1706.02677).
    """
    if step < config.warmup_steps:
        return config.peak_lr * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / (config.total_steps - config.warmup_steps)
    return config.final_lr + (config.peak_lr - config.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))
