"""A model, a task and data small enough to check by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.batch import Batch, Loss, Scores
from trainer.config import CosineConfig, SGDConfig
from trainer.hooks.base import Hook
from trainer.optim.optimiser import build_optimiser
from trainer.optim.precision import Precision
from trainer.state import StepResult, TrainState
from trainer.world import World

CPU = torch.device("cpu")


class Fixed(nn.Module):
    """A model that always gives the same scores."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


class Brightness(nn.Module):
    """One number an image: a weighted sum of its mean colours."""

    def __init__(self, dtype: torch.dtype = torch.float64, factor: float = 1.0) -> None:
        super().__init__()
        self.weights = nn.Linear(3, 1, bias=False, dtype=dtype)
        self.factor = factor
        nn.init.constant_(self.weights.weight, 0.1)

    def forward(self, images: Tensor) -> Tensor:
        return self.weights(self.factor * images.to(self.weights.weight.dtype).mean(dim=(-2, -1)))[:, 0]


class Regression:
    """Squared error of one number an image; images whose target is 255 do not count."""

    count_per_sample = 1.0

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        targets = batch.targets.double().mean(dim=(-2, -1))
        counted = targets != 255
        return Loss(((model(batch.images) - targets)[counted] ** 2).sum(), counted.sum())


def state_of(
    world: World | None = None,
    *,
    model: nn.Module | None = None,
    lr: float = 1e-3,
    clip: float = 0.0,
    steps: int = 10,
    batch: int = 4,
    precision: str = "float64",
) -> TrainState:
    model = model or Brightness()
    optimiser = SGDConfig(momentum=0.0, weight_decay=0.0, clip_norm=clip)
    return TrainState(
        model=model,
        module=model,
        optimiser=build_optimiser(model, optimiser, fused=False),
        optimiser_config=optimiser,
        schedule=CosineConfig(peak_lr=lr, final_lr=lr, warmup_steps=0, total_steps=steps),
        precision=Precision(precision, CPU),
        world=world or World(),
        global_batch=batch,
    )


def images_of(values: Sequence[int], targets: Sequence[int]) -> Batch:
    """Images of one colour, 2 × 2, each with its target in every pixel."""
    images = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return Batch(images, torch.tensor(targets, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 2, 2), torch.arange(len(values)))


class Diary(Hook):
    """Writes down which events came, and where the run was."""

    def __init__(self, name: str = "", events: list[str] | None = None) -> None:
        self.name, self.events = name, events if events is not None else []
        self.results: list[StepResult] = []

    def on_start(self, state: TrainState) -> None:
        self.events.append(f"{self.name}start@{state.step}")

    def on_step(self, state: TrainState, result: StepResult) -> None:
        self.results.append(result)
        self.events.append(f"{self.name}step@{state.step}")

    def on_evaluated(self, state: TrainState, scores: Scores) -> None:
        self.events.append(f"{self.name}evaluated@{state.step}")

    def on_stop(self, state: TrainState) -> None:
        self.events.append(f"{self.name}stop@{state.step}")

    def on_success(self, state: TrainState) -> None:
        self.events.append(f"{self.name}success@{state.step}")

    def close(self) -> None:
        self.events.append(f"{self.name}close")
