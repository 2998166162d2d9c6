"""What a task is: a loss, a score, and what the score means."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.batch import Batch, Loss, Rows, Scores, Sums
from trainer.report.words import Words
from trainer.reports import ClassScore


def finite_scores(**scores: float) -> dict[str, float | None]:
    """Figures as documents hold them: None where one is NaN, because the class is absent."""
    return {name: None if math.isnan(value) else value for name, value in scores.items()}


class Rendered(NamedTuple):
    """A PNG for the report, and what is to be said of it (may be empty)."""

    picture: bytes
    caption: str


class Answer(NamedTuple):
    """What is kept of a prediction: files, by the extension that follows the image's name, and figures for a table."""

    files: dict[str, bytes]
    figures: dict[str, str | float]


class Task(Protocol):
    """One kind of learning. A task holds no weights and no state."""

    @property
    def count_per_sample(self) -> float:
        """What one sample adds to `Loss.count` at most; it only keeps gradients near their final size before they are rescaled."""
        ...

    @property
    def words(self) -> Words:
        """How a report speaks of it."""
        ...

    @property
    def protocol(self) -> str:
        """How it is scored, in words that stand beside the metric."""
        ...

    @property
    def is_dense(self) -> bool:
        """Whether a prediction has a value for each pixel, `[B, H, W]`, so that it may be made in pieces."""
        ...

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        """The batch's loss as a sum and a count."""
        ...

    def predict(self, model: nn.Module, images: Tensor) -> Tensor:
        """What the model says of images `[B, 3, H, W]` uint8, one row an image."""
        ...

    def score(self, prediction: Tensor, batch: Batch) -> Rows:
        """How each image was called, `[B, …]`."""
        ...

    def add_up(self, rows: Rows) -> Sums:
        """Counts over the images of a batch: additive over batches and ranks."""
        ...

    def summarise(self, sums: Sums) -> Scores:
        """Metrics from counts that were added up over all images."""
        ...

    def main_score(self, rows: Rows) -> Tensor:
        """One figure an image, `[B]`: what ranks the examples of a report."""
        ...

    def per_class(self, sums: Sums, classes: tuple[str, ...]) -> tuple[ClassScore, ...]: ...

    def confusion(self, sums: Sums) -> tuple[tuple[int, ...], ...]:
        """Row: truth, column: prediction."""
        ...

    def render(self, image: NDArray[np.uint8], truth: Tensor, prediction: Tensor, classes: tuple[str, ...]) -> Rendered:
        """An image `[3, H, W]` with its prediction beside the truth."""
        ...

    def answer(self, image: NDArray[np.uint8], prediction: Tensor, classes: tuple[str, ...]) -> Answer:
        """What `sightline predict` keeps of an image `[3, H, W]`; equal keys for every image."""
        ...
