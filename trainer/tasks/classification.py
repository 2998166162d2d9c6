"""One class an image."""

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
from trainer.config import ClassificationConfig, DataConfig
from trainer.report.overlay import captioned, plain_picture
from trainer.report.words import Words
from trainer.reports import ClassScore
from trainer.tasks.base import Answer, Rendered, finite_scores

WORDS = Words(
    metrics={"top1": "Top-1 accuracy", "top5": "Top-5 accuracy", "macro_f1": "Macro F1", "mean_accuracy": "Mean accuracy"},
    class_metrics={"f1": "F1", "precision": "Precision", "recall": "Recall"},
    unit="images",
    average="Averaged over the classes, the harmonic mean of precision and recall is {}.",
    panels=("Image",),
    examples="Each image with its class, what it was called, and the probability that the model gave to its true class.",
    example_score="True class",
)


@dataclass(frozen=True)
class Classification:
    """Cross-entropy over images. Targets are class indices `[B]` int64."""

    classes: int
    label_smoothing: float = 0.0
    count_per_sample: float = 1.0
    is_dense: bool = False
    words: Words = WORDS
    protocol: str = "one view of each image, the centre crop; classes absent from truth and prediction left out of means"

    @classmethod
    def build(cls, config: ClassificationConfig, _: DataConfig, classes: int) -> Classification:
        return cls(classes, config.label_smoothing)

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        total = F.cross_entropy(model(batch.images), batch.targets, reduction="sum", label_smoothing=self.label_smoothing)
        return Loss(total, count=torch.tensor(len(batch), device=total.device))

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        """Probabilities `[B, C]`."""
        return model(images).float().softmax(dim=1)

    def score(self, prediction: Tensor, batch: Batch) -> Rows:
        """`truth` and `called`: classes; `top5`: whether the truth is among the five likeliest; `probability`: of the truth. All `[B]`."""
        likeliest = prediction.topk(min(5, self.classes), dim=1).indices
        return {
            "truth": batch.targets,
            "called": likeliest[:, 0],
            "top5": (likeliest == batch.targets[:, None]).any(dim=1),
            "probability": prediction.gather(1, batch.targets[:, None])[:, 0],
        }

    def add_up(self, rows: Rows) -> Sums:
        """`confusion`: `[C, C]` int64 images, truth by prediction; `top5`: images."""
        pairs = rows["truth"] * self.classes + rows["called"]
        confusion = torch.bincount(pairs, minlength=self.classes**2).view(self.classes, self.classes)
        return {"confusion": confusion, "top5": rows["top5"].sum()}

    def summarise(self, sums: Sums) -> Scores:
        confusion = sums["confusion"].double()
        images = confusion.sum().clamp(min=1)
        _, recall, f1 = _by_class(confusion)
        return {
            "top1": float(confusion.diagonal().sum() / images),
            "top5": float(sums["top5"] / images),
            "macro_f1": float(f1.nanmean()),
            "mean_accuracy": float(recall.nanmean()),
        }

    def main_score(self, rows: Rows) -> Tensor:
        """The probability given to the true class: the lowest are the worst mistakes."""
        return rows["probability"].double()

    def per_class(self, sums: Sums, classes: tuple[str, ...]) -> tuple[ClassScore, ...]:
        precision, recall, f1 = (values.tolist() for values in _by_class(sums["confusion"].double()))
        support = sums["confusion"].sum(dim=1).tolist()
        return tuple(
            ClassScore(name=name, scores=finite_scores(f1=f, precision=p, recall=r), support=s)
            for name, f, p, r, s in zip(classes, f1, precision, recall, support, strict=True)
        )

    def confusion(self, sums: Sums) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(row) for row in sums["confusion"].tolist())

    def render(self, image: NDArray[np.uint8], truth: Tensor, prediction: Tensor, classes: tuple[str, ...]) -> Rendered:
        called = int(prediction.argmax())
        said = f"{classes[int(truth)]}, called {classes[called]} ({float(prediction[called]):.1%})"
        return Rendered(plain_picture(image), caption=said)

    def answer(self, image: NDArray[np.uint8], prediction: Tensor, classes: tuple[str, ...]) -> Answer:
        """The likeliest classes, at most five, with their probabilities; the image with the first of them below it."""
        likeliest = prediction.topk(min(5, len(classes)))
        figures: dict[str, str | float] = {}
        for place, (probability, index) in enumerate(zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True), start=1):
            figures |= {f"label_{place}": classes[index], f"probability_{place}": probability}
        caption = f"{figures['label_1']} ({figures['probability_1']:.1%})"
        return Answer({"overlay.png": captioned(image, caption)}, figures)


def _by_class(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Precision, recall and F1, `[C]` each; NaN where a class is in neither truth nor prediction, or has none of the kind."""
    hits, called, true = confusion.diagonal(), confusion.sum(dim=0), confusion.sum(dim=1)
    return hits / called, hits / true, 2 * hits / (called + true)
