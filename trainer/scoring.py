"""Scoring a model: add up counts, reduce once, divide once. Exact for any number of ranks."""

# torch leaves Tensor.tolist untyped
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.batch import Batch, Sums
from trainer.optim.precision import Precision
from trainer.tasks.base import Task
from trainer.world import World


@dataclass(frozen=True)
class Scored:
    """What scoring found: the counts added up over all images, and one figure for each image by its id."""

    sums: Sums
    by_image: dict[int, float]


def score(model: nn.Module, batches: Iterable[Batch], task: Task, world: World, precision: Precision) -> Scored:
    """Score a model on every rank's batches together.

    Args:
        batches: this rank's part of the images; no image on two ranks.
    """
    totals: Sums = {}
    by_image: dict[int, float] = {}
    with _evaluating(model), precision.autocast():
        for batch in batches:
            rows = task.score(task.predict(model, batch.images), batch)
            for name, count in task.add_up(rows).items():
                totals[name] = totals[name] + count if name in totals else count
            by_image.update(zip(batch.ids.tolist(), task.main_score(rows).tolist(), strict=True))
    return Scored(_reduced(totals, world), {image: value for part in world.gather(by_image) for image, value in part.items()})


def _reduced(totals: Sums, world: World) -> Sums:
    """The counts of all ranks; a rank that had no image has no names either, so they come as objects."""
    parts = world.gather({name: total.cpu() for name, total in totals.items()})
    names = sorted({name for part in parts for name in part})
    return {name: _sum(part[name] for part in parts if name in part) for name in names}


def _sum(tensors: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).sum(dim=0)


@contextmanager
def _evaluating(model: nn.Module) -> Generator[None]:
    """Evaluation mode without gradients, and back to the mode that it was in, after an error too."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
