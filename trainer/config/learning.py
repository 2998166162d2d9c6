"""The sections data, model, task, optimiser and schedule: what is learnt, with what, from which views of the images."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from trainer.config.section import BelowOne, Fraction, Name, Section, check_rising


class ViewSection(Section):
    """What every augmentation has."""

    train_split: Name = "train"
    """Name of the split that is trained on."""
    val_split: Name = "val"
    """Name of the split that is scored while it trains."""
    crop: tuple[PositiveInt, PositiveInt] = (64, 64)
    """Height, width in pixels."""
    flip: Fraction = 0.5
    """Probability of a left–right mirror."""
    photometric: Fraction = 0.3
    """Strength of brightness, contrast, saturation jitter; hue takes a tenth of it."""


class ScaledCropConfig(ViewSection):
    """Training sees a crop at a random scale, padded where the image is smaller. Scores are taken on whole images."""

    transform: Literal["scaled_crop"] = "scaled_crop"
    """Which of the views."""
    scale: tuple[PositiveFloat, PositiveFloat] = (0.75, 1.5)
    """Smallest, largest resize before the crop."""

    @model_validator(mode="after")
    def _scale_must_rise(self) -> Self:
        check_rising(scale=self.scale)
        return self


class ResizedCropConfig(ViewSection):
    """Training sees a part of random area and aspect, resized to the crop (arXiv:1409.4842). Scores are taken on the centre crop."""

    transform: Literal["resized_crop"] = "resized_crop"
    """Which of the views."""
    area: tuple[PositiveFloat, Annotated[float, Field(gt=0, le=1)]] = (0.25, 1.0)
    """Smallest, largest share of the image."""
    aspect: tuple[PositiveFloat, PositiveFloat] = (0.75, 1.333)
    """Narrowest, widest: width over height."""
    resize: PositiveInt = 72
    """Pixels of the shorter side before the centre crop."""

    @model_validator(mode="after")
    def _ranges_must_fit(self) -> Self:
        check_rising(area=self.area, aspect=self.aspect)
        if self.resize < max(self.crop):
            raise ValueError(f"resize={self.resize} is below crop={list(self.crop)}, so the centre crop would not fit; raise resize")
        return self


DataConfig = Annotated[ScaledCropConfig | ResizedCropConfig, Field(discriminator="transform")]


class NetworkSection(Section):
    """What every model has: a timm backbone. The number of classes comes from the data."""

    backbone: str = "resnet18"
    """Of timm."""
    norm: Literal["group", "batch"] = "group"
    """In backbone and head; with "batch" the result depends on the world size."""
    dropout: BelowOne = 0.0
    """Before the classifier."""
    weights: str = "none"
    """What it starts from: none, timm (downloads the backbone's), or the URI of a .safetensors file."""

    @field_validator("weights")
    @classmethod
    def _weights_must_be_found(cls, value: str) -> str:
        if value in {"none", "timm"} or (value.startswith(("file:///", "s3://")) and value.endswith(".safetensors")):
            return value
        raise ValueError(f"{value!r} is neither none, timm, nor the URI of a .safetensors file (file:///… or s3://…)")


class SemanticFPNConfig(NetworkSection):
    """Semantic FPN (arXiv:1901.02446) over a backbone that offers features_only."""

    name: Literal["semantic_fpn"] = "semantic_fpn"
    """Which of the kinds."""
    channels: Annotated[int, Field(gt=0, multiple_of=32)] = 128
    """Of the pyramid."""


class ClassifierConfig(NetworkSection):
    """A backbone with its own pooling and one linear layer."""

    name: Literal["classifier"] = "classifier"
    """Which of the kinds."""
    drop_path: BelowOne = 0.0
    """Stochastic depth (arXiv:1603.09382) of the deepest block, in backbones that have it."""


ModelConfig = Annotated[SemanticFPNConfig | ClassifierConfig, Field(discriminator="name")]


class SegmentationConfig(Section):
    """A class for each pixel, by cross-entropy."""

    name: Literal["segmentation"] = "segmentation"
    """Which of the kinds."""
    class_weights: tuple[PositiveFloat, ...] = ()
    """Of the classes in the loss, in their order; empty: all alike."""
    label_smoothing: BelowOne = 0.0
    """Share of each target that is spread over all classes (arXiv:1512.00567)."""


class ClassificationConfig(Section):
    """One class an image, by cross-entropy."""

    name: Literal["classification"] = "classification"
    """Which of the kinds."""
    label_smoothing: BelowOne = 0.0
    """Share of each target that is spread over all classes (arXiv:1512.00567)."""


TaskConfig = Annotated[SegmentationConfig | ClassificationConfig, Field(discriminator="name")]


class AdamWConfig(Section):
    """AdamW (arXiv:1711.05101). Weight decay spares biases, norms and other one-dimensional parameters."""

    name: Literal["adamw"] = "adamw"
    """Which of the kinds."""
    weight_decay: NonNegativeFloat = 0.05
    """Spares biases, norms and other one-dimensional parameters."""
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    """Decay of the two running means."""
    eps: PositiveFloat = 1e-8
    """Added to the denominator."""
    clip_norm: NonNegativeFloat = 1.0
    """Of the whole gradient; 0 does not clip."""


class SGDConfig(Section):
    """Stochastic gradient descent with Nesterov's momentum. Weight decay spares the same parameters."""

    name: Literal["sgd"] = "sgd"
    """Which of the kinds."""
    weight_decay: NonNegativeFloat = 1e-4
    """Spares biases, norms and other one-dimensional parameters."""
    momentum: BelowOne = 0.9
    """Nesterov’s."""
    clip_norm: NonNegativeFloat = 1.0
    """Of the whole gradient; 0 does not clip."""


OptimiserConfig = Annotated[AdamWConfig | SGDConfig, Field(discriminator="name")]


class WarmupSection(Section):
    """What every schedule has: a linear warm-up, and an end. Steps are optimiser steps, not micro-batches."""

    peak_lr: PositiveFloat = 1e-3
    """Not scaled by the batch size."""
    final_lr: NonNegativeFloat = 0.0
    """At the last step."""
    warmup_steps: NonNegativeInt = 100
    """Optimiser steps."""
    total_steps: PositiveInt = 1000
    """Optimiser steps."""

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


class CosineConfig(WarmupSection):
    """Half a cosine from `peak_lr` down to `final_lr` (arXiv:1608.03983)."""

    name: Literal["cosine"] = "cosine"
    """Which of the kinds."""


class PolynomialConfig(WarmupSection):
    """The remaining share of the run, to a power: the "poly" rule of segmentation (arXiv:1506.04579)."""

    name: Literal["polynomial"] = "polynomial"
    """Which of the kinds."""
    power: PositiveFloat = 0.9
    """Of the remaining share."""


ScheduleConfig = Annotated[CosineConfig | PolynomialConfig, Field(discriminator="name")]
