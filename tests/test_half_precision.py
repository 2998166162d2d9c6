"""fp16: gradients are scaled, a step that overflows is left out on every rank alike, and a resumed run repeats the unbroken one."""

from __future__ import annotations

import math
import shutil
from itertools import repeat
from pathlib import Path

import pytest
import torch

from tests.processes import run_ranks
from tests.recipes import write_recipe
from tests.toys import Brightness, Diary, Regression, images_of, state_of
from trainer.checkpoint.history import History, read_history
from trainer.checkpoint.snapshot import restore, snapshot
from trainer.errors import NotFiniteError
from trainer.hooks.telemetry import Telemetry
from trainer.loop import fit, train_step
from trainer.optim.scaling import LOWEST_SCALE, DynamicScale
from trainer.recipe import load_config
from trainer.reports import TrainReport
from trainer.state import TrainState
from trainer.storage import FolderStore
from trainer.telemetry.sinks import SilentSink
from trainer.telemetry.stopwatch import Stopwatch
from trainer.train import train
from trainer.world import World

STEP = [images_of([10, 20, 30, 40], [1, 2, 3, 4])]


def half(lr: float = 1e-6, **settings: int) -> TrainState:
    """A run in fp16 whose first steps overflow: 65536 times the gradient is more than fp16 can say."""
    return state_of(model=Brightness(torch.float32), precision="fp16", lr=lr, **settings)


def scale_of(state: TrainState) -> DynamicScale:
    assert isinstance(state.loss_scale, DynamicScale)
    return state.loss_scale


def test_a_step_that_overflows_is_left_out_and_counted_and_the_next_is_scaled_less() -> None:
    state = half()
    before = state.module.weights.weight.detach().clone()

    result = train_step(state, STEP, Regression())

    assert not math.isfinite(result.gradient_norm)
    assert math.isfinite(result.loss)
    assert torch.equal(state.module.weights.weight, before)
    assert state.optimiser.state_dict()["state"] == {}
    assert state.samples_seen == 4
    assert scale_of(state).saved() == {"scale": 2.0**15, "good_steps": 0, "skipped": 1}


def test_once_the_scale_fits_a_step_is_that_of_float32() -> None:
    state, full = half(), state_of(model=Brightness(torch.float32), precision="float32", lr=1e-6)
    wanted = train_step(full, STEP, Regression())
    results = [train_step(state, STEP, Regression())]
    while not math.isfinite(results[-1].gradient_norm):
        results.append(train_step(state, STEP, Regression()))

    assert 1 < len(results) < 12
    assert results[-1].gradient_norm == pytest.approx(wanted.gradient_norm, rel=2e-3)
    assert torch.allclose(state.module.weights.weight, full.module.weights.weight, rtol=1e-3)
    assert scale_of(state).skipped == len(results) - 1


def test_micro_batches_are_scaled_alike() -> None:
    whole, parts = half(), half()
    for state, step in ((whole, STEP), (parts, [images_of([10], [1]), images_of([20, 30, 40], [2, 3, 4])])):
        scale_of(state).scale = 64.0
        train_step(state, step, Regression())

    assert torch.allclose(whole.module.weights.weight, parts.module.weights.weight, rtol=1e-4)


def test_the_scale_rises_again_after_enough_good_steps() -> None:
    state = half(steps=9)
    state.loss_scale = DynamicScale(scale=4.0, growth_interval=3)

    fit(state, repeat(STEP), Regression(), [], lambda _: None)

    assert scale_of(state).saved() == {"scale": 32.0, "good_steps": 0, "skipped": 0}


def test_a_run_that_no_scale_can_help_is_ended() -> None:
    state, diary = state_of(model=Brightness(torch.float32, math.nan), precision="fp16", steps=100), Diary()

    with pytest.raises(NotFiniteError, match=r"loss of step 31 is nan .* after 120 samples; .* another training.precision"):
        fit(state, repeat(STEP), Regression(), [diary], lambda _: None)

    assert scale_of(state).scale == LOWEST_SCALE
    assert len(diary.results) == scale_of(state).skipped == 30


