"""The examples of a report: which images are shown, and how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import nn

from trainer.data.decoding import decoded
from trainer.data.shards import ShardedSplit
from trainer.data.transforms import View
from trainer.reports import Example
from trainer.tasks.base import Rendered, Task

Rank = Literal["worst", "median", "best"]


class Choice(NamedTuple):
    """An image of the split, by its place, with its score and among which it is."""

    rank: Rank
    score: float
    image: int


def choose(by_image: Mapping[int, float], wanted: int) -> list[Choice]:
    """Half of them the worst, worst first; of the rest as many from around the median as from the best. No image twice."""
    ranked = sorted((value, image) for image, value in by_image.items() if not math.isnan(value))
    count = min(wanted, len(ranked))
    worst, best = -(-count // 2), count // 4
    median = count - worst - best
    first = max(worst, min((len(ranked) - median) // 2, len(ranked) - best - median))
    groups: dict[Rank, range] = {
        "worst": range(worst),
        "median": range(first, first + median),
        "best": range(len(ranked) - best, len(ranked)),
    }
    return [Choice(rank, *ranked[place]) for rank, places in groups.items() for place in places]


def draw(
    choices: list[Choice], model: nn.Module, task: Task, split: ShardedSplit, view: View, classes: tuple[str, ...]
) -> list[tuple[Example, bytes]]:
    """Each choice as the report's example with its PNG; the model is asked again, an image at a time."""
    drawn: list[tuple[Example, bytes]] = []
    for choice in choices:
        rendered = _render(choice.image, model, task, split, view, classes)
        name = f"pictures/{choice.image:08d}.png"
        example = Example(sample=split.names[choice.image], score=choice.score, picture=name, rank=choice.rank, caption=rendered.caption)
        drawn.append((example, rendered.picture))
    return drawn


def _render(index: int, model: nn.Module, task: Task, split: ShardedSplit, view: View, classes: tuple[str, ...]) -> Rendered:
    image, truth = view.evaluate(*decoded(split, index))
    device = next(model.parameters()).device
    model.eval()
    with torch.no_grad():
        prediction = task.predict(model, image[None].to(device))[0].cpu()
    return task.render(image.numpy(), truth, prediction, classes)
