from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.toys import Fixed
from trainer.batch import Batch
from trainer.config import ClassificationConfig, ResizedCropConfig
from trainer.tasks.classification import Classification

TASK = Classification(classes=3)
NAMES = ("cat", "dog", "owl")


def batch_of(*labels: int) -> Batch:
    return Batch(torch.zeros(len(labels), 3, 2, 2, dtype=torch.uint8), torch.tensor(labels), torch.arange(len(labels)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_a_sum_over_images(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 3)
    batch = batch_of(0, 2, 1, 1)

    loss = Classification.build(ClassificationConfig(label_smoothing=smoothing), ResizedCropConfig(), 3).loss(Fixed(logits), batch)

    assert float(loss.total / loss.count) == pytest.approx(float(F.cross_entropy(logits, batch.targets, label_smoothing=smoothing)))
    assert int(loss.count) == 4


def test_smoothing_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    likelihoods = logits.log_softmax(dim=1)[0]

    loss = Classification(3, label_smoothing=0.3).loss(Fixed(logits), batch_of(0))

    assert float(loss.total) == pytest.approx(float(-0.8 * likelihoods[0] - 0.1 * likelihoods[1] - 0.1 * likelihoods[2]))


def test_a_prediction_is_a_distribution() -> None:
    prediction = TASK.predict(Fixed(torch.tensor([[0.0, math.log(3), 0.0]])), torch.zeros(1, 3, 2, 2))

    assert prediction[0].tolist() == [pytest.approx(0.2), pytest.approx(0.6), pytest.approx(0.2)]


def test_scores_are_those_counted_by_hand() -> None:
    called = F.one_hot(torch.tensor([0, 1, 1, 1, 0]), 3).float()

    sums = TASK.add_up(TASK.score(called, batch_of(0, 0, 1, 1, 1)))

    assert sums["confusion"].tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    metrics = TASK.summarise(sums)
    assert metrics["top1"] == pytest.approx(3 / 5)
    assert metrics["mean_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)  # owl is absent
    assert metrics["macro_f1"] == pytest.approx((2 * 1 / (2 + 2) + 2 * 2 / (3 + 3)) / 2)


def test_top_five_asks_whether_the_truth_is_among_the_five_likeliest() -> None:
    task = Classification(classes=7)
    likelihoods = torch.arange(7.0).softmax(dim=0).repeat(7, 1)  # class 6 is the likeliest, class 0 the least

    sums = task.add_up(task.score(likelihoods, batch_of(*range(7))))

    assert task.summarise(sums)["top5"] == pytest.approx(5 / 7)
    assert task.summarise(sums)["top1"] == pytest.approx(1 / 7)


def test_of_fewer_than_five_classes_any_is_among_the_likeliest() -> None:
    assert TASK.summarise(TASK.add_up(TASK.score(torch.eye(3), batch_of(1, 2, 0))))["top5"] == 1.0


def test_counts_add_up_over_batches() -> None:
    torch.manual_seed(0)
    probabilities, batch = torch.rand(9, 3).softmax(dim=1), batch_of(*torch.randint(0, 3, (9,)).tolist())
    together = TASK.add_up(TASK.score(probabilities, batch))
    parts = [
        TASK.add_up(TASK.score(probabilities[part], Batch(batch.images[part], batch.targets[part], batch.ids[part])))
        for part in (slice(0, 4), slice(4, 9))
    ]

    assert all(torch.equal(together[name], parts[0][name] + parts[1][name]) for name in together)
    assert int(together["confusion"].sum()) == 9


def test_the_worst_mistake_gave_the_truth_the_least() -> None:
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]])

    assert TASK.main_score(TASK.score(probabilities, batch_of(0, 1, 2))).tolist() == pytest.approx([0.7, 0.1, 0.05])


def test_a_class_that_is_neither_there_nor_called_has_no_figures() -> None:
    scores = TASK.per_class({"confusion": torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])}, NAMES)

    assert [(score.name, score.support) for score in scores] == [("cat", 4), ("dog", 2), ("owl", 0)]
    assert scores[0].scores == {"f1": pytest.approx(6 / 7), "precision": 1.0, "recall": 0.75}
    assert scores[2].scores == {"f1": None, "precision": None, "recall": None}


def test_a_class_that_is_only_called_counts_as_zero() -> None:
    sums = {"confusion": torch.tensor([[3, 0, 1], [0, 4, 0], [0, 0, 0]]), "top5": torch.tensor(8)}

    assert TASK.summarise(sums)["macro_f1"] == pytest.approx((6 / 7 + 1 + 0) / 3)


def test_an_example_says_what_it_is_and_what_it_was_called() -> None:
    rendered = TASK.render(np.zeros((3, 8, 8), np.uint8), torch.tensor(1), torch.tensor([0.9, 0.1, 0.0]), NAMES)

    assert rendered.caption == "dog, called cat (90.0%)"
    assert rendered.picture.startswith(b"\x89PNG")


def test_a_thousand_classes_are_counted_without_a_matrix_an_image() -> None:
    task = Classification(classes=1000)
    rows = task.score(torch.rand(64, 1000), batch_of(*range(64)))

    assert sum(value.numel() for value in rows.values()) == 4 * 64
    assert int(task.add_up(rows)["confusion"].sum()) == 64
