"""What a run is: frozen, strict sections, read from one YAML file and `--set section.key=value`.

Everything that can change the result is in a section that enters a digest; `loader`, `checkpoint` and
`telemetry` cannot, and stand outside. Lengths are counted in optimiser steps or samples, as each name says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from trainer.canonical import canonical_json, digest_of

Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
LabelValue = Annotated[int, Field(ge=0, le=255)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=63)]


class Section(BaseModel):
    """Base of every section: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The section from plain values, as they stand in documents; JSON's lists are tuples again."""
        return cls.model_validate_json(canonical_json(values))


class DigitsSource(Section):
    """Scenes composed of scikit-learn's handwritten digits on its two photographs. Built in: takes no data."""

    format: Literal["digits"] = "digits"
    uri: Literal[""] = ""
    policy: Literal["raise", "skip"] = "raise"
    samples_per_shard: PositiveInt = 1000
    train_scenes: PositiveInt = 2000
    val_scenes: PositiveInt = 400
    size: Annotated[int, Field(ge=16, le=400)] = 64  # pixels, height and width; the photographs are 427 × 640
    digits_per_scene: tuple[PositiveInt, PositiveInt] = (2, 5)  # fewest, most
    digit_size: tuple[PositiveInt, PositiveInt] = (14, 32)  # pixels, smallest and largest height
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _ranges_must_fit(self) -> Self:
        for name in ("digits_per_scene", "digit_size"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}=[{low}, {high}] is the wrong way round; write the smaller value first")
        if self.digit_size[1] > self.size:
            raise ValueError(
                f"digit_size reaches {self.digit_size[1]} pixels, which is more than size={self.size}; lower digit_size or raise size"
            )
        return self


class MasksSource(Section):
    """Folders `images/` and `masks/` (8-bit PNG whose values are class indices), paired by file stem.

    Splits are sub-folders (`images/train/…`, `masks/train/…`) or list files with one stem a line (`train.txt`).
    """

    format: Literal["masks"] = "masks"
    uri: str = ""
    policy: Literal["raise", "skip"] = "raise"
    samples_per_shard: PositiveInt = 1000
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=255)]
    ignore: tuple[LabelValue, ...] = (255,)  # values in the masks that belong to no class
    splits: tuple[str, ...] = ("train", "val")

    @model_validator(mode="after")
    def _labels_must_be_distinct(self) -> Self:
        if clash := [value for value in self.ignore if value < len(self.classes)]:
            raise ValueError(
                f"ignore={list(self.ignore)} names {clash}, which are indices of the {len(self.classes)} classes; take them out"
            )
        for name, values in (("classes", self.classes), ("splits", self.splits)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name}={list(values)} names one twice; give each its own name")
        return self


Source = Annotated[DigitsSource | MasksSource, Field(discriminator="format")]
SOURCES: dict[str, type[DigitsSource | MasksSource]] = {"digits": DigitsSource, "masks": MasksSource}


