"""The optimiser over two parameter groups: with weight decay, and without."""

# torch's optimisers are only partly typed
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from torch import nn, optim

from trainer.config import OptimiserConfig, SGDConfig


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices and kernels, spare biases, norms and every other one-dimensional parameter (as in timm)."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_optimiser(model: nn.Module, config: OptimiserConfig, *, fused: bool) -> optim.Optimizer:
    """AdamW (arXiv:1711.05101) or SGD with Nesterov's momentum; its rate is set before each step. `fused` on GPUs."""
    groups = parameter_groups(model, config.weight_decay)
    if isinstance(config, SGDConfig):
        return optim.SGD(groups, lr=0.0, momentum=config.momentum, nesterov=config.momentum > 0, fused=fused)
    return optim.AdamW(groups, lr=0.0, betas=config.betas, eps=config.eps, fused=fused)
