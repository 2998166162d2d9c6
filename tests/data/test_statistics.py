from itertools import permutations

import numpy as np
import pytest

from tests.mask_data import labels, picture
from trainer.data.encoding import count
from trainer.data.shard_writer import EncodedSample
from trainer.data.sources import Sample
from trainer.data.statistics import SplitStatistics

SIZES = ((5, 7), (4, 9), (8, 8))


def sample(number: int) -> Sample:
    height, width = SIZES[number]
    mask = labels(number, height, width)
    mask[0, : number + 1] = 255
    return Sample(str(number), b"", "png", picture(number, height, width), mask)


def added(order: tuple[int, ...] = (0, 1, 2)) -> SplitStatistics:
    statistics = SplitStatistics()
    for number in order:
        height, width = SIZES[number]
        statistics.add(EncodedSample(str(number), b"", "png", b"", height, width), count(sample(number)))
    return statistics


def test_mean_and_std_are_those_of_all_pixels_together() -> None:
    pixels = np.concatenate([sample(number).pixels.reshape(-1, 3) for number in range(3)]).astype(np.float64)
    mean, std = added().mean_and_std()
    assert mean == pytest.approx(pixels.mean(axis=0), rel=1e-14)
    assert std == pytest.approx(pixels.std(axis=0), rel=1e-14)


def test_the_order_of_the_samples_does_not_change_a_bit() -> None:
    assert {added(order).mean_and_std() for order in permutations(range(3))} == {added().mean_and_std()}


def test_one_colour_has_no_spread_at_all() -> None:
    statistics = SplitStatistics()
    flat = Sample("flat", b"", "png", np.full((300, 300, 3), 201, np.uint8), np.zeros((300, 300), np.uint8))
    statistics.add(EncodedSample("flat", b"", "png", b"", 300, 300), count(flat))
    assert statistics.mean_and_std() == ((201, 201, 201), (0, 0, 0))


def test_pixels_are_counted_for_each_class_and_ignored_ones_apart() -> None:
    masks = np.concatenate([sample(number).mask.ravel() for number in range(3)])
    split = added().summary("train", (), classes=4)
    assert split.class_pixels == (*(int((masks == value).sum()) for value in range(3)), 0)
    assert split.ignored_pixels == int((masks == 255).sum()) == 6


def test_smallest_and_largest_are_of_heights_and_widths_apart() -> None:
    split = added().summary("train", (), classes=3)
    assert (split.smallest, split.largest) == ((4, 7), (8, 9))