class DataConfig(Section):
    """Augmentation of the training split. Scores are taken on whole images."""

    train_split: Name = "train"
    val_split: Name = "val"
    crop: tuple[PositiveInt, PositiveInt] = (64, 64)  # height, width in pixels
    scale: tuple[PositiveFloat, PositiveFloat] = (0.75, 1.5)  # smallest, largest resize before the crop
    flip: Fraction = 0.5  # probability of a left–right mirror
    photometric: Fraction = 0.3  # strength of brightness, contrast, saturation jitter; hue takes a tenth of it

    @model_validator(mode="after")
    def _scale_must_rise(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale={list(self.scale)} is the wrong way round; write the smaller value first")
        return self


class ModelConfig(Section):
    """A timm backbone under a head. The number of classes comes from the data."""

    name: Literal["semantic_fpn"] = "semantic_fpn"
    backbone: str = "resnet18"  # any timm model that offers features_only
    channels: Annotated[int, Field(gt=0, multiple_of=32)] = 128  # of the pyramid
    norm: Literal["group", "batch"] = "group"  # in the backbone and in the head; with "batch" the result depends on the world size
    dropout: Fraction = 0.0  # before the classifier


class TaskConfig(Section):
    """What is learnt, and how it is scored."""

    name: Literal["segmentation"] = "segmentation"


class AdamWConfig(Section):
    """AdamW (arXiv:1711.05101). Weight decay spares biases, norms and other one-dimensional parameters."""

    name: Literal["adamw"] = "adamw"
    weight_decay: NonNegativeFloat = 0.05
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    clip_norm: NonNegativeFloat = 1.0  # of the whole gradient; 0 does not clip


class SGDConfig(Section):
    """Stochastic gradient descent with Nesterov's momentum. Weight decay spares the same parameters."""

    name: Literal["sgd"] = "sgd"
    weight_decay: NonNegativeFloat = 1e-4
    momentum: BelowOne = 0.9
    clip_norm: NonNegativeFloat = 1.0  # of the whole gradient; 0 does not clip


OptimiserConfig = Annotated[AdamWConfig | SGDConfig, Field(discriminator="name")]
OPTIMISERS: dict[str, type[AdamWConfig | SGDConfig]] = {"adamw": AdamWConfig, "sgd": SGDConfig}


class ScheduleConfig(Section):
    """Learning rate over the run. Steps are optimiser steps, not micro-batches."""

    name: Literal["cosine"] = "cosine"
    peak_lr: PositiveFloat = 1e-3
    final_lr: NonNegativeFloat = 0.0
    warmup_steps: NonNegativeInt = 100
    total_steps: PositiveInt = 1000

    @model_validator(mode="after")
    def _warmup_must_end(self) -> Self:
        if self.warmup_steps >= self.total_steps:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} is not below total_steps={self.total_steps}, "
                "so the learning rate would never reach peak_lr; lower warmup_steps"
            )
        if self.final_lr > self.peak_lr:
            raise ValueError(f"final_lr={self.final_lr} is above peak_lr={self.peak_lr}; lower final_lr")
        return self


class TrainingConfig(Section):
    """The global batch is shared by however many ranks there are."""

    global_batch: PositiveInt = 32  # samples of one optimiser step, over all ranks
    precision: Literal["auto", "float32", "float64", "bf16"] = "auto"
    seed: NonNegativeInt = 0
    evaluate_every_steps: NonNegativeInt = 0  # 0: only at the end
    select: Literal["best", "last"] = "best"  # which checkpoint is handed on
    select_by: str = "miou"


class EvaluationConfig(Section):
    """How the selected checkpoint is scored and shown."""

    split: Name = "val"
    examples: Annotated[int, Field(ge=0, le=64)] = 8  # pictures in the report


class RegistrationConfig(Section):
    """Where the model is registered, and the gate before its alias moves."""

    name: Name = "model"
    alias: Name = "champion"
    metric: str = "miou"  # higher is better
    minimum: float = 0.0
    max_drop: NonNegativeFloat = 0.01  # below the present holder of the alias


class LoaderConfig(Section):
    """How batches are brought to the device. Cannot change the result (with batch norm, micro_batch can)."""

    workers: NonNegativeInt = 1  # processes that decode, for each rank; 0 decodes in the rank itself
    micro_batch: PositiveInt = 32  # most samples in one forward pass of a rank; a larger share is accumulated


class CheckpointConfig(Section):
    """When the run is saved. The end of the run and each evaluation are always saved."""

    every_steps: PositiveInt = 200
    keep_last: Annotated[int, Field(ge=2)] = 3  # besides the best one


class TelemetryConfig(Section):
    """What is told while it trains."""

    every_steps: PositiveInt = 10


class RunConfig(Section):
    """A whole run. Its recipe is one YAML file with these sections."""

    source: Source = Field(default_factory=DigitsSource)
    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    task: TaskConfig = Field(default_factory=TaskConfig)
    optimiser: OptimiserConfig = Field(default_factory=AdamWConfig)
    schedule: ScheduleConfig = Field(default_factory=ScheduleConfig)
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


SHARD_FORMAT = 1
TRAIN_SECTIONS = ("data", "model", "task", "optimiser", "schedule", "training")
STAGE_SECTIONS = {
    "prepare": ("source",),
    "train": (*TRAIN_SECTIONS, "loader", "checkpoint", "telemetry"),
    "evaluate": ("evaluation",),
    "register": ("registration",),
}

TASK_METRICS = {"segmentation": ("miou", "pixel_accuracy", "mean_accuracy")}
