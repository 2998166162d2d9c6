"""Documents of the stages, as small as a report can be made from, and the numbers in them easy to check by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.report.overlay import class_palette, comparison
from trainer.report.page import render_page
from trainer.reports import (
    ClassScore,
    DatasetManifest,
    EvaluationReport,
    Example,
    FileDigest,
    HistoryRecord,
    Shard,
    Skipped,
    Split,
    TrainReport,
)
from trainer.tasks.segmentation import WORDS

NAMES = ("background", "cat", "dog")
CONFUSION = ((80, 15, 5), (10, 30, 0), (0, 0, 0))  # cat: IoU 30/55; dog is absent from the truth
COMMAND = "sightline run segmentation --set schedule.total_steps=20"


def evaluation(names: Sequence[str] = NAMES, confusion: Sequence[Sequence[int]] = CONFUSION, **changes: Any) -> EvaluationReport:
    """An evaluation whose figures follow from its confusion matrix."""
    counts = np.array(confusion)
    truth, called, hits = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    scores = tuple(
        ClassScore(
            name=name,
            scores={
                "iou": float(hits[c] / (truth[c] + called[c] - hits[c])) if truth[c] else None,
                "accuracy": float(hits[c] / truth[c]) if truth[c] else None,
            },
            support=int(truth[c]),
        )
        for c, name in enumerate(names)
    )
    present = [iou for score in scores if (iou := score.scores["iou"]) is not None]
    metrics = {"pixel_accuracy": 110 / 140, "mean_accuracy": 0.775, "miou": sum(present) / len(present) if present else float("nan")}
    values: dict[str, Any] = {
        "task": "segmentation", "split": "val", "protocol": "whole images", "metrics": metrics, "classes": scores,
        "confusion": tuple(tuple(int(n) for n in row) for row in counts), "images": 1400, "images_per_second": 212.4, "seconds": 1.9,
        "checkpoint": "out/training/t/checkpoints/1", "model_digest": "sha256:model", "train_report_digest": "sha256:trainreport",
        "data_digest": "sha256:data", "train_digest": "sha256:train", "config_digest": "sha256:config", "code_version": "sha256:code",
        "examples": (Example(sample="val-7", score=0.5, picture="7.png", rank="worst"),), "page": "report.html",
    }  # fmt: skip
    return EvaluationReport(**{**values, **changes})


def training(**changes: Any) -> TrainReport:
    values: dict[str, Any] = {
        "completed": True, "checkpoint": "out/training/t/checkpoints/1", "samples_seen": 640, "steps": 20, "scores": {}, "generation": 1,
        "model_digest": "sha256:model", "dataset": "out/datasets/d", "data_digest": "sha256:data", "train_digest": "sha256:train",
        "config_digest": "sha256:config", "code_version": "sha256:code", "git_commit": "0123abcd", "world_size": 2, "precision": "float32",
        "parameters": 12_900_000, "images_per_second": 148.7, "seconds": 131.0, "attempts": 3, "command": COMMAND,
        "sections": {"model": {"name": "semantic_fpn", "backbone": "resnet18"}, "data": {"crop": [64, 64]}},
    }  # fmt: skip
    return TrainReport(**{**values, **changes})


def history(steps: int = 20) -> list[HistoryRecord]:
    """Loss 1/step at each step, scores at every tenth."""
    points = [
        HistoryRecord(step=step, samples_seen=32 * step, loss=1 / step, learning_rate=1e-3, gradient_norm=1.0)
        for step in range(1, steps + 1)
    ]
    scores = [HistoryRecord(step=step, samples_seen=32 * step, scores={"miou": step / steps}) for step in range(10, steps + 1, 10)]
    return points + scores


def manifest(names: Sequence[str] = NAMES, skipped: int = 0) -> DatasetManifest:
    file = FileDigest(name="x", size=1, digest="xxh3:0")
    shards = (Shard(name="s", samples=10, tar=file, index=file),)
    pixels = tuple(100 if c == 0 else 50 for c in range(len(names)))
    return DatasetManifest(
        unit="pixels",
        classes=tuple(names),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        splits=tuple(
            Split(
                name=name, samples=2000, shards=shards, target="mask", class_counts=pixels, ignored=0, smallest=(48, 64), largest=(64, 96)
            )
            for name in ("train", "val")
        ),
        skipped=tuple(Skipped(file=f"images/{i}.png", reason="truncated") for i in range(skipped)),
    )


def picture(classes: int = len(NAMES)) -> bytes:
    labels = np.zeros((8, 8), dtype=np.uint8)
    return comparison(np.zeros((3, 8, 8), dtype=np.uint8), labels, labels, class_palette(classes))


def page(names: Sequence[str] = NAMES, confusion: Sequence[Sequence[int]] = CONFUSION, **changes: Any) -> str:
    """A whole page of the documents above."""
    return render_page(
        evaluation(names, confusion, **changes), training(), history(), manifest(names), {"7.png": picture(len(names))}, WORDS
    )
