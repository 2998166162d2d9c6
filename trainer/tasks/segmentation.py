"""A class for each pixel."""

# torch leaves Tensor.tolist untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.batch import Batch, Loss, Rows, Scores, Sums
from trainer.config import DataConfig, SegmentationConfig
from trainer.errors import ConfigError
from trainer.labels import IGNORE
from trainer.report.overlay import PANELS, class_palette, comparison, index_png, tinted
from trainer.report.words import Words
from trainer.reports import ClassScore
from trainer.tasks.base import Answer, Rendered, finite_scores

WORDS = Words(
    metrics={"miou": "Mean IoU", "pixel_accuracy": "Pixel accuracy", "mean_accuracy": "Mean accuracy"},
    class_metrics={"iou": "IoU", "accuracy": "Accuracy"},
    unit="pixels",
    average="For the average class, prediction and truth share {} of the area that they cover together.",
    panels=PANELS,
    examples="Truth and prediction are tinted by class; pixels that belong to no class stay as they are. "
    "Errors are the pixels where the two disagree.",
    example_score="Mean IoU",
)


@dataclass(frozen=True)
class Segmentation:
    """Cross-entropy over the pixels that belong to a class. Scored on whole images by one confusion matrix."""

    classes: int
    count_per_sample: float
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None  # [C]
    is_dense: bool = True
    words: Words = WORDS
    protocol: str = "whole images, one scale, no flip; classes absent from truth and prediction left out of the mean"

    @classmethod
    def build(cls, config: SegmentationConfig, data: DataConfig, classes: int) -> Segmentation:
        weights = config.class_weights
        if weights and len(weights) != classes:
            raise ConfigError(f"task.class_weights has {len(weights)} weights for the {classes} classes of the data; give one for each")
        return cls(classes, data.crop[0] * data.crop[1], config.label_smoothing, torch.tensor(weights) if weights else None)

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """The count is the sum of the weights of the pixels' classes: the mean is torch's weighted mean."""
        logits, targets = model(batch.images), batch.targets.long()  # [B, C, H, W], [B, H, W]
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        total = F.cross_entropy(logits, targets, weight=weights, ignore_index=IGNORE, reduction="sum", label_smoothing=self.label_smoothing)
        counted = targets[targets != IGNORE]
        return Loss(total, count=torch.tensor(len(counted), device=total.device) if weights is None else weights[counted].sum())

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        """Classes `[B, H, W]` uint8."""
        return model(images).argmax(dim=1).to(torch.uint8)

    def score(self, prediction: Tensor, batch: Batch) -> Rows:
        """`confusion`: `[B, C, C]` int64 pixels, truth by prediction."""
        return {"confusion": torch.stack([self._confusion(p, t) for p, t in zip(prediction, batch.targets, strict=True)])}

    def add_up(self, rows: Rows) -> Sums:
        return {"confusion": rows["confusion"].sum(dim=0)}

    def summarise(self, sums: Sums) -> Scores:
        iou, recall = _iou(sums["confusion"]), _recall(sums["confusion"])
        hits = sums["confusion"].diagonal().sum() / sums["confusion"].sum().clamp(min=1)
        return {"miou": _mean(iou), "pixel_accuracy": float(hits), "mean_accuracy": _mean(recall)}

    def main_score(self, rows: Rows) -> Tensor:
        """Mean IoU of each image."""
        return _iou(rows["confusion"]).nanmean(dim=-1)

    def per_class(self, sums: Sums, classes: tuple[str, ...]) -> tuple[ClassScore, ...]:
        iou, recall = _iou(sums["confusion"]).tolist(), _recall(sums["confusion"]).tolist()
        pixels = sums["confusion"].sum(dim=-1).tolist()
        return tuple(
            ClassScore(name=name, scores=finite_scores(iou=i, accuracy=r), support=p)
            for name, i, r, p in zip(classes, iou, recall, pixels, strict=True)
        )

    def confusion(self, sums: Sums) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(row) for row in sums["confusion"].tolist())

    def render(self, image: NDArray[np.uint8], truth: Tensor, prediction: Tensor, classes: tuple[str, ...]) -> Rendered:
        return Rendered(comparison(image, truth.numpy(), prediction.numpy(), class_palette(len(classes))), caption="")

    def answer(self, image: NDArray[np.uint8], prediction: Tensor, classes: tuple[str, ...]) -> Answer:
        """The mask, the image tinted by it, and the share of the pixels that each class has."""
        labels, palette = prediction.numpy(), class_palette(len(classes))
        shares = torch.bincount(prediction.flatten(), minlength=len(classes)).double() / prediction.numel()
        files = {"mask.png": index_png(labels, palette), "overlay.png": tinted(image, labels, palette)}
        return Answer(files, dict(zip(classes, shares.tolist(), strict=True)))

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
