"""What the manifest says about the pixels of a data set, added up sample by sample."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import sqrt

import numpy as np

from trainer.data.encoding import Counts
from trainer.data.shard_writer import EncodedSample
from trainer.data.sources.base import Target
from trainer.labels import IGNORE
from trainer.reports import Shard, Split


class SplitStatistics:
    """Integers throughout: the same whatever the order and the number of processes."""

    def __init__(self, target: Target, classes: int) -> None:
        self._target: Target = target
        self._classes = classes
        self._values = np.zeros(max(classes, IGNORE + 1), np.int64)
        self._pixels = 0
        self._sums = np.zeros(3, np.int64)
        self._squares = np.zeros(3, np.int64)  # 64 bits hold the squares of 10¹⁴ pixels
        self._smallest = (sys.maxsize, sys.maxsize)
        self._largest = (0, 0)

    def add(self, sample: EncodedSample, counts: Counts) -> None:
        self._values[: len(counts.values)] += counts.values
        self._pixels += sample.height * sample.width
        self._sums += counts.sums
        self._squares += counts.squares
        self._smallest = (min(self._smallest[0], sample.height), min(self._smallest[1], sample.width))
        self._largest = (max(self._largest[0], sample.height), max(self._largest[1], sample.width))

    @property
    def class_counts(self) -> tuple[int, ...]:
        """How many pixels, or images, each class has."""
        return tuple(self._values[: self._classes].tolist())

    def mean_and_std(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Of all pixels, for each of R, G, B."""
        pixels = self._pixels
        red, green, blue = zip(self._sums.tolist(), self._squares.tolist(), strict=True)
        mean = red[0] / pixels, green[0] / pixels, blue[0] / pixels
        return mean, (_std(*red, pixels), _std(*green, pixels), _std(*blue, pixels))

    def summary(self, name: str, shards: Sequence[Shard]) -> Split:
        """The split as the manifest describes it. Smallest and largest are taken of heights and widths apart."""
        return Split(
            name=name,
            target=self._target,
            samples=sum(shard.samples for shard in shards),
            shards=tuple(shards),
            class_counts=self.class_counts,
            ignored=int(self._values[self._classes :].sum()),
            smallest=self._smallest,
            largest=self._largest,
        )


def _std(total: int, squares: int, count: int) -> float:
    """Python's integers have no limit, so nothing cancels."""
    return sqrt(count * squares - total * total) / count