def test_the_curve_of_a_resumed_run_is_that_of_the_unbroken_one() -> None:
    def run(state: TrainState, steps: int) -> list[tuple[float, float]]:
        results = [train_step(state, STEP, Regression()) for _ in range(steps)]
        return [(result.loss, result.gradient_norm) for result in results]

    unbroken, broken, resumed = half(), half(), half()
    for state in (unbroken, broken, resumed):
        scale_of(state).growth_interval = 4
    whole = run(unbroken, 20)
    first = run(broken, 11)
    restore(resumed, snapshot(broken), "here")

    assert first + run(resumed, 9) == whole
    assert scale_of(resumed) == scale_of(unbroken)
    assert 0 < scale_of(unbroken).skipped < 12
    assert torch.equal(resumed.module.weights.weight, unbroken.module.weights.weight)


ONE_RANK_OVERFLOWS = """
import torch
from tests.toys import Brightness, Regression, images_of, state_of
from torch.nn.parallel import DistributedDataParallel
from trainer.hooks.telemetry import Telemetry
from trainer.loop import train_step
from trainer.world import join_world

with join_world() as world:
    state = state_of(world, model=Brightness(torch.float32), precision="fp16", batch=8, lr=1e-6)
    state.model = DistributedDataParallel(state.module)
    state.loss_scale.scale = 256.0
    dark, light = ([images_of([value] * 4, [0] * 4)] for value in (10, 255))
    told = [train_step(state, step, Regression()).gradient_norm for step in (dark, light if world.rank else dark, dark)]
    print([norm < float("inf") for norm in told], state.loss_scale.saved(), state.module.weights.weight.tolist())
"""


def test_a_step_that_overflows_on_one_rank_is_left_out_on_all() -> None:
    ranks = run_ranks(ONE_RANK_OVERFLOWS, size=2)

    assert [rank.code for rank in ranks] == [0, 0], ranks[0].err + ranks[1].err
    assert ranks[0].out == ranks[1].out
    assert "[True, False, True] {'scale': 128.0, 'good_steps': 1, 'skipped': 1}" in ranks[0].out


def test_a_whole_run_in_fp16_can_be_broken_off_and_reports_what_it_left_out(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        training={"precision": "fp16", "global_batch": 4, "evaluate_every_steps": 0},
        schedule={"total_steps": 4, "peak_lr": 0.003, "warmup_steps": 1},
        checkpoint={"every_steps": 2},
    )
    report = train(load_config(str(recipe)), dataset=tiny_dataset, out=str(tmp_path), world=World())
    folder = next(tmp_path.glob("training/*"))
    last = {name: (folder / "checkpoints/0001-000000000016" / name).read_bytes() for name in ("model.safetensors", "state.json")}
    shutil.rmtree(folder / "checkpoints/0001-000000000016")
    (folder / "reports/0001.json").unlink()

    again = train(load_config(str(recipe)), dataset=tiny_dataset, out=str(tmp_path), world=World())

    assert isinstance(report, TrainReport)
    assert report.precision == "fp16"
    assert again.model_digest == report.model_digest
    assert again.skipped_steps == report.skipped_steps
    assert {name: (folder / "checkpoints/0001-000000000016" / name).read_bytes() for name in last} == last


def test_the_curve_has_no_figure_where_a_step_overflowed(tmp_path: Path) -> None:
    store, stopwatch = FolderStore(str(tmp_path)), Stopwatch()
    history = History(store, 1)

    fit(half(steps=2), stopwatch.watch(repeat(STEP)), Regression(), [Telemetry(stopwatch, SilentSink(), history, 1)], lambda _: None)
    history.flush(8)

    assert [(point.loss, point.gradient_norm) for point in read_history(store, 1)] == [(30.0, None), (30.0, None)]
