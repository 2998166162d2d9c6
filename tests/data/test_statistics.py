from itertools import permutations

import numpy as np
import pytest

from tests.mask_data import labels, picture
from trainer.data.encoding import count
from trainer.data.shard_writer import EncodedSample
from trainer.data.sources import Sample
from trainer.data.statistics import SplitStatistics
from trainer.data.targets import TARGETS

SIZES = ((5, 7), (4, 9), (8, 8))


def sample(number: int) -> Sample:
    height, width = SIZES[number]
    mask = labels(number, height, width)
    mask[0, : number + 1] = 255
    return Sample(str(number), b"", "png", picture(number, height, width), mask)


def added(order: tuple[int, ...] = (0, 1, 2)) -> SplitStatistics:
    statistics = SplitStatistics("mask", classes=4)
    for number in order:
        height, width = SIZES[number]
        statistics.add(EncodedSample(str(number), b"", "png", b"", "mask.png", height, width), count(sample(number), TARGETS["mask"]))
    return statistics


def test_mean_and_std_are_those_of_all_pixels_together() -> None:
    pixels = np.concatenate([sample(number).pixels.reshape(-1, 3) for number in range(3)]).astype(np.float64)
    mean, std = added().mean_and_std()
    assert mean == pytest.approx(pixels.mean(axis=0), rel=1e-14)
    assert std == pytest.approx(pixels.std(axis=0), rel=1e-14)


def test_the_order_of_the_samples_does_not_change_a_bit() -> None:
    assert {added(order).mean_and_std() for order in permutations(range(3))} == {added().mean_and_std()}


def test_one_colour_has_no_spread_at_all() -> None:
    statistics = SplitStatistics("mask", classes=4)
    flat = Sample("flat", b"", "png", np.full((300, 300, 3), 201, np.uint8), np.zeros((300, 300), np.uint8))
    statistics.add(EncodedSample("flat", b"", "png", b"", "mask.png", 300, 300), count(flat, TARGETS["mask"]))
    assert statistics.mean_and_std() == ((201, 201, 201), (0, 0, 0))


def test_pixels_are_counted_for_each_class_and_ignored_ones_apart() -> None:
    masks = np.concatenate([sample(number).target.ravel() for number in range(3)])
    split = added().summary("train", ())
    assert split.class_counts == (*(int((masks == value).sum()) for value in range(3)), 0)
    assert split.ignored == int((masks == 255).sum()) == 6


def test_smallest_and_largest_are_of_heights_and_widths_apart() -> None:
    split = added().summary("train", ())
    assert (split.smallest, split.largest) == ((4, 7), (8, 9))


def test_labels_are_counted_in_images_also_beyond_what_a_mask_can_hold() -> None:
    statistics = SplitStatistics("label", classes=1000)
    for label in (0, 255, 999, 999):
        grey = Sample("x", b"", "png", np.zeros((2, 2, 3), np.uint8), label)
        statistics.add(EncodedSample("x", b"", "png", b"", "cls", 2, 2), count(grey, TARGETS["label"]))

    split = statistics.summary("train", ())

    assert {label: images for label, images in enumerate(split.class_counts) if images} == {0: 1, 255: 1, 999: 2}
    assert (len(split.class_counts), split.ignored) == (1000, 0)
