"""What there is to choose from: the kinds of each section, and what each task goes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from trainer.config.learning import (
    AdamWConfig,
    ClassificationConfig,
    ClassifierConfig,
    CosineConfig,
    PolynomialConfig,
    ResizedCropConfig,
    ScaledCropConfig,
    SegmentationConfig,
    SemanticFPNConfig,
    SGDConfig,
)
from trainer.config.section import Section
from trainer.config.source import CocoSource, DigitsSource, FoldersSource, MasksSource, VocSource


class Kinds(NamedTuple):
    """A section of several kinds: the key that names the kind, and the kinds. The first is taken where none is named."""

    key: str
    sections: Mapping[str, type[Section]]


SOURCES: dict[str, type[Section]] = {
    "digits": DigitsSource,
    "masks": MasksSource,
    "coco": CocoSource,
    "voc": VocSource,
    "folders": FoldersSource,
}

KINDS = {
    "source": Kinds("format", SOURCES),
    "data": Kinds("transform", {"scaled_crop": ScaledCropConfig, "resized_crop": ResizedCropConfig}),
    "model": Kinds("name", {"semantic_fpn": SemanticFPNConfig, "classifier": ClassifierConfig}),
    "task": Kinds("name", {"segmentation": SegmentationConfig, "classification": ClassificationConfig}),
    "optimiser": Kinds("name", {"adamw": AdamWConfig, "sgd": SGDConfig}),
    "schedule": Kinds("name", {"cosine": CosineConfig, "polynomial": PolynomialConfig}),
}


class TaskFacts(NamedTuple):
    """What a task goes with.

    Args:
        metrics: what its evaluation gives, the main one first; higher is better.
        target: what it learns of an image: see `SourceSection`.
        transforms: the views of the images that it can learn from.
        models: the networks that serve it.
    """

    metrics: tuple[str, ...]
    target: str
    transforms: tuple[str, ...]
    models: tuple[str, ...]


TASKS = {
    "segmentation": TaskFacts(("miou", "pixel_accuracy", "mean_accuracy"), "mask", ("scaled_crop",), ("semantic_fpn",)),
    "classification": TaskFacts(("top1", "top5", "macro_f1", "mean_accuracy"), "label", ("resized_crop",), ("classifier",)),
}
