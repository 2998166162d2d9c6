"""The train verb, on one rank: from a config and prepared data to a committed, selected checkpoint.

The order of this file is the order of execution.
"""

# DistributedDataParallel is only partly typed
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import time

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.parallel import DistributedDataParallel

from trainer.batch import Scores
from trainer.checkpoint.history import History
from trainer.config import RunConfig
from trainer.data.loader import evaluation_batches, training_batches
from trainer.data.order import Order
from trainer.data.shards import ShardedSplit
from trainer.errors import PreemptedError
from trainer.hooks.base import Hook
from trainer.hooks.checkpointing import Checkpointing
from trainer.hooks.preemption import Preemption
from trainer.hooks.telemetry import Telemetry
from trainer.loop import Evaluate, fit
from trainer.models import build_model
from trainer.models.compiled import compiled
from trainer.optim.optimiser import build_optimiser
from trainer.optim.precision import Precision, choose_precision
from trainer.reports import ModelSpec, TrainReport
from trainer.resume import resume
from trainer.run import Run, conclude, open_run
from trainer.scoring import score
from trainer.state import TrainState
from trainer.storage import open_store
from trainer.tasks import build_task
from trainer.tasks.base import Task
from trainer.telemetry.sinks import choose_sink
from trainer.telemetry.stopwatch import Stopwatch
from trainer.world import World


def train(config: RunConfig, *, dataset: str, out: str, world: World, fresh: str = "") -> TrainReport:
    """Train until the run is complete, from its last checkpoint if there is one; a finished run is only reported.

    Args:
        dataset: URI of a prepared data set.
        out: URI below which `training/<digest>/` lies.
        fresh: a token; one not seen before starts a new generation, which ignores the checkpoints that are there.

    Raises:
        PreemptedError: a signal asked to end; the state is saved.
    """
    began = time.monotonic()
    run = world.decide(lambda: open_run(config, dataset, out, fresh))
    if report := world.decide(run.finished):
        return report

    torch.manual_seed(config.training.seed)
    task = build_task(config.task, config.data, len(run.manifest.classes))
    state = build_state(run, world)
    spec = resume(run, state)

    train_split = ShardedSplit(open_store(dataset), run.manifest.split(config.data.train_split))
    val_split = ShardedSplit(open_store(dataset), run.manifest.split(config.data.val_split))
    order = Order(config.training.seed, len(train_split), state.global_batch, config.loader.micro_batch)
    steps = training_batches(train_split, order, config.data, config.loader, world, range(state.step, state.total_steps))
    stopwatch, history = Stopwatch(), History(run.store, run.generation)
    fit(state, stopwatch.watch(steps), task, _hooks(run, spec, stopwatch, history, world), _evaluator(config, val_split, task))
    if state.stop:
        raise PreemptedError(f"stopped on request after {state.samples_seen} samples, which are saved; the same command continues")

    if world.is_main:
        conclude(run, state, images_per_second=stopwatch.images_per_second, seconds=time.monotonic() - began)
    return world.decide(run.report)  # nobody leaves before the report is there: one process that ends well ends an elastic job


def build_state(run: Run, world: World) -> TrainState:
    """Model, optimiser and position 0, the same on every rank."""
    config = run.config
    precision = Precision(world.decide(lambda: choose_precision(config.training.precision, world.device).name), world.device)
    module = build_model(run.spec).to(world.device, precision.parameters)
    if config.training.channels_last:
        module.use_channels_last()
    return TrainState(
        model=_distributed(compiled(module, world.device) if config.training.compile else module, world),
        module=module,
        optimiser=build_optimiser(module, config.optimiser, fused=world.device.type == "cuda"),
        optimiser_config=config.optimiser,
        schedule=config.schedule,
        precision=precision,
        world=world,
        global_batch=config.training.global_batch,
    )


def _distributed(module: nn.Module, world: World) -> nn.Module:
    """Buffers travel only where batch norm changes them."""
    if world.size == 1:
        return module
    changing = any(isinstance(layer, BatchNorm) for layer in module.modules())
    devices = [world.device] if world.device.type == "cuda" else None
    return DistributedDataParallel(module, device_ids=devices, forward_sync_buffers=changing, gradient_as_bucket_view=True)


def _hooks(run: Run, spec: ModelSpec, stopwatch: Stopwatch, history: History, world: World) -> list[Hook]:
    """In this order: a stop is known before the save of its step, and a step's figures are in the history before it is flushed."""
    config = run.config

    def is_save_due(step: int) -> bool:
        return step % config.checkpoint.every_steps == 0 or _is_evaluation_due(config, step)

    return [
        Preemption(),
        Telemetry(stopwatch, choose_sink(is_main=world.is_main), history, config.telemetry.every_steps),
        Checkpointing(
            run.store,
            run.generation,
            spec,
            history,
            is_save_due,
            keep_last=config.checkpoint.keep_last,
            metric=config.training.select_by,
        ),
    ]


def _is_evaluation_due(config: RunConfig, step: int) -> bool:
    every = config.training.evaluate_every_steps
    return step == config.schedule.total_steps or (every > 0 and step > 0 and step % every == 0)


def _evaluator(config: RunConfig, split: ShardedSplit, task: Task) -> Evaluate:
    """Scores of the validation split where they are due and not taken yet; all ranks share the images."""

    def evaluate_if_due(state: TrainState) -> Scores | None:
        if state.evaluated_at == state.samples_seen or not _is_evaluation_due(config, state.step):
            return None
        for buffer in state.module.buffers():
            state.world.share(buffer)  # batch norm's running figures are rank 0's, as in what is saved
        scored = score(state.module, evaluation_batches(split, config.data, config.loader, state.world), task, state.world, state.precision)
        state.evaluated_at = state.samples_seen
        return task.summarise(scored.sums)

    return evaluate_if_due
