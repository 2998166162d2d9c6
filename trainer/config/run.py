"""The whole run, and its sections that every task shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from trainer.canonical import digest_of
from trainer.config.learning import (
    AdamWConfig,
    CosineConfig,
    DataConfig,
    ModelConfig,
    OptimiserConfig,
    ScaledCropConfig,
    ScheduleConfig,
    SegmentationConfig,
    SemanticFPNConfig,
    TaskConfig,
)
from trainer.config.section import Name, Section
from trainer.config.source import DigitsSource, Source

SHARD_FORMAT = 2
TRAIN_SECTIONS = ("data", "model", "task", "optimiser", "schedule", "training")
STAGE_SECTIONS = {
    "prepare": ("source",),
    "train": (*TRAIN_SECTIONS, "loader", "checkpoint", "telemetry"),
    "evaluate": ("evaluation",),
    "register": ("registration",),
}


class TrainingConfig(Section):
    """The global batch is shared by however many ranks there are."""

    global_batch: PositiveInt = 32
    """Samples of one optimiser step, over all ranks."""
    precision: Literal["auto", "float32", "float64", "bf16", "fp16"] = "auto"
    """`auto` is bf16 where the device computes in it, else float32; `fp16` scales the loss."""
    channels_last: bool = False
    """Memory order of images and kernels; faster convolutions on GPUs and on recent CPUs."""
    compile: bool = False
    """Torch.compile: the first steps take longer, the rest less."""
    seed: NonNegativeInt = 0
    """Of weights, order and augmentation."""
    evaluate_every_steps: NonNegativeInt = 0
    """0: only at the end."""
    select: Literal["best", "last"] = "best"
    """Which checkpoint is handed on."""
    select_by: str = "miou"
    """A metric of the task; the main one of another task where none is named."""


class EvaluationConfig(Section):
    """How the selected checkpoint is scored and shown."""

    split: Name = "val"
    """Name of the split that is scored."""
    examples: Annotated[int, Field(ge=0, le=64)] = 8
    """Pictures in the report."""


class RegistrationConfig(Section):
    """Where the model is registered, and the gate before its alias moves."""

    name: Name = "model"
    """Of the model."""
    alias: Name = "champion"
    """Which the gate guards."""
    metric: str = "miou"
    """Of the task, higher is better; the main one of another task where none is named."""
    minimum: float = 0.0
    """Of the metric, for the alias to move."""
    max_drop: NonNegativeFloat = 0.01
    """Below the present holder of the alias."""


class LoaderConfig(Section):
    """How batches are brought to the device. Cannot change the result (with batch norm, micro_batch can)."""

    workers: NonNegativeInt = 1
    """Processes that decode, for each rank; 0 decodes in the rank itself."""
    micro_batch: PositiveInt = 32
    """Most samples in one forward pass of a rank; a larger share is accumulated."""


class CheckpointConfig(Section):
    """When the run is saved. The end of the run and each evaluation are always saved."""

    every_steps: PositiveInt = 200
    """Optimiser steps; each evaluation and the end are saved besides."""
    keep_last: Annotated[int, Field(ge=2)] = 3
    """Besides the best one."""


class TelemetryConfig(Section):
    """What is told while it trains."""

    every_steps: PositiveInt = 10
    """Optimiser steps between points of the curves."""


class RunConfig(Section):
    """A whole run. Its recipe is one YAML file with these sections."""

    source: Source = Field(default_factory=DigitsSource)
    data: DataConfig = Field(default_factory=ScaledCropConfig)
    model: ModelConfig = Field(default_factory=SemanticFPNConfig)
    task: TaskConfig = Field(default_factory=SegmentationConfig)
    optimiser: OptimiserConfig = Field(default_factory=AdamWConfig)
    schedule: ScheduleConfig = Field(default_factory=CosineConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    registration: RegistrationConfig = Field(default_factory=RegistrationConfig)
    loader: LoaderConfig = Field(default_factory=LoaderConfig)
    checkpoint: CheckpointConfig = Field(default_factory=CheckpointConfig)
    telemetry: TelemetryConfig = Field(default_factory=TelemetryConfig)

    @property
    def config_digest(self) -> str:
        """Names the whole resolved config; stands in reports."""
        return digest_of(self.model_dump(mode="json"))

    def dataset_digest(self, source_digest: str) -> str:
        """Names the prepared shards before they exist; its first digits are their folder."""
        source = self.source.model_dump(mode="json", exclude={"uri"})
        return digest_of({"source_digest": source_digest, "source": source, "shard_format": SHARD_FORMAT})

    def train_digest(self, data_digest: str) -> str:
        """Names the training: a new run with the same content continues the old one."""
        return digest_of({"data_digest": data_digest, **self.sections(*TRAIN_SECTIONS)})

    def sections(self, *names: str) -> dict[str, Any]:
        """The named sections as plain values, in the form that `parse_config` reads."""
        return self.model_dump(mode="json", include=set(names))
