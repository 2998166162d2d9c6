"""Architectures, one a file, and how a model is built from its ModelSpec."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.config import ModelConfig
from trainer.models.semantic_fpn import SemanticFPN
from trainer.reports import ModelSpec

MODELS = {"semantic_fpn": SemanticFPN}


class ImageModel(nn.Module):
    """A network on raw images: takes `[B, 3, H, W]` uint8, normalises on its own device and in its own precision."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: tuple[float, float, float], std: tuple[float, float, float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).clamp(min=1.0).view(3, 1, 1))  # a channel that never changes has none

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.mean) / self.std)


def build_model(spec: ModelSpec) -> ImageModel:
    """The model that a ModelSpec describes, with fresh weights from torch's global generator."""
    config = ModelConfig.of(spec.model)
    return ImageModel(MODELS[config.name](config, len(spec.classes)), spec.mean, spec.std)
