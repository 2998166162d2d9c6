"""Tiles against the whole image, on networks small enough to see both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from released_models import SEGMENTS
from torch import Tensor, nn

from trainer.models import ImageModel, build_model
from trainer.reports import ModelSpec
from trainer.tiling import Span, Tiling, cut, predict_large

SMALL = Tiling(most_pixels=600 * 600)  # 15 tiles for the images below


def network(**model: Any) -> ImageModel:
    torch.manual_seed(0)
    spec = ModelSpec(**{**SEGMENTS, "model": {**SEGMENTS["model"], **model}}, classes=("a", "b", "c"), mean=(120.0,) * 3, std=(60.0,) * 3)
    return build_model(spec).eval()


def uneven(height: int, width: int) -> Tensor:
    """Noise that is dark on the left and bright on the right: tiles differ in all their statistics."""
    noise = np.random.default_rng(0).integers(0, 256, (3, height, width))
    return torch.tensor((noise * np.linspace(0.1, 1.0, width)).astype(np.uint8))[None]


def logits(model: nn.Module) -> Callable[[Tensor], Tensor]:
    return torch.inference_mode()(lambda images: model(images)[:, 0])


def furthest(one: Tensor, other: Tensor) -> float:
    """The largest difference, in deviations of the second."""
    return float((one - other).abs().max() / other.std())


@pytest.mark.parametrize(("length", "core"), [(1, 64), (400, 384), (449, 384), (3000, 384)])
def test_cores_cover_an_axis_once_and_lie_on_the_grid_of_strides(length: int, core: int) -> None:
    spans = cut(length, Tiling(most_pixels=3 * 512 * 512 // 2, margin=64))

    assert [position for span in spans for position in range(span.start, span.stop)] == list(range(length))
    assert all(span.start % 64 == 0 and span.low % 64 == 0 for span in spans)
    assert max(span.stop - span.start for span in spans) <= core
    assert all(span.start - span.low == min(64, span.start) for span in spans)
    assert all(span.high == length or span.high - span.stop >= 64 for span in spans)
    assert len({span.high - span.low for span in spans[:-1]}) <= 1


def test_an_axis_is_cut_into_cores_of_nearly_one_length() -> None:
    assert cut(400, Tiling(most_pixels=3 * 512 * 512 // 2, margin=64)) == [Span(0, 256, 0, 384), Span(256, 400, 192, 400)]


def test_an_image_that_fits_is_seen_whole_and_as_a_batch() -> None:
    images = uneven(64, 64).repeat(3, 1, 1, 1)
    sizes: list[torch.Size] = []

    tiled = predict_large(lambda batch: sizes.append(batch.shape) or batch[:, 0], images, SMALL)

    assert (tiled.tiles, tiled.passes, sizes) == (1, 1, [images.shape])
    assert torch.equal(tiled.prediction, images[:, 0])


def test_with_group_norm_tiles_give_what_the_whole_image_gives() -> None:
    model, image = network(), uneven(500, 800)
    whole = logits(model)(image)

    alone = predict_large(logits(model), image, Tiling(SMALL.most_pixels, most_passes=1))
    shared = predict_large(logits(model), image, SMALL)

    assert (alone.tiles, alone.passes, alone.change) == (15, 1, math.inf)
    assert (shared.tiles, shared.change <= SMALL.tolerance) == (15, True)
    assert furthest(shared.prediction, whole) < 1e-4
    assert furthest(alone.prediction, whole) > 0.1  # so the shared statistics are what makes them equal


def test_with_batch_norm_one_pass_is_enough() -> None:
    model, image = network(norm="batch"), uneven(500, 800)

    tiled = predict_large(logits(model), image, SMALL)

    assert (tiled.tiles, tiled.passes, tiled.change) == (15, 1, 0.0)
    assert furthest(tiled.prediction, logits(model)(image)) < 1e-4


def test_a_margin_that_is_too_narrow_shows_at_the_borders_alone() -> None:
    model, image = network(norm="batch"), uneven(500, 800)
    tiling = Tiling(SMALL.most_pixels, margin=64)

    off = (predict_large(logits(model), image, tiling).prediction - logits(model)(image))[0].abs()

    borders = [span.stop for span in cut(800, tiling)[:-1]]
    columns = [column for column in range(800) if min(abs(column - border) for border in borders) > 64]
    rows = [row for row in range(500) if min(abs(row - span.stop) for span in cut(500, tiling)[:-1]) > 64]
    assert float(off.max()) > 1e-4
    assert float(off[rows][:, columns].max()) < 1e-6


def test_the_first_norms_are_exact_after_as_many_passes_and_the_model_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    norm = nn.GroupNorm(1, 3, dtype=torch.float64)
    image = uneven(300, 500)
    ask: Callable[[Tensor], Tensor] = lambda images: norm(images.double())[:, 0]  # noqa: E731
    whole = ask(image)

    tiled = predict_large(ask, image, Tiling(most_pixels=20_000, margin=0))

    assert (tiled.passes, tiled.change) == (2, 0.0)
    assert torch.allclose(tiled.prediction, whole, atol=1e-9)
    assert torch.equal(ask(image), whole)


def test_a_group_that_is_the_same_everywhere_has_settled() -> None:
    norm = nn.GroupNorm(3, 3, affine=False)
    image = torch.full((1, 3, 200, 300), 7, dtype=torch.uint8)

    tiled = predict_large(lambda images: norm(images.float())[:, 0], image, Tiling(most_pixels=10_000, margin=0))

    assert (tiled.passes, tiled.change) == (2, 0.0)
    assert float(tiled.prediction.abs().max()) < 1e-3


@pytest.mark.parametrize(("height", "width"), [(1, 900), (900, 20)])
def test_an_image_that_is_shorter_than_the_stride_is_cut_along_its_length(height: int, width: int) -> None:
    model, image = network(), uneven(height, width)

    tiled = predict_large(logits(model), image, Tiling(most_pixels=800))

    assert tiled.tiles > 4
    assert furthest(tiled.prediction, logits(model)(image)) < 1e-3


def test_passes_end_where_they_must() -> None:
    assert predict_large(logits(network()), uneven(500, 800), Tiling(SMALL.most_pixels, most_passes=2)).passes == 2
