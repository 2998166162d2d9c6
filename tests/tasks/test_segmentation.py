from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.toys import Fixed
from trainer.batch import Batch
from trainer.config import ScaledCropConfig, SegmentationConfig
from trainer.errors import ConfigError
from trainer.labels import IGNORE
from trainer.tasks.segmentation import Segmentation

TASK = Segmentation(classes=3, count_per_sample=16.0)


def batch_of(targets: list[list[int]]) -> Batch:
    grid = torch.tensor(targets, dtype=torch.uint8)[None]
    return Batch(torch.zeros(1, 3, *grid.shape[1:], dtype=torch.uint8), grid, torch.tensor([0]))


def test_the_loss_is_a_sum_over_the_pixels_that_count() -> None:
    batch = batch_of([[0, 1], [2, IGNORE]])
    logits = torch.randn(1, 3, 2, 2)

    loss = TASK.loss(Fixed(logits), batch)

    by_hand = sum(
        F.cross_entropy(logits[0, :, row, column], torch.tensor(label)) for row, column, label in [(0, 0, 0), (0, 1, 1), (1, 0, 2)]
    )
    assert float(loss.total) == pytest.approx(float(by_hand), rel=1e-5)
    assert int(loss.count) == 3


def test_scores_are_those_of_a_confusion_matrix_by_hand() -> None:
    batch = batch_of([[0, 0, 1], [1, 1, IGNORE]])
    prediction = torch.tensor([[[0, 1, 1], [1, 0, 2]]], dtype=torch.uint8)

    sums = TASK.add_up(TASK.score(prediction, batch))

    assert sums["confusion"].tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    metrics = TASK.summarise(sums)
    assert metrics["miou"] == pytest.approx((1 / 3 + 2 / 4) / 2)  # class 2 is absent: the ignored pixel does not bring it in
    assert metrics["pixel_accuracy"] == pytest.approx(3 / 5)
    assert metrics["mean_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_class_that_is_only_predicted_counts_as_zero() -> None:
    sums = {"confusion": torch.tensor([[3, 0, 1], [0, 0, 0], [0, 0, 0]])}

    assert TASK.summarise(sums)["miou"] == pytest.approx((3 / 4 + 0.0) / 2)


def test_an_absent_class_has_no_score() -> None:
    sums = {"confusion": torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])}

    scores = TASK.per_class(sums, ("a", "b", "c"))

    assert [(score.name, score.support) for score in scores] == [("a", 4), ("b", 2), ("c", 0)]
    assert scores[0].scores["iou"] == pytest.approx(3 / 4)
    assert scores[1].scores["accuracy"] == pytest.approx(1.0)
    assert scores[2].scores == {"iou": None, "accuracy": None}


def test_counts_add_up_over_images() -> None:
    torch.manual_seed(0)
    targets, predictions = torch.randint(0, 3, (5, 8, 8), dtype=torch.uint8), torch.randint(0, 3, (5, 8, 8), dtype=torch.uint8)
    batch = Batch(torch.zeros(5, 3, 8, 8, dtype=torch.uint8), targets, torch.arange(5))
    together = TASK.score(predictions, batch)["confusion"].sum(0)
    halves = [
        TASK.score(predictions[part], Batch(batch.images[part], targets[part], batch.ids[part]))["confusion"].sum(0)
        for part in (slice(0, 2), slice(2, 5))
    ]

    assert torch.equal(together, sum(halves))
    assert int(together.sum()) == 5 * 64


def test_each_image_has_its_own_figure() -> None:
    batch = Batch(
        torch.zeros(2, 3, 1, 2, dtype=torch.uint8), torch.tensor([[[0, 1]], [[IGNORE, IGNORE]]], dtype=torch.uint8), torch.arange(2)
    )

    figures = TASK.main_score(TASK.score(torch.tensor([[[0, 1]], [[0, 1]]], dtype=torch.uint8), batch)).tolist()

    assert figures[0] == 1.0
    assert math.isnan(figures[1])


def test_prediction_is_the_likeliest_class() -> None:
    logits = torch.tensor([[[[0.0, 2.0]], [[1.0, 0.0]], [[0.5, 0.0]]]])

    assert TASK.predict(Fixed(logits), torch.zeros(1, 3, 1, 2)).tolist() == [[[1, 0]]]


def test_the_nominal_count_is_the_crop() -> None:
    assert Segmentation.build(SegmentationConfig(), ScaledCropConfig(crop=(32, 48)), classes=3).count_per_sample == 32 * 48


def test_the_picture_is_a_png() -> None:
    zeros = torch.zeros(8, 8, dtype=torch.uint8)
    rendered = TASK.render(np.zeros((3, 8, 8), np.uint8), zeros, zeros + 1, ("a", "b", "c"))

    assert rendered.picture.startswith(b"\x89PNG")
    assert rendered.caption == ""


def test_the_weighted_mean_is_torchs() -> None:
    torch.manual_seed(0)
    logits, batch = torch.randn(1, 3, 2, 2), batch_of([[0, 1], [2, IGNORE]])
    weights = (0.5, 2.0, 3.0)

    loss = Segmentation.build(SegmentationConfig(class_weights=weights, label_smoothing=0.2), ScaledCropConfig(), 3).loss(
        Fixed(logits), batch
    )

    wanted = F.cross_entropy(logits, batch.targets.long(), torch.tensor(weights), ignore_index=IGNORE, label_smoothing=0.2)
    assert float(loss.total / loss.count) == pytest.approx(float(wanted), rel=1e-6)
    assert float(loss.count) == pytest.approx(5.5)


def test_as_many_weights_as_classes_are_needed() -> None:
    with pytest.raises(ConfigError, match=r"task.class_weights has 2 weights for the 3 classes of the data; give one for each"):
        Segmentation.build(SegmentationConfig(class_weights=(1.0, 2.0)), ScaledCropConfig(), 3)
