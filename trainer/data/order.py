"""The order of samples: a pure function of (seed, position). It knows no rank, no worker and no world size.

Position p of the run is place p mod n of epoch p div n; each epoch is a permutation of its own, so a global
batch may straddle two epochs and no sample is dropped at an epoch's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trainer.errors import ConfigError


@dataclass(frozen=True)
class Place:
    """One sample of the run: which of the split, in which epoch. Its augmentation draws from (seed, epoch, index)."""

    epoch: int
    index: int


@lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """The order of an epoch. PCG64 seeded by (seed, epoch): the same on every machine."""
    return np.random.default_rng([seed, epoch]).permutation(samples)


def place_at(position: int, seed: int, samples: int) -> Place:
    """The sample at a position of the run, counted from 0."""
    epoch, offset = divmod(position, samples)
    return Place(epoch, int(permutation(seed, epoch, samples)[offset]))


def share(global_batch: int, rank: int, size: int) -> range:
    """A rank's places within each global batch: contiguous, and as even as they can be.

    Raises:
        ConfigError: there are more ranks than samples.
    """
    if global_batch < size:
        raise ConfigError(
            f"training.global_batch={global_batch} is below the {size} ranks, so that some would have nothing to do; "
            "raise it, or start fewer workers"
        )
    return range(global_batch * rank // size, global_batch * (rank + 1) // size)


@dataclass(frozen=True)
class Order:
    """The run's samples as one rank meets them.

    Args:
        samples: in the split.
        global_batch: samples of one optimiser step over all ranks.
        micro_batch: most samples in one forward pass of a rank.
    """

    seed: int
    samples: int
    global_batch: int
    micro_batch: int

    def micro_batches(self, rank: int, size: int, first_step: int, last_step: int) -> Iterator[list[Place]]:
        """The rank's micro-batches of steps `first_step` … `last_step - 1`, in order."""
        mine = share(self.global_batch, rank, size)
        for step in range(first_step, last_step):
            start = step * self.global_batch
            for low in range(mine.start, mine.stop, self.micro_batch):
                high = min(low + self.micro_batch, mine.stop)
                yield [place_at(start + offset, self.seed, self.samples) for offset in range(low, high)]

    def micro_batches_per_step(self, rank: int, size: int) -> int:
        return -(-len(share(self.global_batch, rank, size)) // self.micro_batch)
