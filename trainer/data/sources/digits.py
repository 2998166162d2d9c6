# scikit-learn is only partly typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

"""Scenes composed of scikit-learn's handwritten digits on its two photographs: images and masks out of nothing.

Scene i of a split is a pure function of (seed, split, i). Held-out scenes use digits and parts of the
photographs that training never sees.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.canonical import digest_of
from trainer.config import DigitsSource
from trainer.data.sources.base import Pixels, Sample, Target
from trainer.data.sources.pictures import encode_png
from trainer.errors import MissingExtraError

COMPOSER = 1  # raise it when scenes of the same settings change
SPLITS = ("train", "val")
REGIONS = {"train": slice(0, 400), "val": slice(400, 640)}  # columns of the photographs, which are 427 × 640

_HELD_OUT_EVERY = 5  # blocks of ten: most writers wrote 0–9 in turn, so every fifth block holds the classes, and the writers, evenly
_PLACES_TRIED = 12
_OPAQUE = 0.5  # from this alpha on, a pixel belongs to the digit
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

Alpha = NDArray[np.float32]


@dataclass(frozen=True)
class Scene:
    """A scene's place."""

    split: str
    number: int


@dataclass(frozen=True)
class Material:
    """What the scenes of one split are made of: glyphs `[N, 8, 8]` (0–255), their digits `[N]`, photographs `[H, W, 3]`."""

    glyphs: Pixels
    digits: NDArray[np.int64]
    photographs: tuple[Image.Image, ...]


class DigitScenes:
    """Ten digits. In masks, background is 0 and a digit's value is the digit + 1; a label is the digit."""

    splits = SPLITS

    def __init__(self, section: DigitsSource) -> None:
        if importlib.util.find_spec("sklearn") is None:
            raise MissingExtraError("scikit-learn", "digits", "the digits source")
        self._section = section
        self.target: Target = section.target
        self.classes = (("background",) if section.target == "mask" else ()) + tuple(str(digit) for digit in range(10))

    def count(self, split: str) -> int:
        return {"train": self._section.train_scenes, "val": self._section.val_scenes}[split]

    def items(self, split: str) -> Iterator[Scene]:
        return (Scene(split, number) for number in range(self.count(split)))

    def read(self, item: Scene) -> Sample:
        rng = np.random.default_rng([self._section.seed, SPLITS.index(item.split), item.number])
        material = self._materials[item.split]
        pixels, mask = compose(rng, material, self._section, item.number)
        target = mask if self.target == "mask" else int(material.digits[item.number % len(material.digits)])
        return Sample(f"{item.split}-{item.number:06d}", encode_png(pixels), "png", pixels, target)

    def digest(self) -> str:
        """Of the composer's version: the sizes and the seed stand in the config."""
        return digest_of({"format": "digits", "composer": COMPOSER})

    @cached_property
    def _materials(self) -> dict[str, Material]:
        return {split: load_material(split) for split in SPLITS}


def load_material(split: str) -> Material:
    """The digits and the parts of the photographs that belong to a split."""
    from sklearn.datasets import load_digits, load_sample_images  # takes a second

    bunch: Any = load_digits()
    is_held_out = np.arange(len(bunch.target)) // 10 % _HELD_OUT_EVERY == 0
    chosen = is_held_out if split == "val" else ~is_held_out
    pictures: Any = load_sample_images()
    glyphs = (bunch.images[chosen] * (255 / 16)).astype(np.uint8)
    photographs = tuple(Image.fromarray(photograph[:, REGIONS[split]]) for photograph in pictures.images)
    return Material(glyphs, bunch.target[chosen], photographs)


def compose(rng: np.random.Generator, material: Material, section: DigitsSource, number: int) -> tuple[Pixels, Pixels]:
    """A scene `[size, size, 3]` and its mask `[size, size]`. The first digit is always placed, later ones where there is room."""
    pixels = _plain_ground(rng, section.size) if section.background == "plain" else _photograph(rng, material, section.size)
    mask = np.zeros((section.size, section.size), np.uint8)
    for chosen in _choose(rng, material, section, number):
        alpha = _enlarge(material.glyphs[chosen], int(rng.integers(section.digit_size[0], section.digit_size[1] + 1)))
        if place := _free_place(rng, alpha, mask):
            _paste(rng, pixels[place], alpha)
            mask[place][alpha >= _OPAQUE] = material.digits[chosen] + 1
    return pixels.round().astype(np.uint8), mask


def _choose(rng: np.random.Generator, material: Material, section: DigitsSource, number: int) -> Iterator[int]:
    """Which glyphs a scene shows: as many as there may be, or, to be classified, each of the material in turn."""
    if section.target == "label":
        yield number % len(material.glyphs)
        return
    fewest, most = section.digits_per_scene
    for _ in range(rng.integers(fewest, most + 1)):
        yield int(rng.integers(len(material.glyphs)))


def _plain_ground(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """One colour, dark or light."""
    return np.full((size, size, 3), rng.uniform(0, 255, 3), np.float32)


def _photograph(rng: np.random.Generator, material: Material, size: int) -> NDArray[np.float32]:
    """A square of a photograph, mirrored or not, at 0.8 to 2 times its scale or, where the region is smaller, larger."""
    photograph = material.photographs[rng.integers(len(material.photographs))]
    side = min(size * rng.uniform(0.5, 1.25), *photograph.size)
    left, top = rng.uniform(0, photograph.width - side), rng.uniform(0, photograph.height - side)
    crop = photograph.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = np.asarray(crop, np.float32)
    return np.ascontiguousarray(pixels[:, ::-1]) if rng.random() < 0.5 else pixels.copy()


def _enlarge(glyph: Pixels, height: int) -> Alpha:
    """An 8 × 8 glyph as opacity `[height, height]`, with strokes made solid."""
    grey = np.asarray(Image.fromarray(glyph).resize((height, height), Image.Resampling.BICUBIC), np.float32)
    return np.asarray(np.clip((grey / 255 - 0.2) * 3, 0, 1), np.float32)


def _free_place(rng: np.random.Generator, alpha: Alpha, mask: Pixels) -> tuple[slice, slice] | None:
    """Where a digit, its soft edge included, covers none of those before it; None after some tries."""
    height, width = alpha.shape
    for _ in range(_PLACES_TRIED):
        top, left = rng.integers((0, 0), (mask.shape[0] - height + 1, mask.shape[1] - width + 1)).tolist()
        place = slice(top, top + height), slice(left, left + width)
        if not mask[place][alpha > 0].any():
            return place
    return None


def _paste(rng: np.random.Generator, under: NDArray[np.float32], alpha: Alpha) -> None:
    """Draw in place, with light ink on dark ground or dark ink on light ground."""
    ground = float(np.average(under @ _LUMINANCE, weights=alpha + 1e-6))  # of few pixels, all may be transparent
    under += alpha[:, :, None] * (_ink(rng, ground) - under)


def _ink(rng: np.random.Generator, ground: float) -> NDArray[np.float32]:
    """A colour `[3]` in 0–255 whose luminance lies at the far end from the ground's."""
    luminance = rng.uniform(220, 255) if ground < 128 else rng.uniform(0, 30)
    tint = rng.uniform(-40, 40, 3).astype(np.float32)
    return np.asarray(np.clip(luminance + tint - tint @ _LUMINANCE, 0, 255), np.float32)
