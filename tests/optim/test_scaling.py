from __future__ import annotations

import pytest
import torch

from trainer.optim.scaling import LOWEST_SCALE, DynamicScale, FixedScale


def scales_of_torch(finite: str, interval: int) -> list[float]:
    """What torch's own scaler makes of the same steps; `.` is a finite one, `x` is not."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([weight], lr=0.0)
    scaler = torch.amp.GradScaler("cpu", growth_interval=interval)
    scales: list[float] = []
    for step in finite:
        weight.grad = torch.ones(1) * scaler.scale(torch.ones(1)) * (1.0 if step == "." else float("inf"))
        scaler.step(optimiser)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales


@pytest.mark.parametrize("steps", ["....", "x", "xx..x", "..x..", "...x....x....", "x......x"])
def test_the_scale_moves_as_torchs_does(steps: str) -> None:
    scale = DynamicScale(growth_interval=3)
    scales: list[float] = []
    for step in steps:
        if step == ".":
            scale.step_taken()
        else:
            assert scale.lower()
        scales.append(scale.scale)

    assert scales == scales_of_torch(steps, interval=3)
    assert scale.skipped == steps.count("x")


def test_thirty_halvings_lead_to_the_lowest_scale_and_no_further() -> None:
    scale = DynamicScale()

    assert [scale.lower() for _ in range(31)] == [True] * 30 + [False]
    assert scale.scale == LOWEST_SCALE
    assert scale.skipped == 30


def test_a_restored_scale_goes_on_where_it_was() -> None:
    unbroken, resumed = DynamicScale(growth_interval=5), DynamicScale(growth_interval=5)
    unbroken.lower()
    for _ in range(3):
        unbroken.step_taken()
    resumed.restore(unbroken.saved())
    for scale in (unbroken, resumed):
        for _ in range(2):
            scale.step_taken()

    assert resumed.saved() == unbroken.saved() == {"scale": 2.0**16, "good_steps": 0, "skipped": 1}


def test_without_scaling_there_is_nothing_to_lower_or_to_save() -> None:
    scale = FixedScale()
    scale.step_taken()

    assert not scale.lower()
    assert (scale.scale, scale.skipped, scale.saved()) == (1.0, 0, {})
