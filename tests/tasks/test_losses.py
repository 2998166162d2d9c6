"""The losses against torch's own means, and against what half precision would make of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.toys import Fixed
from trainer.batch import Batch
from trainer.config import ScaledCropConfig, SegmentationConfig
from trainer.labels import IGNORE
from trainer.tasks.segmentation import Segmentation

WEIGHTS = (0.2, 1.0, 3.5)


def task_of(weights: tuple[float, ...] = (), smoothing: float = 0.0) -> Segmentation:
    return Segmentation.build(SegmentationConfig(class_weights=weights, label_smoothing=smoothing), ScaledCropConfig(crop=(6, 7)), 3)


def masks_of(values: Tensor) -> Batch:
    return Batch(torch.zeros(len(values), 3, *values.shape[1:], dtype=torch.uint8), values.to(torch.uint8), torch.arange(len(values)))


@pytest.fixture
def scores() -> tuple[Tensor, Tensor]:
    """Logits `[2, 3, 6, 7]` and targets of which some pixels are ignored."""
    torch.manual_seed(0)
    targets = torch.randint(0, 3, (2, 6, 7))
    targets[0, :2] = IGNORE
    return torch.randn(2, 3, 6, 7), targets


@pytest.mark.parametrize("weights", [(), WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_total_over_count_is_torchs_mean(
    scores: tuple[Tensor, Tensor], weights: tuple[float, ...], smoothing: float, dtype: torch.dtype
) -> None:
    logits, targets = scores[0].to(dtype), scores[1]

    loss = task_of(weights, smoothing).loss(Fixed(logits), masks_of(targets))

    weight = torch.tensor(weights, dtype=dtype) if weights else None
    mean = F.cross_entropy(logits, targets, weight=weight, ignore_index=IGNORE, label_smoothing=smoothing)
    assert float(loss.total / loss.count) == pytest.approx(float(mean), rel=1e-6)


def test_the_count_is_the_sum_of_the_weights_of_the_pixels_that_count(scores: tuple[Tensor, Tensor]) -> None:
    targets = torch.tensor([[[0, 0, 1], [2, IGNORE, IGNORE]]])

    loss = task_of(WEIGHTS).loss(Fixed(scores[0][:1, :, :2, :3]), masks_of(targets))

    assert float(loss.count) == pytest.approx(0.2 + 0.2 + 1.0 + 3.5)


def test_equal_weights_change_nothing_but_the_count(scores: tuple[Tensor, Tensor]) -> None:
    logits, targets = scores
    alike, doubled = (task_of(weights).loss(Fixed(logits), masks_of(targets)) for weights in ((), (2.0, 2.0, 2.0)))

    assert float(doubled.total / doubled.count) == pytest.approx(float(alike.total / alike.count), rel=1e-6)
    assert float(doubled.count) == 2 * float(alike.count)
