from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import nn

from tests.toys import Regression, images_of, state_of
from trainer.checkpoint.documents import MODEL_FILE, OPTIMISER_FILE
from trainer.checkpoint.snapshot import restore, restore_model, snapshot
from trainer.config import AdamWConfig, OptimiserConfig, SGDConfig
from trainer.errors import CheckpointMismatchError
from trainer.loop import train_step
from trainer.optim.optimiser import build_optimiser
from trainer.state import TrainState

STEP = [images_of([10, 20, 30, 40], [1, 2, 3, 4])]


def state_with(optimiser: OptimiserConfig) -> TrainState:
    state = state_of()
    state.optimiser = build_optimiser(state.module, optimiser, fused=False)
    return state


@pytest.mark.parametrize(
    "optimiser",
    [AdamWConfig(), SGDConfig(), SGDConfig(momentum=0.0)],
    ids=["adamw", "sgd with momentum", "plain sgd"],
)
def test_a_restored_run_takes_the_very_steps_of_the_unbroken_one(optimiser: OptimiserConfig) -> None:
    unbroken = state_with(optimiser)
    for _ in range(3):
        train_step(unbroken, STEP, Regression())
    files = snapshot(unbroken)
    resumed = state_with(optimiser)
    restore(resumed, files, "here")

    for state in (unbroken, resumed):
        for _ in range(3):
            train_step(state, STEP, Regression())

    assert torch.equal(unbroken.module.weights.weight, resumed.module.weights.weight)
    assert resumed.samples_seen == 6 * 4


def test_a_snapshot_is_the_same_bytes_each_time() -> None:
    state = state_of()
    train_step(state, STEP, Regression())

    assert snapshot(state) == snapshot(state)


def test_a_snapshot_does_not_change_when_training_goes_on() -> None:
    state = state_of()
    train_step(state, STEP, Regression())
    files = snapshot(state)
    before = files[MODEL_FILE]

    train_step(state, STEP, Regression())

    assert files[MODEL_FILE] == before
    assert snapshot(state)[MODEL_FILE] != before


@pytest.mark.parametrize(("saved", "wanted"), [("fp16", "float32"), ("float32", "fp16")])
def test_a_loss_scale_is_neither_dropped_nor_made_up(saved: str, wanted: str) -> None:
    files = snapshot(state_of(precision=saved))

    with pytest.raises(CheckpointMismatchError, match=rf"here has the loss scale .*; this run computes in {wanted}, which needs"):
        restore(state_of(precision=wanted), files, "here")


def in_channels_last() -> TrainState:
    """A convolution on 4 channels whose kernel is in channels_last memory order, with a fused AdamW: one loop over all of them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 8, 3, bias=False)).to(memory_format=torch.channels_last)
    state = state_of(model=model)
    state.optimiser = build_optimiser(model, AdamWConfig(), fused=True)
    return state


def take_steps(state: TrainState, steps: range) -> None:
    """Steps on random images, the same for the same numbers."""
    for step in steps:
        images = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(step))
        state.optimiser.zero_grad()
        state.module(images).square().mean().backward()
        state.optimiser.param_groups[0]["lr"] = 0.1
        state.optimiser.step()


def test_channels_last_goes_on_after_a_resume_as_if_unbroken() -> None:
    unbroken, resumed = in_channels_last(), in_channels_last()
    take_steps(unbroken, range(3))
    restore(resumed, snapshot(unbroken), "here")
    for state in (unbroken, resumed):
        take_steps(state, range(3, 6))

    assert torch.equal(unbroken.module[0].weight, resumed.module[0].weight)
    assert resumed.module[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_what_is_saved_does_not_depend_on_the_memory_order() -> None:
    last, usual = in_channels_last(), in_channels_last()
    usual.module.to(memory_format=torch.contiguous_format)

    assert snapshot(last)[MODEL_FILE] == snapshot(usual)[MODEL_FILE]


def test_another_global_batch_is_refused() -> None:
    files = snapshot(state_of(batch=4))

    with pytest.raises(CheckpointMismatchError, match=r"global_batch=4; this run has 8"):
        restore(state_of(batch=8), files, "here")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(3, 1, bias=False)), "weights.weight is not of this model"),
        (nn.ModuleDict({"weights": nn.Linear(3, 1)}), "weights.bias is missing"),
        (nn.ModuleDict({"weights": nn.Linear(5, 1, bias=False)}), r"weights.weight is \[1, 3\], this model has \[1, 5\]"),
    ],
)
def test_another_model_is_told_name_by_name(model: nn.Module, message: str) -> None:
    files = snapshot(state_of())

    with pytest.raises(CheckpointMismatchError, match=message):
        restore_model(model, files[MODEL_FILE], "here")


def test_optimiser_state_of_fewer_parameters_is_refused() -> None:
    wide, narrow = state_with(AdamWConfig()), state_of(model=nn.Sequential(nn.Linear(3, 1, dtype=torch.float64)))
    narrow.optimiser = build_optimiser(narrow.module, AdamWConfig(), fused=False)
    train_step(wide, STEP, Regression())
    files = {**snapshot(narrow), OPTIMISER_FILE: snapshot(wide)[OPTIMISER_FILE]}

    with pytest.raises(CheckpointMismatchError, match="optimiser state of 1 parameters; this model has 2"):
        restore(narrow, files, "here")


def test_optimiser_settings_come_back_as_they_were() -> None:
    state = state_with(AdamWConfig(betas=(0.8, 0.99)))
    train_step(state, STEP, Regression())
    other = state_with(AdamWConfig())

    restore(other, snapshot(state), "here")

    assert next(islice(other.optimiser.param_groups, 1))["betas"] == (0.8, 0.99)
