"""Predicting an image that is too large for one pass: tile by tile, with what the whole image's norms would know.

A convolution sees its surroundings alone: the core of a tile with a wide enough margin comes out as in the whole image. Group
normalisation sees everything, because its mean and variance are over the image. They are found by passes over the tiles: each adds up
the statistics of every norm over all cores, for the next to use. The first k norms are exact after k passes, whatever the image; all
of them come to rest within about ten. Networks without group norm need one pass. What looks at the whole image by other means (global
pooling, attention) sees its tile alone.
"""

# torch.overrides is only partly typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Predict = Callable[[Tensor], Tensor]  # [1, 3, H, W] uint8 to [1, H, W]

_GRID = 64  # pixels: tiles begin at multiples of it, so that a network's strides (32 at most, as a rule) fall as in the whole image


@dataclass(frozen=True)
class Tiling:
    """When and how images are cut.

    Args:
        most_pixels: of an image that is seen whole. A tile has at most two thirds: the image takes memory too.
        margin: pixels around the core of a tile, a multiple of 64.
        most_passes: over the tiles of an image, at least 1; with 1, each tile is normalised by itself.
        tolerance: the pass after which no norm's mean or deviation has changed by more, as a share of the deviation, is the last.
    """

    most_pixels: int = 1920 * 1080
    margin: int = 128
    most_passes: int = 12
    tolerance: float = 1e-3

    @property
    def core(self) -> int:
        """Side of the largest core, in pixels."""
        return max(_GRID, (math.isqrt(self.most_pixels * 2 // 3) - 2 * self.margin) // _GRID * _GRID)


class Span(NamedTuple):
    """One axis of a tile, in pixels of the image: its core `[start, stop)`, and with its margins `[low, high)`."""

    start: int
    stop: int
    low: int
    high: int


class Tile(NamedTuple):
    rows: Span
    columns: Span


class Tiled(NamedTuple):
    """A prediction `[1, H, W]`, of how many tiles in how many passes, and how far the last of them still changed the norms."""

    prediction: Tensor
    tiles: int = 1
    passes: int = 1
    change: float = 0.0


def predict_large(predict: Predict, image: Tensor, tiling: Tiling) -> Tiled:
    """Predict an image `[1, 3, H, W]` uint8 of any size, in as many pieces as it takes."""
    height, width = image.shape[-2:]
    if height * width <= tiling.most_pixels:
        return Tiled(predict(image))
    tiles = [Tile(*spans) for spans in product(cut(height, tiling), cut(width, tiling))]
    norms = SharedNorms()
    prediction, change, passes = _one_pass(predict, image, tiles, norms), norms.settle(), 1
    while change > tiling.tolerance and passes < tiling.most_passes:
        prediction, change, passes = _one_pass(predict, image, tiles, norms), norms.settle(), passes + 1
    return Tiled(prediction, len(tiles), passes, change)


def cut(length: int, tiling: Tiling) -> list[Span]:
    """An axis in cores of nearly one length, each with its margins as far as the image reaches.

    All tiles but the last are of one length, the first too: kernels keep memory for every shape that they meet.
    """
    pieces = -(-length // tiling.core)
    core = -(-length // (pieces * _GRID)) * _GRID
    lows = (max(0, start - tiling.margin) for start in range(0, length, core))
    return [
        Span(start, min(start + core, length), low, min(length, low + core + 2 * tiling.margin))
        for start, low in zip(range(0, length, core), lows, strict=True)
    ]


def _one_pass(predict: Predict, image: Tensor, tiles: list[Tile], norms: SharedNorms) -> Tensor:
    rows: list[Tensor] = []
    for tile in tiles:
        (top, bottom, above, below), (left, right, before, after) = tile
        with norms.of(tile):
            prediction = predict(image[..., above:below, before:after])
        core = prediction[..., top - above : bottom - above, left - before : right - before]
        if left == 0:
            rows.append(core.new_empty(*core.shape[:-1], image.shape[-1]))
        rows[-1][..., left:right] = core
    return torch.cat(rows, dim=-2)


class SharedNorms(TorchFunctionMode):
    """While it is active, every group norm uses the statistics that the last pass found, and adds up those of this pass.

    Norms are told apart by the order in which a forward pass calls them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: list[tuple[Tensor, Tensor]] = []  # mean and deviation, [B, groups] float64
        self._sums: list[Tensor] = []  # [3, B, groups] float64: count, sum, sum of squares
        self._called = 0
        self._tile = Tile(Span(0, 0, 0, 0), Span(0, 0, 0, 0))

    def of(self, tile: Tile) -> SharedNorms:
        """For the forward pass of a tile."""
        self._tile, self._called = tile, 0
        return self

    def settle(self) -> float:
        """End a pass: its statistics are used from now on. How far they changed, as a share of the deviation; infinite at first."""
        found = [_moments(sums) for sums in self._sums]
        changes = [_change(old, new) for old, new in zip(self._known, found, strict=False)]
        change = max(changes, default=math.inf if found else 0.0)
        self._known, self._sums = found, []
        return change

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        call = self._group_norm if func is F.group_norm else func
        return call(*args, **(kwargs or {}))

    def _group_norm(
        self, values: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
    ) -> Tensor:
        self._add(self._called, _sums_of(self._core_of(values), num_groups))
        self._called += 1
        if not self._known:
            return F.group_norm(values, num_groups, weight, bias, eps)
        mean, deviation = self._known[self._called - 1]
        return _normalised(values, mean, (deviation**2 + eps).rsqrt(), weight, bias)

    def _core_of(self, values: Tensor) -> Tensor:
        """The part of a feature map `[B, C, h, w]` that belongs to the tile's core."""
        rows, columns = (_scaled(span, length) for span, length in zip(self._tile, values.shape[-2:], strict=True))
        return values[..., rows, columns]

    def _add(self, norm: int, sums: Tensor) -> None:
        if norm == len(self._sums):
            self._sums.append(sums)
        else:
            self._sums[norm] += sums


def _scaled(span: Span, length: int) -> slice:
    """A core on a map of so many rows for the tile; at the image's end with what the network has padded there."""
    if (span.start, span.stop) == (span.low, span.high):
        return slice(None)  # however short the image is
    stride = 2 ** round(math.log2((span.high - span.low) / length))
    return slice((span.start - span.low) // stride, None if span.stop == span.high else (span.stop - span.low) // stride)


def _sums_of(values: Tensor, groups: int) -> Tensor:
    """`[3, B, groups]` float64 of `[B, C, h, w]`."""
    grouped = values.unflatten(1, (groups, -1))
    variance, mean = (moment.double() for moment in torch.var_mean(grouped, dim=(2, 3, 4), correction=0))
    count = torch.full_like(mean, grouped[0, 0].numel())
    return torch.stack([count, count * mean, count * (variance + mean**2)])


def _moments(sums: Tensor) -> tuple[Tensor, Tensor]:
    count, total, squares = sums
    mean = total / count
    return mean, (squares / count - mean**2).clamp(min=0).sqrt()


def _change(old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> float:
    (mean, deviation), (new_mean, new_deviation) = old, new
    least = torch.finfo(torch.float32).tiny  # a group that is the same everywhere deviates by nothing
    far = torch.maximum((new_mean - mean).abs(), (new_deviation - deviation).abs()) / new_deviation.clamp(min=least)
    return float(far.max())


def _normalised(values: Tensor, mean: Tensor, rate: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """`[B, C, h, w]` with `[B, groups]` statistics, in one copy of the values."""
    each = values.shape[1] // mean.shape[1]
    mean, scale = mean.repeat_interleave(each, dim=1), rate.repeat_interleave(each, dim=1)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return (values * scale.to(values.dtype)[..., None, None]).add_(shift.to(values.dtype)[..., None, None])
