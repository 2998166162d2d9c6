"""Pictures: four panels of one image."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from trainer.report.overlay import PANELS, class_palette, comparison

PALETTE = class_palette(3)
SIDE, GAP = 192, 8
GREY = 100
ERROR = (255, 45, 85)


def blank(height: int = 16, width: int = 16) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """A grey image, and truth and prediction of class 0 alone."""
    labels = np.zeros((height, width), dtype=np.uint8)
    return np.full((3, height, width), GREY, dtype=np.uint8), labels, labels.copy()


def panels(image: object, truth: object, prediction: object) -> dict[str, NDArray[np.uint8]]:
    """The picture's panels by name, each `[192, 192, 4]`."""
    strip = np.asarray(Image.open(io.BytesIO(comparison(image, truth, prediction, PALETTE))))
    return {name: strip[:, place * (SIDE + GAP) :][:, :SIDE] for place, name in enumerate(PANELS)}


def tinted(colour: NDArray[np.uint8], weight: float) -> list[int]:
    return np.rint(GREY * (1 - weight) + colour * weight).astype(int).tolist()


def test_a_small_image_is_enlarged_by_a_whole_factor() -> None:
    picture = Image.open(io.BytesIO(comparison(*blank(40, 50), PALETTE)))
    assert picture.size == (4 * 200 + 3 * GAP, 160)


def test_a_large_image_is_reduced() -> None:
    picture = Image.open(io.BytesIO(comparison(*blank(320, 1280), PALETTE)))
    assert picture.size == (4 * 640 + 3 * GAP, 160)


def test_an_image_between_the_two_keeps_its_size() -> None:
    picture = Image.open(io.BytesIO(comparison(*blank(256, 300), PALETTE)))
    assert picture.size == (4 * 300 + 3 * GAP, 256)


def test_the_first_panel_is_the_image_itself() -> None:
    image, truth, prediction = blank()
    image[:, 3, 5] = (1, 2, 3)
    truth[3, 5] = 1
    shown = panels(image, truth, prediction)["Image"]
    assert shown[3 * 12 : 4 * 12, 5 * 12 : 6 * 12, :3].reshape(-1, 3).tolist() == [[1, 2, 3]] * 144
    assert shown[0, 0].tolist() == [GREY, GREY, GREY, 255]


def test_the_gaps_between_panels_are_transparent() -> None:
    strip = np.asarray(Image.open(io.BytesIO(comparison(*blank(), PALETTE))))
    assert not strip[:, SIDE : SIDE + GAP, 3].any()
    assert (strip[:, SIDE + GAP : 2 * SIDE + GAP, 3] == 255).all()


def test_an_area_is_tinted_inside_and_outlined_in_its_full_colour() -> None:
    image, truth, prediction = blank()
    truth[4:12, 4:12] = 1
    shown = panels(image, truth, prediction)["Truth"][..., :3]
    assert shown[96, 96].tolist() == tinted(PALETTE[1], 0.6)
    assert shown[96, 48].tolist() == PALETTE[1].tolist()
    assert shown[96, 49].tolist() == tinted(PALETTE[1], 0.6)
    assert shown[143, 96].tolist() == PALETTE[1].tolist()


def test_class_zero_is_tinted_faintly_and_has_no_outline() -> None:
    image, truth, prediction = blank()
    truth[4:12, 4:12] = 1
    shown = panels(image, truth, prediction)["Truth"][..., :3]
    assert shown[0, 0].tolist() == tinted(PALETTE[0], 0.35)
    assert shown[96, 47].tolist() == tinted(PALETTE[0], 0.35)


def test_the_prediction_is_drawn_like_the_truth() -> None:
    image, truth, prediction = blank()
    truth[2:8, 2:8] = 2
    prediction[2:8, 2:8] = 2
    shown = panels(image, truth, prediction)
    assert np.array_equal(shown["Truth"], shown["Prediction"])
    assert not np.array_equal(shown["Truth"], shown["Image"])


def test_ignored_pixels_are_not_drawn() -> None:
    image, truth, prediction = blank()
    truth[:, 8:] = 255
    shown = panels(image, truth, prediction)
    assert (shown["Truth"][:, 96:, :3] == GREY).all()
    assert shown["Truth"][0, 0, :3].tolist() == tinted(PALETTE[0], 0.35)


def test_errors_are_the_pixels_where_truth_and_prediction_disagree() -> None:
    image, truth, prediction = blank()
    truth[0, 0], prediction[5, 5] = 1, 2
    wrong = (panels(image, truth, prediction)["Errors"][::12, ::12, :3] == ERROR).all(axis=2)
    assert np.argwhere(wrong).tolist() == [[0, 0], [5, 5]]


def test_an_ignored_pixel_is_no_error() -> None:
    image, truth, prediction = blank()
    truth[0, 0], prediction[0, 0] = 255, 2
    assert not (panels(image, truth, prediction)["Errors"][..., :3] == ERROR).all(axis=2).any()


def test_what_was_called_right_is_grey_and_dim() -> None:
    image, truth, prediction = blank()
    image[:] = np.array([30, 60, 150], dtype=np.uint8)[:, None, None]
    assert panels(image, truth, prediction)["Errors"][0, 0, :3].tolist() == [48, 48, 48]  # 0.6 × the mean, 80


def test_tensors_and_arrays_give_the_same_bytes() -> None:
    arrays = blank()
    tensors = [torch.from_numpy(array) for array in arrays]
    assert comparison(*tensors, PALETTE) == comparison(*arrays, PALETTE)


def test_shapes_that_disagree_are_named() -> None:
    image, truth, _ = blank()
    with pytest.raises(ValueError, match=r"prediction \(8, 8\)"):
        comparison(image, truth, truth[:8, :8], PALETTE)


def test_an_image_whose_colours_come_last_is_refused() -> None:
    image, truth, prediction = blank()
    with pytest.raises(ValueError, match=r"image \(16, 16, 3\)"):
        comparison(np.moveaxis(image, 0, 2), truth, prediction, PALETTE)


@pytest.mark.parametrize("which", ["truth", "prediction"])
def test_a_class_without_a_colour_is_named(which: str) -> None:
    image, truth, prediction = blank()
    {"truth": truth, "prediction": prediction}[which][0, 0] = 7
    with pytest.raises(ValueError, match=f"{which} holds class 7, but the palette has 3 colours"):
        comparison(image, truth, prediction, PALETTE)
