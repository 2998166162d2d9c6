"""Views of one image and its target, on uint8. What is drawn for training depends on (seed, epoch, index) alone."""

# torchvision's functional API is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from trainer.config import DataConfig, ResizedCropConfig, ScaledCropConfig
from trainer.data.order import Place
from trainer.labels import IGNORE

_GREY = 114  # what lies outside an image that is smaller than its crop

Pair = tuple[Tensor, Tensor]  # image [3, H, W] uint8; target: a mask [H, W] uint8, or a label []


class View(Protocol):
    """How images are seen. A mask goes with its image; a label stays as it is."""

    def train(self, image: Tensor, target: Tensor, random: np.random.Generator) -> Pair:
        """A random view, of the size of the crop."""
        ...

    def evaluate(self, image: Tensor, target: Tensor) -> Pair:
        """The view that scores are taken on."""
        ...

    def evaluated_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of that view, of an image of these."""
        ...


def open_view(config: DataConfig) -> View:
    """The view that a config describes."""
    return _VIEWS[config.transform](config)


def augment(view: View, image: Tensor, target: Tensor, place: Place, seed: int) -> Pair:
    """The view that training has of a sample at a place of the run."""
    return view.train(image, target, np.random.default_rng([seed, place.epoch, place.index]))


@dataclass(frozen=True)
class ScaledCrop:
    """Scale, crop, mirror and colour-jitter; whole images for scores."""

    config: ScaledCropConfig

    def train(self, image: Tensor, target: Tensor, random: np.random.Generator) -> Pair:
        scale = np.exp(random.uniform(*np.log(self.config.scale)))
        height, width = (max(1, round(side / scale)) for side in self.config.crop)
        image, target = _padded(image, height, width, _GREY), _on_mask(target, _padded, height, width, IGNORE)
        top = int(random.integers(image.shape[-2] - height + 1))
        left = int(random.integers(image.shape[-1] - width + 1))
        return _finished(*_resized_crop(image, target, (top, left, height, width), self.config.crop), random, self.config)

    def evaluate(self, image: Tensor, target: Tensor) -> Pair:
        return image, target

    def evaluated_size(self, height: int, width: int) -> tuple[int, int]:
        return height, width


@dataclass(frozen=True)
class ResizedCrop:
    """A part of random area and aspect (arXiv:1409.4842), mirrored and colour-jittered; the centre crop for scores."""

    config: ResizedCropConfig

    def train(self, image: Tensor, target: Tensor, random: np.random.Generator) -> Pair:
        height, width = self._part(image.shape[-2], image.shape[-1], random)
        top = int(random.integers(image.shape[-2] - height + 1))
        left = int(random.integers(image.shape[-1] - width + 1))
        return _finished(*_resized_crop(image, target, (top, left, height, width), self.config.crop), random, self.config)

    def evaluate(self, image: Tensor, target: Tensor) -> Pair:
        """The centre of an image whose shorter side is resized. Only that part is resized: of a long one the rest would be huge."""
        scale = self.config.resize / min(image.shape[-2:])
        height, width = (max(1, round(side / scale)) for side in self.config.crop)
        part = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2, height, width
        return _resized_crop(image, target, part, self.config.crop)

    def evaluated_size(self, height: int, width: int) -> tuple[int, int]:
        return self.config.crop

    def _part(self, height: int, width: int, random: np.random.Generator) -> tuple[int, int]:
        """Height and width of the part; where an aspect does not fit, it is cut to the image."""
        area = height * width * random.uniform(*self.config.area)
        aspect = math.exp(random.uniform(*np.log(self.config.aspect)))
        return max(1, min(height, round(math.sqrt(area / aspect)))), max(1, min(width, round(math.sqrt(area * aspect))))


_VIEWS: dict[str, Callable[[Any], View]] = {"scaled_crop": ScaledCrop, "resized_crop": ResizedCrop}


def _on_mask(target: Tensor, change: Callable[..., Tensor], *args: object, **settings: object) -> Tensor:
    """A change of geometry: a label has none."""
    return change(target[None], *args, **settings)[0] if target.ndim else target


def _resized_crop(image: Tensor, target: Tensor, part: tuple[int, int, int, int], crop: tuple[int, int]) -> Pair:
    """The part (top, left, height, width), brought to the crop's size."""
    image = F.resized_crop(image, *part, list(crop), antialias=True)
    return image, _on_mask(target, F.resized_crop, *part, list(crop), interpolation=InterpolationMode.NEAREST)


def _finished(image: Tensor, target: Tensor, random: np.random.Generator, config: DataConfig) -> Pair:
    """Mirrored or not, and with other colours."""
    if random.random() < config.flip:
        image, target = F.horizontal_flip(image), _on_mask(target, F.horizontal_flip)
    return _jitter(image, random, config.photometric), target


def _padded(tensor: Tensor, height: int, width: int, fill: int) -> Tensor:
    """At least `height` × `width`, the tensor in the middle."""
    down, right = max(0, height - tensor.shape[-2]), max(0, width - tensor.shape[-1])
    if not down and not right:
        return tensor
    return F.pad(tensor, [right // 2, down // 2, right - right // 2, down - down // 2], fill=fill)


def _jitter(image: Tensor, random: np.random.Generator, strength: float) -> Tensor:
    """Brightness, contrast, saturation and hue, each by a random amount of at most `strength` (hue: a tenth)."""
    brightness, contrast, saturation = 1 + random.uniform(-strength, strength, size=3)
    hue = random.uniform(-strength, strength) / 10
    if strength == 0:
        return image
    image = F.adjust_contrast(F.adjust_brightness(image, brightness), contrast)
    return torch.as_tensor(F.adjust_hue(F.adjust_saturation(image, saturation), hue))
