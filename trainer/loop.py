"""The training loop: all of it. No I/O, no clock, no rank numbers."""

# torch's utilities for gradients are only partly typed
# pyright: reportUnknownMemberType=false, reportPrivateImportUsage=false, reportPrivateUsage=false

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from trainer.batch import Batch, Scores
from trainer.errors import NotFiniteError
from trainer.hooks.base import Hook
from trainer.optim.schedule import learning_rate
from trainer.state import StepResult, TrainState
from trainer.tasks.base import Task

Evaluate = Callable[[TrainState], Scores | None]


def fit(state: TrainState, steps: Iterable[Sequence[Batch]], task: Task, hooks: Sequence[Hook], evaluate_if_due: Evaluate) -> None:
    """Take optimiser steps until the run is complete or a hook has asked to stop.

    Args:
        steps: for each step, this rank's share of the global batch, as micro-batches.
        evaluate_if_due: scores for the state's position, or None; asked before the first step too, because a run
            may have ended between a save and the evaluation that was due there.
    """
    with ExitStack() as cleanup:
        for hook in hooks:
            cleanup.callback(hook.close)
            hook.on_start(state)
        _evaluate(state, hooks, evaluate_if_due)
        for batches in islice(steps, state.total_steps - state.step):
            result = train_step(state, batches, task)
            for hook in hooks:
                hook.on_step(state, result)
            _evaluate(state, hooks, evaluate_if_due)
            if state.stop:
                break
        for hook in hooks:
            hook.on_stop(state) if state.stop else hook.on_success(state)


def train_step(state: TrainState, batches: Sequence[Batch], task: Task) -> StepResult:
    """One optimiser step over the global batch, of which `batches` is this rank's share.

    The gradient is that of the global batch's mean loss, however unequal the shares: each rank back-propagates
    its sum over a nominal count that is the same everywhere, DDP averages over ranks, and the true count, reduced
    with the loss, rescales the result before clipping, and takes the loss scale out of it. In fp16 a step that
    overflows is left out, on every rank alike, and the next ones are scaled less.

    Raises:
        NotFiniteError: on every rank, where the loss or the gradient of any is not finite and no smaller scale is left; the weights
            are untouched.
    """
    state.model.train()
    state.optimiser.zero_grad(set_to_none=True)
    nominal = task.count_per_sample * state.global_batch
    total, count = _backward(state, batches, task, nominal)
    reduced_total, reduced_count = state.world.sum(torch.stack([total, count])).unbind()

    counted = reduced_count.where(reduced_count > 0, 1)  # a batch in which nothing counts has a gradient of zero
    gradients = [parameter.grad for parameter in state.module.parameters() if parameter.grad is not None]
    torch._foreach_mul_(gradients, nominal * state.world.size / (counted * state.loss_scale.scale))
    norm = float(clip_grad_norm_(state.module.parameters(), state.optimiser_config.clip_norm or float("inf")))
    loss = float(reduced_total / counted)
    rate = learning_rate(state.step, state.schedule)
    if math.isfinite(norm + loss):
        _apply(state.optimiser, rate)
        state.loss_scale.step_taken()
    elif not state.loss_scale.lower():
        raise NotFiniteError(
            f"the loss of step {state.step + 1} is {loss} and the gradient's norm {norm}, after {state.samples_seen} samples; "
            "lower schedule.peak_lr, lengthen schedule.warmup_steps, set optimiser.clip_norm or compute in another training.precision"
        )
    state.samples_seen += state.global_batch
    return StepResult(loss, norm, rate)


def _apply(optimiser: Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.step()


def _backward(state: TrainState, batches: Sequence[Batch], task: Task, nominal: float) -> tuple[Tensor, Tensor]:
    """Accumulate gradients over the micro-batches, reduced over ranks with the last; the loss's total and count."""
    total = count = torch.zeros((), dtype=torch.float64, device=state.world.device)
    for place, batch in enumerate(batches, start=1):
        with _synchronised(state.model, last=place == len(batches)):
            with state.precision.autocast():
                loss = task.loss(state.model, batch)
            (loss.total / nominal * state.loss_scale.scale).backward()
        total = total + loss.total.detach()
        count = count + loss.count
    return total, count


def _synchronised(model: torch.nn.Module, *, last: bool) -> AbstractContextManager[object]:
    """Gradients travel once a step: with the last micro-batch."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) and not last else nullcontext()


def _evaluate(state: TrainState, hooks: Sequence[Hook], evaluate_if_due: Evaluate) -> None:
    if scores := evaluate_if_due(state):
        for hook in hooks:
            hook.on_evaluated(state, scores)
