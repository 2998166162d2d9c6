"""What a task is: a loss, a score, and what the score means."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.batch import Batch, Loss, Scores, Sums
from trainer.reports import ClassScore


class Task(Protocol):
    """One kind of learning. A task holds no weights and no state."""

    @property
    def count_per_sample(self) -> float:
        """What one sample adds to `Loss.count` at most; it only keeps gradients near their final size before they are rescaled."""
        ...

    @property
    def protocol(self) -> str:
        """How it is scored, in words that stand beside the metric."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """The batch's loss as a sum and a count."""
        ...

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        """What the model says of images `[B, 3, H, W]` uint8; for segmentation `[B, H, W]` uint8 classes."""
        ...

    def score(self, prediction: Tensor, batch: Batch) -> Sums:
        """Counts for each image, `[B, …]`: additive over images, batches and ranks."""
        ...

    def summarise(self, sums: Sums) -> Scores:
        """Metrics from counts that were added up over images."""
        ...

    def main_score(self, sums: Sums) -> Tensor:
        """One figure an image, `[B]`, from counts for each image: what ranks the examples of a report."""
        ...

    def per_class(self, sums: Sums, classes: tuple[str, ...]) -> tuple[ClassScore, ...]: ...

    def confusion(self, sums: Sums) -> tuple[tuple[int, ...], ...]:
        """Row: truth, column: prediction."""
        ...

    def render(self, image: NDArray[np.uint8], truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int) -> bytes:
        """A PNG that shows the prediction beside the truth."""
        ...
