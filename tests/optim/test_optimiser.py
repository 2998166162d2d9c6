from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer.config import AdamWConfig, OptimiserConfig, SGDConfig
from trainer.optim.optimiser import build_optimiser, parameter_groups


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4, 2))


def test_kernels_and_matrices_decay_and_nothing_else() -> None:
    decayed, spared = parameter_groups(network(), weight_decay=0.1)

    assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
    assert decayed["weight_decay"] == 0.1
    assert [parameter.ndim for parameter in spared["params"]] == [1, 1, 1, 1]
    assert spared["weight_decay"] == 0.0


def test_frozen_parameters_are_in_no_group() -> None:
    model = network()
    model[0].requires_grad_(requires_grad=False)

    assert sum(len(group["params"]) for group in parameter_groups(model, 0.1)) == 4


@pytest.mark.parametrize(
    ("config", "kind"), [(AdamWConfig(betas=(0.8, 0.9)), torch.optim.AdamW), (SGDConfig(momentum=0.5), torch.optim.SGD)]
)
def test_each_optimiser_can_be_built_and_takes_a_step(config: OptimiserConfig, kind: type[torch.optim.Optimizer]) -> None:
    model = network()
    optimiser = build_optimiser(model, config, fused=False)
    before = model[0].weight.detach().clone()

    model(torch.randn(2, 3, 3, 3)).sum().backward()
    optimiser.param_groups[0]["lr"] = 0.1
    optimiser.step()

    assert isinstance(optimiser, kind)
    assert not torch.equal(before, model[0].weight)
    assert optimiser.param_groups[0].get("momentum", 0.5) == 0.5
    assert optimiser.param_groups[0].get("betas", (0.8, 0.9)) == (0.8, 0.9)
