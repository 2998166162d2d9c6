from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from tests.processes import run_ranks
from trainer.batch import Batch
from trainer.optim.precision import Precision
from trainer.scoring import score
from trainer.tasks.segmentation import Segmentation
from trainer.world import World

CODE = """
import json
from tests.distributed.test_scoring import scored_share
from trainer.world import join_world
with join_world() as world:
    print(json.dumps(scored_share(world)))
"""
IMAGES = 3


class Threshold(nn.Module):
    """Says class 1 where the image's red is above 127."""

    def forward(self, images: Tensor) -> Tensor:
        red = images[:, :1].float() - 127.5
        return torch.cat([-red, red], dim=1)


def batches(first: int, last: int, size: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 3, 6, 6), dtype=torch.uint8, generator=generator)
    targets = torch.randint(0, 2, (IMAGES, 6, 6), dtype=torch.uint8, generator=generator)
    targets[:, 0] = 255
    return [
        Batch(images[low : min(low + size, last)], targets[low : min(low + size, last)], torch.arange(low, min(low + size, last)))
        for low in range(first, last, size)
    ]


def scored_share(world: World, size: int = 2) -> dict[str, object]:
    task = Segmentation(classes=2, count_per_sample=36)
    mine = batches(IMAGES * world.rank // world.size, IMAGES * (world.rank + 1) // world.size, size)
    scored = score(Threshold(), mine, task, world, Precision("float32", world.device))
    return {"confusion": scored.sums["confusion"].tolist(), "images": {str(key): scored.by_image[key] for key in sorted(scored.by_image)}}


@pytest.mark.parametrize("size", [2, 4])
def test_any_number_of_ranks_gives_the_very_same_scores(size: int) -> None:
    alone = scored_share(World(), size=1)

    ended = run_ranks(CODE, size)  # with 4 ranks, one has no image at all

    assert [rank.code for rank in ended] == [0] * size, ended[0].err
    assert all(json.loads(rank.out) == alone for rank in ended)
    assert sum(sum(row) for row in alone["confusion"]) == IMAGES * 30


def test_a_model_is_left_in_the_mode_that_it_was_in() -> None:
    model = Threshold().train()

    score(model, batches(0, 2, 1), Segmentation(2, 36), World(), Precision("float32", torch.device("cpu")))
    assert model.training

    with pytest.raises(RuntimeError):
        score(nn.Linear(3, 2).train(), batches(0, 2, 1), Segmentation(2, 36), World(), Precision("float32", torch.device("cpu")))
    score(model.eval(), batches(0, 2, 1), Segmentation(2, 36), World(), Precision("float32", torch.device("cpu")))
    assert not model.training
