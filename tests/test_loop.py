from __future__ import annotations

import math
from itertools import repeat

import pytest
import torch
from torch import nn

from tests.toys import Diary, Regression, images_of, state_of
from trainer.batch import Batch, Loss
from trainer.errors import NotFiniteError
from trainer.hooks.base import Hook
from trainer.loop import fit, train_step
from trainer.state import Reason, StepResult, TrainState

STEP = [images_of([10, 20, 30, 40], [1, 2, 3, 4])]


def never(state: TrainState) -> None:
    return None


def test_a_step_follows_the_gradient_of_the_mean_loss() -> None:
    state = state_of(lr=1e-4)
    weight = state.module.weights.weight.detach().clone().requires_grad_()
    batch = STEP[0]
    mean = ((batch.images.double().mean((-2, -1)) @ weight[0] - batch.targets.double().mean((-2, -1))) ** 2).mean()
    mean.backward()
    mean = mean.detach()

    result = train_step(state, STEP, Regression())

    assert result.loss == pytest.approx(float(mean), rel=1e-12)
    assert result.gradient_norm == pytest.approx(float(weight.grad.norm()), rel=1e-12)
    assert torch.allclose(state.module.weights.weight, weight - 1e-4 * weight.grad, rtol=1e-12, atol=0)
    assert (state.samples_seen, state.step) == (4, 1)


def test_micro_batches_of_unequal_size_give_the_same_step() -> None:
    whole, split = state_of(), state_of()
    parts = [images_of([10], [1]), images_of([20, 30, 40], [2, 3, 4])]

    first, second = train_step(whole, STEP, Regression()), train_step(split, parts, Regression())

    assert first.loss == pytest.approx(second.loss, rel=1e-12)
    assert torch.allclose(whole.module.weights.weight, split.module.weights.weight, rtol=1e-12, atol=0)


def test_what_is_ignored_leaves_the_mean_over_the_rest() -> None:
    some, rest = state_of(), state_of(batch=2)

    first = train_step(some, [images_of([10, 99, 99, 40], [1, 255, 255, 4])], Regression())
    second = train_step(rest, [images_of([10, 40], [1, 4])], Regression())

    assert first.loss == pytest.approx(second.loss, rel=1e-12)
    assert torch.allclose(some.module.weights.weight, rest.module.weights.weight, rtol=1e-12, atol=0)


def test_the_gradient_is_clipped_as_one() -> None:
    state = state_of(clip=0.5, lr=1.0)
    before = state.module.weights.weight.detach().clone()

    result = train_step(state, STEP, Regression())

    assert result.gradient_norm > 0.5
    assert float((state.module.weights.weight.detach() - before).norm()) == pytest.approx(0.5, rel=1e-5)


def test_a_batch_that_counts_nothing_changes_nothing() -> None:
    state = state_of()
    before = state.module.weights.weight.detach().clone()

    result = train_step(state, [images_of([1, 2, 3, 4], [255] * 4)], Regression())

    assert result.loss == 0.0
    assert torch.equal(state.module.weights.weight, before)


class Weighted(Regression):
    """Every image counts for so much."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        loss = super().loss(model, batch)
        return Loss(loss.total * self.weight, loss.count.double() * self.weight)


@pytest.mark.parametrize("weight", [0.001, 0.25, 8.0])
def test_a_count_may_be_a_fraction_such_as_a_sum_of_small_weights(weight: float) -> None:
    plain, weighted = state_of(), state_of()

    first, second = train_step(plain, STEP, Regression()), train_step(weighted, STEP, Weighted(weight))

    assert first.loss == pytest.approx(second.loss, rel=1e-12)
    assert torch.allclose(plain.module.weights.weight, weighted.module.weights.weight, rtol=1e-12, atol=0)


class Exploding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * math.nan * images.double().mean((-2, -1, -3))


def test_a_loss_that_is_not_finite_leaves_the_weights_and_is_told() -> None:
    state = state_of(model=Exploding())

    with pytest.raises(NotFiniteError, match=r"loss of step 1 is nan .* after 0 samples"):
        train_step(state, STEP, Regression())

    assert state.module.weight.item() == 1.0
    assert state.samples_seen == 0


def test_fit_takes_exactly_the_steps_that_are_left() -> None:
    state, diary = state_of(steps=5), Diary()
    state.samples_seen = 2 * 4

    fit(state, repeat(STEP), Regression(), [diary], never)

    assert diary.events == ["start@2", "step@3", "step@4", "step@5", "success@5", "close"]
    assert state.is_complete


def test_hooks_are_called_in_order_and_closed_in_reverse() -> None:
    events: list[str] = []
    fit(state_of(steps=1), repeat(STEP), Regression(), [Diary("a ", events), Diary("b ", events)], never)

    assert events == ["a start@0", "b start@0", "a step@1", "b step@1", "a success@1", "b success@1", "b close", "a close"]


class StopAfter(Hook):
    def __init__(self, step: int) -> None:
        self.at = step

    def on_step(self, state: TrainState, result: StepResult) -> None:
        if state.step == self.at:
            state.stop = Reason.PREEMPTED


def test_a_hook_can_stop_the_run_which_is_no_success() -> None:
    diary, state = Diary(), state_of(steps=9)

    fit(state, repeat(STEP), Regression(), [StopAfter(2), diary], never)

    assert diary.events == ["start@0", "step@1", "step@2", "stop@2", "close"]
    assert not state.is_complete


def test_an_error_closes_every_hook_and_is_no_success() -> None:
    def broken() -> list[Batch]:
        raise ValueError("broken")

    diary = Diary()
    with pytest.raises(ValueError, match="broken"):
        fit(state_of(), (broken() for _ in range(3)), Regression(), [diary], never)

    assert diary.events == ["start@0", "close"]


@pytest.mark.parametrize(
    ("total", "every", "evaluated_at", "start", "evaluations"),
    [(4, 2, -1, 0, [2, 4]), (5, 2, -1, 0, [2, 4, 5]), (4, 9, -1, 0, [4]), (4, 2, -1, 2, [2, 4]), (4, 2, 2 * 4, 2, [4]), (4, 2, -1, 4, [4])],
)
def test_evaluation_is_asked_for_where_it_is_due_and_once(
    total: int, every: int, evaluated_at: int, start: int, evaluations: list[int]
) -> None:
    def evaluate_if_due(state: TrainState) -> dict[str, float] | None:
        if state.evaluated_at == state.samples_seen or not (state.step == total or (state.step and state.step % every == 0)):
            return None
        state.evaluated_at = state.samples_seen
        return {"score": 1.0}

    state, diary = state_of(steps=total), Diary()
    state.samples_seen, state.evaluated_at = start * 4, evaluated_at
    fit(state, repeat(STEP), Regression(), [diary], evaluate_if_due)

    assert [event for event in diary.events if event.startswith("evaluated")] == [f"evaluated@{step}" for step in evaluations]
