"""The values that data, models, losses and tasks exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

Rows = dict[str, Tensor]  # one row an image
Sums = dict[str, Tensor]  # additive over batches and ranks
Scores = Mapping[str, float]


@dataclass(frozen=True)
class Batch:
    """Images of one size with what is to be learnt of them.

    Args:
        images: `[B, 3, H, W]` uint8; the model normalises them, on its device.
        targets: what the task learns: masks `[B, H, W]` uint8 of class indices or IGNORE, or labels `[B]` int64.
        ids: `[B]` int64, the samples' places in their split.
    """

    images: Tensor
    targets: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> Self:
        """The batch on a device; from pinned memory the copy does not wait."""
        return replace(
            self,
            images=self.images.to(device, non_blocking=True),
            targets=self.targets.to(device, non_blocking=True),
            ids=self.ids.to(device, non_blocking=True),
        )

    def pin_memory(self) -> Self:
        """Called by the DataLoader where the device is a GPU."""
        return replace(self, images=self.images.pin_memory(), targets=self.targets.pin_memory(), ids=self.ids.pin_memory())


@dataclass(frozen=True)
class Loss:
    """A sum and what it is divided by (pixels that count, images, boxes): unequal shares then stay exact.

    Args:
        total: scalar, differentiable.
        count: scalar.
    """

    total: Tensor
    count: Tensor
