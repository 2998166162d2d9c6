"""A class for each pixel."""

# torch leaves Tensor.tolist untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.batch import Batch, Loss, Scores, Sums
from trainer.config import DataConfig
from trainer.labels import IGNORE
from trainer.report.overlay import class_palette, comparison
from trainer.reports import ClassScore


@dataclass(frozen=True)
class Segmentation:
    """Cross-entropy over the pixels that belong to a class. Scored on whole images by one confusion matrix."""

    classes: int
    count_per_sample: float
    protocol: str = "whole images, one scale, no flip; classes absent from truth and prediction left out of the mean"

    @classmethod
    def build(cls, data: DataConfig, classes: int) -> Segmentation:
        return cls(classes, count_per_sample=data.crop[0] * data.crop[1])

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        logits = model(batch.images)  # [B, C, H, W]
        total = F.cross_entropy(logits, batch.targets.long(), ignore_index=IGNORE, reduction="sum")
        return Loss(total, count=(batch.targets != IGNORE).sum())

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        return model(images).argmax(dim=1).to(torch.uint8)

    def score(self, prediction: Tensor, batch: Batch) -> Sums:
        """`confusion`: `[B, C, C]` int64 pixels, truth by prediction."""
        return {"confusion": torch.stack([self._confusion(p, t) for p, t in zip(prediction, batch.targets, strict=True)])}

    def summarise(self, sums: Sums) -> Scores:
        iou, recall = _iou(sums["confusion"]), _recall(sums["confusion"])
        hits = sums["confusion"].diagonal().sum() / sums["confusion"].sum().clamp(min=1)
        return {"miou": _mean(iou), "pixel_accuracy": float(hits), "mean_accuracy": _mean(recall)}

    def main_score(self, sums: Sums) -> Tensor:
        """Mean IoU of each image."""
        return _iou(sums["confusion"]).nanmean(dim=-1)

    def per_class(self, sums: Sums, classes: tuple[str, ...]) -> tuple[ClassScore, ...]:
        iou, recall = _iou(sums["confusion"]).tolist(), _recall(sums["confusion"]).tolist()
        pixels = sums["confusion"].sum(dim=-1).tolist()
        return tuple(
            ClassScore(name=name, iou=_or_none(i), accuracy=_or_none(r), pixels=p)
            for name, i, r, p in zip(classes, iou, recall, pixels, strict=True)
        )

    def confusion(self, sums: Sums) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(row) for row in sums["confusion"].tolist())

    def render(self, image: NDArray[np.uint8], truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int) -> bytes:
        return comparison(image, truth, prediction, class_palette(classes))

    def _confusion(self, prediction: Tensor, truth: Tensor) -> Tensor:
        counted = truth != IGNORE
        pairs = truth[counted].long() * self.classes + prediction[counted].long()
        return torch.bincount(pairs, minlength=self.classes**2).view(self.classes, self.classes)


def _iou(confusion: Tensor) -> Tensor:
    """Intersection over union, `[…, C]` from `[…, C, C]`; NaN where a class is in neither truth nor prediction."""
    hits = confusion.diagonal(dim1=-2, dim2=-1).double()
    return hits / (confusion.sum(-1) + confusion.sum(-2) - hits)


def _recall(confusion: Tensor) -> Tensor:
    return confusion.diagonal(dim1=-2, dim2=-1).double() / confusion.sum(-1)


def _mean(values: Tensor) -> float:
    return float(values.nanmean())


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
