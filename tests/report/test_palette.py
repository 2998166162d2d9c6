"""Colours of classes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from trainer.report.palette import class_palette, oklab


@pytest.mark.parametrize("classes", [1, 2, 3, 11, 12, 13, 21, 32])
def test_any_two_of_up_to_32_classes_are_told_apart(classes: int) -> None:
    colours = oklab(class_palette(classes))
    distances = [float(np.linalg.norm(a - b)) for a, b in combinations(colours, 2)]
    assert len(colours) == classes
    assert all(distance > 0.1 for distance in distances)  # about five times the smallest difference that is seen


def test_every_class_of_the_largest_data_set_has_a_colour_of_its_own() -> None:
    assert len(np.unique(class_palette(255), axis=0)) == 255


def test_the_colour_of_a_class_does_not_depend_on_how_many_follow_it() -> None:
    assert np.array_equal(class_palette(40)[:15], class_palette(15))


def test_class_zero_is_the_greyest() -> None:
    lab = oklab(class_palette(32))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    assert chroma.argmin() == 0
    assert chroma[0] < chroma[1:].min() / 2


def test_colours_are_bytes() -> None:
    assert class_palette(20).dtype == np.uint8


@pytest.mark.parametrize(("rgb", "lightness"), [((0, 0, 0), 0.0), ((255, 255, 255), 1.0)])
def test_the_ends_of_the_lightness_scale_are_black_and_white(rgb: tuple[int, int, int], lightness: float) -> None:
    lab = oklab(np.array([rgb], dtype=np.uint8))[0]
    assert lab == pytest.approx([lightness, 0, 0], abs=1e-4)
