"""From shards to batches on the device: a plain DataLoader over a stateless order."""

# torch's data-loading classes are only partly typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_image  # deprecated, and still the fastest: docs/adr/0006

from trainer.batch import Batch
from trainer.config import DataConfig, LoaderConfig
from trainer.data.order import Order, Place
from trainer.data.shards import ShardedSplit
from trainer.data.transforms import augment
from trainer.errors import CorruptObjectError
from trainer.lifeline import die_with_parent
from trainer.world import World

_PREFETCH = 4  # micro-batches that each worker keeps ready
Sample = tuple[Tensor, Tensor, int]  # image [3, H, W] uint8, mask [H, W] uint8, index


class AugmentedSet(Dataset[Sample]):
    """Samples of a split as training sees them, by their place in the run."""

    def __init__(self, split: ShardedSplit, seed: int, config: DataConfig) -> None:
        self._split, self._seed, self._config = split, seed, config

    def __getitem__(self, place: Place) -> Sample:
        image, mask = decoded(self._split, place.index)
        return *augment(image, mask, place, self._seed, self._config), place.index


class WholeSet(Dataset[Sample]):
    """Samples of a split as they are, by index."""

    def __init__(self, split: ShardedSplit) -> None:
        self._split = split

    def __getitem__(self, index: int) -> Sample:
        return *decoded(self._split, index), index


def training_batches(
    split: ShardedSplit, order: Order, data: DataConfig, loader: LoaderConfig, world: World, steps: range
) -> Iterator[Sequence[Batch]]:
    """For each step of the range, this rank's share of the global batch, as micro-batches on the device."""
    batches = _load(AugmentedSet(split, order.seed, data), _Batches(order, world, steps), loader, world)
    per_step = order.micro_batches_per_step(world.rank, world.size)
    while step := list(islice(batches, per_step)):
        yield step


def whole_batches(split: ShardedSplit, data: DataConfig, loader: LoaderConfig, world: World) -> Iterator[Batch]:
    """Every image of a split once over all ranks, whole, none twice and none padded.

    Images of one size share a batch, of no more pixels than a micro-batch of crops has.
    """
    mine = range(len(split) * world.rank // world.size, len(split) * (world.rank + 1) // world.size)
    pixels = loader.micro_batch * data.crop[0] * data.crop[1]
    return _load(WholeSet(split), _same_size_runs(split, mine, pixels), loader, world)


class _Batches:
    """The order as a batch sampler: an iterable that a DataLoader may hold without drawing from it."""

    def __init__(self, order: Order, world: World, steps: range) -> None:
        self._order, self._world, self._steps = order, world, steps

    def __iter__(self) -> Iterator[list[Place]]:
        return self._order.micro_batches(self._world.rank, self._world.size, self._steps.start, self._steps.stop)


def _same_size_runs(split: ShardedSplit, indices: range, most_pixels: int) -> list[list[int]]:
    """Neighbours of one size, as many as the pixels allow; what is grouped does not change any image's score."""
    runs: list[list[int]] = []
    for index in indices:
        height, width = split.sizes[index].tolist()
        full = runs and (len(runs[-1]) + 1) * height * width > most_pixels
        if not runs or full or split.sizes[runs[-1][-1]].tolist() != [height, width]:
            runs.append([])
        runs[-1].append(index)
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
    images, masks, indices = zip(*samples, strict=True)
    return Batch(torch.stack(images), torch.stack(masks), torch.tensor(indices))


def decoded(split: ShardedSplit, index: int) -> tuple[Tensor, Tensor]:
    """An image `[3, H, W]` and its mask `[H, W]`, both uint8, as they are in the shards."""
    image, mask = (torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in split.read(index))
    try:
        return decode_image(image, ImageReadMode.RGB), decode_image(mask, ImageReadMode.UNCHANGED)[0]
    except RuntimeError as error:
        raise CorruptObjectError(
            f"sample {split.names[index]} does not decode ({error}), though it did when prepared: delete the data set and prepare it again"
        ) from error
