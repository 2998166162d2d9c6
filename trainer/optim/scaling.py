"""Loss scaling: gradients are computed a power of two larger, so that fp16 does not round the small ones to zero (arXiv:1710.03740).

torch.amp.GradScaler does the same, but judges each gradient on its own rank before it is clipped. Here the verdict comes from
the reduced loss and the norm of the whole gradient, and the one multiplication that brings in the true count takes the scale out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

LOWEST_SCALE = 2.0**-14  # fp16's smallest normal number; 30 steps in a row below the first scale, it is the run that is at fault


class LossScale(Protocol):
    """What a loss is multiplied by before it is back-propagated. The same on every rank, because its verdicts are."""

    @property
    def scale(self) -> float: ...

    @property
    def skipped(self) -> int:
        """Steps that were left out because the scale was too high for them."""
        ...

    def step_taken(self) -> None:
        """The gradient was finite."""
        ...

    def lower(self) -> bool:
        """The gradient was not finite: make room, if that can help."""
        ...

    def saved(self) -> dict[str, float]:
        """Its state, as a checkpoint keeps it; empty where it has none."""
        ...

    def restore(self, saved: Mapping[str, float]) -> None: ...


class FixedScale:
    """For numbers with float32's range: nothing is scaled, and a step that is not finite is a fault."""

    scale = 1.0
    skipped = 0

    def step_taken(self) -> None: ...

    def lower(self) -> bool:
        return False

    def saved(self) -> dict[str, float]:
        return {}

    def restore(self, saved: Mapping[str, float]) -> None: ...


@dataclass
class DynamicScale:
    """For fp16: halved where a step overflows, doubled after `growth_interval` good ones in a row. Starts and moves as torch's does."""

    scale: float = 2.0**16
    good_steps: int = 0
    skipped: int = 0
    growth_interval: int = 2000

    def step_taken(self) -> None:
        self.good_steps += 1
        if self.good_steps == self.growth_interval:
            self.scale, self.good_steps = self.scale * 2, 0

    def lower(self) -> bool:
        """False once the scale is at its lowest."""
        if self.scale <= LOWEST_SCALE:
            return False
        self.scale, self.good_steps, self.skipped = self.scale / 2, 0, self.skipped + 1
        return True

    def saved(self) -> dict[str, float]:
        return {"scale": self.scale, "good_steps": self.good_steps, "skipped": self.skipped}

    def restore(self, saved: Mapping[str, float]) -> None:
        self.scale, self.good_steps, self.skipped = float(saved["scale"]), int(saved["good_steps"]), int(saved["skipped"])
