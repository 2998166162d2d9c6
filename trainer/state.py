"""What a run is while it runs, and what one step gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from torch import nn
from torch.optim import Optimizer

from trainer.config import OptimiserConfig, ScheduleConfig
from trainer.optim.precision import Precision
from trainer.optim.scaling import LossScale
from trainer.world import World


class Reason(Enum):
    """Why a run stops before it is complete."""

    PREEMPTED = "preempted"


@dataclass
class TrainState:
    """The run's moving parts. Position is a count of samples; a step takes `global_batch` of them.

    Args:
        model: what is called in a training step (wrapped for several ranks).
        module: the same model, bare: what is scored and saved.
        loss_scale: of the precision; part of what is saved.
        evaluated_at: samples seen at the last evaluation, or -1.
        stop: set by a hook, the same on every rank.
    """

    model: nn.Module
    module: nn.Module
    optimiser: Optimizer
    optimiser_config: OptimiserConfig
    schedule: ScheduleConfig
    precision: Precision
    world: World
    global_batch: int
    samples_seen: int = 0
    evaluated_at: int = -1
    stop: Reason | None = None
    loss_scale: LossScale = field(init=False)

    def __post_init__(self) -> None:
        self.loss_scale = self.precision.loss_scale()

    @property
    def step(self) -> int:
        """Optimiser steps finished."""
        return self.samples_seen // self.global_batch

    @property
    def total_steps(self) -> int:
        return self.schedule.total_steps

    @property
    def is_complete(self) -> bool:
        return self.step >= self.total_steps


@dataclass(frozen=True)
class StepResult:
    """One optimiser step. `loss` is the mean over the global batch; `gradient_norm` is before clipping.

    Neither is finite for sure: a step that overflows in fp16 is left out, and says so here.
    """

    loss: float
    gradient_norm: float
    learning_rate: float
