"""Augmentation of one image and its mask, on uint8. What is drawn depends on (seed, epoch, index) alone."""

# torchvision's functional API is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from trainer.config import DataConfig
from trainer.data.order import Place
from trainer.labels import IGNORE

_GREY = 114  # what lies outside an image that is smaller than its crop


def augment(image: Tensor, mask: Tensor, place: Place, seed: int, config: DataConfig) -> tuple[Tensor, Tensor]:
    """Scale, crop, mirror and colour-jitter.

    Args:
        image: `[3, H, W]` uint8.
        mask: `[H, W]` uint8.

    Returns:
        The two at the size of the crop.
    """
    random = np.random.default_rng([seed, place.epoch, place.index])
    image, mask = _scaled_crop(image, mask, random, config)
    if random.random() < config.flip:
        image, mask = F.horizontal_flip(image), mask.flip(-1)
    return _jitter(image, random, config.photometric), mask


def _scaled_crop(image: Tensor, mask: Tensor, random: np.random.Generator, config: DataConfig) -> tuple[Tensor, Tensor]:
    """Cut a region of the crop's size divided by a random scale, and resize it to the crop; pad where it is larger than the image."""
    scale = np.exp(random.uniform(*np.log(config.scale)))
    height, width = (max(1, round(side / scale)) for side in config.crop)
    image, mask = _padded(image, height, width, _GREY), _padded(mask[None], height, width, IGNORE)
    top = int(random.integers(image.shape[-2] - height + 1))
    left = int(random.integers(image.shape[-1] - width + 1))
    image = F.resized_crop(image, top, left, height, width, list(config.crop), antialias=True)
    mask = F.resized_crop(mask, top, left, height, width, list(config.crop), interpolation=InterpolationMode.NEAREST)
    return image, mask[0]


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
