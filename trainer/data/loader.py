"""From shards to batches on the device: a plain DataLoader over a stateless order."""

# torch's data-loading classes are only partly typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainer.batch import Batch
from trainer.config import DataConfig, LoaderConfig
from trainer.data.decoding import decoded
from trainer.data.order import Order, Place
from trainer.data.shards import ShardedSplit
from trainer.data.transforms import View, augment, open_view
from trainer.lifeline import die_with_parent
from trainer.world import World

_PREFETCH = 4  # micro-batches that each worker keeps ready
Sample = tuple[Tensor, Tensor, int]  # image [3, H, W] uint8, target, index


class AugmentedSet(Dataset[Sample]):
    """Samples of a split as training sees them, by their place in the run."""

    def __init__(self, split: ShardedSplit, seed: int, view: View) -> None:
        self._split, self._seed, self._view = split, seed, view

    def __getitem__(self, place: Place) -> Sample:
        return *augment(self._view, *decoded(self._split, place.index), place, self._seed), place.index


class EvaluatedSet(Dataset[Sample]):
    """Samples of a split as scores are taken on them, by index."""

    def __init__(self, split: ShardedSplit, view: View) -> None:
        self._split, self._view = split, view

    def __getitem__(self, index: int) -> Sample:
        return *self._view.evaluate(*decoded(self._split, index)), index


def training_batches(
    split: ShardedSplit, order: Order, data: DataConfig, loader: LoaderConfig, world: World, steps: range
) -> Iterator[Sequence[Batch]]:
    """For each step of the range, this rank's share of the global batch, as micro-batches on the device."""
    batches = _load(AugmentedSet(split, order.seed, open_view(data)), _Batches(order, world, steps), loader, world)
    per_step = order.micro_batches_per_step(world.rank, world.size)
    while step := list(islice(batches, per_step)):
        yield step


def evaluation_batches(split: ShardedSplit, data: DataConfig, loader: LoaderConfig, world: World) -> Iterator[Batch]:
    """Every image of a split once over all ranks, none twice and none padded.

    Images of one size share a batch, of no more pixels than a micro-batch of crops has.
    """
    mine = range(len(split) * world.rank // world.size, len(split) * (world.rank + 1) // world.size)
    pixels = loader.micro_batch * data.crop[0] * data.crop[1]
    view = open_view(data)
    return _load(EvaluatedSet(split, view), _same_size_runs(split, view, mine, pixels), loader, world)


class _Batches:
    """The order as a batch sampler: an iterable that a DataLoader may hold without drawing from it."""

    def __init__(self, order: Order, world: World, steps: range) -> None:
        self._order, self._world, self._steps = order, world, steps

    def __iter__(self) -> Iterator[list[Place]]:
        return self._order.micro_batches(self._world.rank, self._world.size, self._steps.start, self._steps.stop)


def _same_size_runs(split: ShardedSplit, view: View, indices: range, most_pixels: int) -> list[list[int]]:
    """Neighbours of one size, as many as the pixels allow; what is grouped does not change any image's score."""
    runs: list[list[int]] = []
    last = None
    for index in indices:
        height, width = size = view.evaluated_size(*split.sizes[index].tolist())
        if size != last or (len(runs[-1]) + 1) * height * width > most_pixels:
            runs.append([])
        runs[-1].append(index)
        last = size
    return runs


def _load(samples: Dataset[Sample], batches: _Batches | list[list[int]], config: LoaderConfig, world: World) -> Iterator[Batch]:
    loader = DataLoader(
        samples,
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]  # any iterable of lists serves
        num_workers=config.workers,
        prefetch_factor=_PREFETCH if config.workers else None,
        collate_fn=_collate,
        pin_memory=world.device.type == "cuda",
        worker_init_fn=_start_worker,
    )
    return (batch.to(world.device) for batch in loader)


def _start_worker(_: int) -> None:
    die_with_parent()
    torch.set_num_threads(1)


def _collate(samples: list[Sample]) -> Batch:
    images, targets, indices = zip(*samples, strict=True)
    return Batch(torch.stack(images), torch.stack(targets), torch.tensor(indices))
