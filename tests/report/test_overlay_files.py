"""The pictures that predictions and inspections are written as."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from trainer.labels import IGNORE
from trainer.report.overlay import captioned, index_png, tinted
from trainer.report.palette import class_palette

GREY = np.full((3, 12, 16), 100, np.uint8)


def opened(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png))


@pytest.mark.parametrize("classes", [2, 21, 255])
def test_an_index_png_keeps_every_index_and_shows_the_palette(classes: int) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16) % classes

    image = opened(index_png(labels, class_palette(classes)))

    assert (image.mode, np.array_equal(np.asarray(image), labels)) == ("P", True)
    assert np.array_equal(np.asarray(image.convert("RGB")), class_palette(classes)[labels])


def test_a_tint_lies_between_the_image_and_the_colour_and_the_outline_is_the_colour() -> None:
    labels = np.zeros((12, 16), np.uint8)
    labels[2:10, 2:10] = 1
    palette = class_palette(2)

    drawn = np.asarray(opened(tinted(GREY, labels, palette))).astype(int)

    assert drawn[2, 2].tolist() == palette[1].tolist()
    assert drawn[6, 6].tolist() == pytest.approx((0.6 * palette[1] + 0.4 * 100).tolist(), abs=1)
    assert drawn[0, 0].tolist() == pytest.approx((0.35 * palette[0] + 0.65 * 100).tolist(), abs=1)


def test_pixels_of_no_class_stay_as_they_are() -> None:
    drawn = np.asarray(opened(tinted(GREY, np.full((12, 16), IGNORE, np.uint8), class_palette(2))))

    assert (drawn == 100).all()


@pytest.mark.parametrize(("longest", "size"), [(0, (16, 12)), (8, (8, 6)), (16, (16, 12)), (400, (16, 12))])
def test_a_picture_is_made_smaller_and_never_larger(longest: int, size: tuple[int, int]) -> None:
    assert opened(tinted(GREY, np.zeros((12, 16), np.uint8), class_palette(2), longest)).size == size


@pytest.mark.parametrize("text", ["cat (88.0%)", "a name that is far longer than its picture is wide"])
def test_a_caption_stands_below_the_image_and_is_never_cut(text: str) -> None:
    drawn = np.asarray(opened(captioned(GREY, text)))

    dark = np.argwhere(drawn.max(axis=2) < 90)
    assert (drawn[:-28] == 100).all(axis=2).any()
    assert dark[:, 0].min() >= drawn.shape[0] - 28
    assert 0 < dark[:, 1].min() < dark[:, 1].max() < drawn.shape[1] - 1


def test_two_captions_are_two_pictures() -> None:
    assert captioned(GREY, "cat") != captioned(GREY, "dog")
