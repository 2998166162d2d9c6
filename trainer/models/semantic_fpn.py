"""Semantic FPN: a feature pyramid whose levels are brought to stride 4 and added (Kirillov et al., arXiv:1901.02446)."""

# timm is untyped here
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from functools import reduce
from typing import cast

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.config import SemanticFPNConfig
from trainer.errors import ConfigError
from trainer.models.backbones import require_known
from trainer.models.norms import make_norm, without_batch_norm


class SemanticFPN(nn.Module):
    """Class scores for each pixel.

    Takes `[B, 3, H, W]` normalised images, gives `[B, classes, H, W]`; H and W may be anything.
    """

    def __init__(self, config: SemanticFPNConfig, classes: int) -> None:
        super().__init__()
        self.backbone, strides, widths = _backbone(config)
        self.stride = max(strides)
        self.lateral = nn.ModuleList(nn.Conv2d(width, config.channels, 1) for width in widths)
        self.branches = nn.ModuleList(_Branch(config, stride) for stride in strides)
        self.dropout = nn.Dropout2d(config.dropout)
        self.classifier = nn.Conv2d(config.channels, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % self.stride, 0, -height % self.stride))
        pyramid = self._top_down(self.backbone(padded))
        summed = reduce(
            torch.add, (branch(level) for branch, level in zip(self.branches, pyramid, strict=True))
        )  # one at a time: they are large
        logits = self.classifier(self.dropout(summed))
        enlarged = F.interpolate(logits, size=padded.shape[-2:], mode="bilinear", align_corners=False)
        return enlarged[..., :height, :width]

    def _top_down(self, features: list[Tensor]) -> list[Tensor]:
        """Each level with the coarser ones added to it, finest first."""
        levels = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for finer in reversed(range(len(levels) - 1)):
            levels[finer] = levels[finer] + F.interpolate(levels[finer + 1], size=levels[finer].shape[-2:], mode="nearest")
        return levels


class _Branch(nn.Sequential):
    """From a level of the pyramid to stride 4: convolution, norm, ReLU, doubling, until it is there."""

    def __init__(self, config: SemanticFPNConfig, stride: int) -> None:
        doublings = (stride // 4).bit_length() - 1
        layers: list[nn.Module] = []
        for _ in range(max(1, doublings)):
            layers += [
                nn.Conv2d(config.channels, config.channels, 3, padding=1, bias=False),
                make_norm(config.norm, config.channels),
                nn.ReLU(inplace=True),
            ]
            if doublings:
                layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
        super().__init__(*layers)


def _backbone(config: SemanticFPNConfig) -> tuple[nn.Module, list[int], list[int]]:
    """A timm model that gives its last four feature maps (strides 4 to 32, as a rule), with their strides and widths."""
    require_known(config.backbone)
    try:
        backbone = timm.create_model(config.backbone, pretrained=False, features_only=True, out_indices=(-4, -3, -2, -1))
    except (RuntimeError, NotImplementedError, AttributeError, AssertionError) as error:
        raise ConfigError(
            f"model.backbone={config.backbone!r} does not give four feature maps ({error}); take a hierarchical one, e.g. resnet18"
        ) from error
    if config.norm == "group":
        without_batch_norm(backbone)
    features = cast(FeatureInfo, backbone.feature_info)
    if any(stride % 4 or (stride // 4).bit_count() != 1 for stride in features.reduction()):
        raise ConfigError(
            f"model.backbone={config.backbone!r} has feature maps of strides {features.reduction()}; "
            "the pyramid takes 4, 8, 16 and so on: take another backbone, e.g. resnet18"
        )
    return backbone, features.reduction(), features.channels()
