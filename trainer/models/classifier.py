"""A timm backbone that names the class of an image."""

# timm is untyped here
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor, nn

from trainer.config import ClassifierConfig
from trainer.errors import ConfigError
from trainer.models.backbones import require_known
from trainer.models.norms import without_batch_norm


class Classifier(nn.Module):
    """Class scores for each image: takes `[B, 3, H, W]` normalised images, gives `[B, classes]`."""

    def __init__(self, config: ClassifierConfig, classes: int) -> None:
        super().__init__()
        require_known(config.backbone)
        try:
            self.backbone = timm.create_model(
                config.backbone, num_classes=classes, drop_rate=config.dropout, **_depth_settings(config.drop_path)
            )
        except (TypeError, RuntimeError, AssertionError) as error:
            raise ConfigError(f"model.backbone={config.backbone!r} cannot be built with these settings: {error}") from error
        if config.norm == "group":
            without_batch_norm(self.backbone)

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone(images)


def _depth_settings(drop_path: float) -> dict[str, Any]:
    """Only where it is asked for: not every backbone knows it."""
    return {"drop_path_rate": drop_path} if drop_path else {}
