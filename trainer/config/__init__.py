"""What a run is: frozen, strict sections, read from one YAML file and `--set section.key=value`.

Everything that can change the result is in a section that enters a digest; `loader`, `checkpoint` and
`telemetry` cannot, and stand outside. Lengths are counted in optimiser steps or samples, as each name says.
"""

from trainer.config.learning import (
    AdamWConfig,
    ClassificationConfig,
    ClassifierConfig,
    CosineConfig,
    DataConfig,
    ModelConfig,
    NetworkSection,
    OptimiserConfig,
    PolynomialConfig,
    ResizedCropConfig,
    ScaledCropConfig,
    ScheduleConfig,
    SegmentationConfig,
    SemanticFPNConfig,
    SGDConfig,
    TaskConfig,
)
from trainer.config.run import (
    SHARD_FORMAT,
    STAGE_SECTIONS,
    TRAIN_SECTIONS,
    CheckpointConfig,
    EvaluationConfig,
    LoaderConfig,
    RegistrationConfig,
    RunConfig,
    TelemetryConfig,
    TrainingConfig,
)
from trainer.config.section import Section
from trainer.config.source import CocoSource, DigitsSource, FilesSource, FoldersSource, MasksSource, Source, VocSource
from trainer.config.tables import KINDS, SOURCES, TASKS, TaskFacts

__all__ = [
    "KINDS",
    "SHARD_FORMAT",
    "SOURCES",
    "STAGE_SECTIONS",
    "TASKS",
    "TRAIN_SECTIONS",
    "AdamWConfig",
    "CheckpointConfig",
    "ClassificationConfig",
    "ClassifierConfig",
    "CocoSource",
    "CosineConfig",
    "DataConfig",
    "DigitsSource",
    "EvaluationConfig",
    "FilesSource",
    "FoldersSource",
    "LoaderConfig",
    "MasksSource",
    "ModelConfig",
    "NetworkSection",
    "OptimiserConfig",
    "PolynomialConfig",
    "RegistrationConfig",
    "ResizedCropConfig",
    "RunConfig",
    "SGDConfig",
    "ScaledCropConfig",
    "ScheduleConfig",
    "Section",
    "SegmentationConfig",
    "SemanticFPNConfig",
    "Source",
    "TaskConfig",
    "TaskFacts",
    "TelemetryConfig",
    "TrainingConfig",
    "VocSource",
]
