"""Architectures, one a file, and how a model is built from its ModelSpec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import ModelConfig, RunConfig
from trainer.errors import ConfigError
from trainer.models.classifier import Classifier
from trainer.models.semantic_fpn import SemanticFPN
from trainer.reports import ModelSpec

MODELS: dict[str, Callable[[Any, int], nn.Module]] = {"semantic_fpn": SemanticFPN, "classifier": Classifier}


class ImageModel(nn.Module):
    """A network on raw images: takes `[B, 3, H, W]` uint8, normalises on its own device, and answers in its parameters' precision."""

    mean: Tensor
    std: Tensor
    memory_format = torch.contiguous_format

    def __init__(self, network: nn.Module, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).clamp(min=1.0).view(3, 1, 1))  # a channel that never changes has none

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(memory_format=self.memory_format)
        return self.network((images - self.mean) / self.std).to(self.mean.dtype)  # losses and scores are sums: too long for 16 bits

    def use_channels_last(self) -> None:
        """Keep kernels, images and what lies between in channels_last memory order. What is saved stays the same."""
        self.memory_format = torch.channels_last
        self.to(memory_format=torch.channels_last)


def build_model(spec: ModelSpec) -> ImageModel:
    """The model that a ModelSpec describes, with fresh weights from torch's global generator: `model.weights` is not read here."""
    config = RunConfig.of({"model": spec.model}).model
    network = MODELS[config.name](config, len(spec.classes))
    _try_out(network, config)
    return ImageModel(network, spec.mean, spec.std)


def _try_out(network: nn.Module, config: ModelConfig) -> None:
    """One small image there and back, so that a backbone that cannot serve is told before anything starts."""
    trained = network.training
    try:
        network.eval()(torch.zeros(1, 3, 64, 64)).sum().backward()
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"model.backbone={config.backbone!r} does not work in {config.name}: {error}; take a hierarchical one, e.g. resnet18"
        ) from error
    if idle := [name for name, parameter in network.named_parameters() if parameter.grad is None]:
        raise ConfigError(
            f"model.backbone={config.backbone!r} has parameters that {config.name} does not train: {', '.join(idle[:3])} "
            f"({len(idle)} in all); take another one, e.g. resnet18"
        )
    network.zero_grad(set_to_none=True)
    network.train(trained)
