"""What must come of bad input: a sample that is used or left out, a stage that stops, or a notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from tests.bad_sources import Samples
from tests.mask_data import Array
from trainer.errors import DataError, SightlineError

Policy = Literal["raise", "skip"]
Spoil = Callable[[Path], object]
UNTAUGHT = "split val holds classes that split train never shows, so they cannot be learnt: "


class Left(NamedTuple):
    """A sample that is left out; its name is empty where the good data has none such."""

    name: str
    file: str
    reason: str  # its beginning


@dataclass(frozen=True)
class Outcome:
    """What must come of an input: nothing special, by default."""

    left: tuple[Left, ...] = ()
    notices: tuple[str, ...] = ()
    renamed: tuple[str, str] = ("", "")  # a sample of the good data, and the one that takes its place

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        """What stops the stage, and a part of its message."""
        return None

    def samples(self, good: Samples) -> Samples:
        """The names in the shards."""
        before, after = self.renamed
        return {split: [after if name == before else name for name in names] for split, names in good.items()}

    def check(self, images: dict[str, Array], targets: dict[str, Array | int]) -> None:
        """Look at the samples, by name."""


@dataclass(frozen=True)
class Used(Outcome):
    """The sample `name` is used; `pixels` and `target` are what the shard must hold of it, where the input decides that."""

    name: str = ""
    pixels: Array | None = field(default=None, repr=False)
    target: Array | int | None = field(default=None, repr=False)

    def check(self, images: dict[str, Array], targets: dict[str, Array | int]) -> None:
        if self.pixels is not None:
            assert np.array_equal(images[self.name], self.pixels)
        if self.target is not None:
            assert np.array_equal(targets[self.name], self.target)


@dataclass(frozen=True)
class Unusable(Outcome):
    """Samples are left out, or the first of them stops the stage."""

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        return (DataError, f"{self.left[0].file} {self.left[0].reason}") if policy == "raise" else None

    def samples(self, good: Samples) -> Samples:
        lost = {left.name for left in self.left}
        return {split: [name for name in names if name not in lost] for split, names in good.items()}


@dataclass(frozen=True)
class NotMeant(Outcome):
    """A sample is not one of the source's, and nothing is told."""

    name: str = ""

    def samples(self, good: Samples) -> Samples:
        return {split: [name for name in names if name != self.name] for split, names in good.items()}


@dataclass(frozen=True)
class Stops(Outcome):
    """The stage stops whatever the policy, because no sample is to blame."""

    kind: type[SightlineError] = DataError
    message: str = ""

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        return self.kind, self.message


@dataclass(frozen=True)
class Untaught(Outcome):
    """A notice that stops the stage where the policy is `raise`."""

    def error(self, policy: Policy) -> tuple[type[SightlineError], str] | None:
        return (DataError, self.notices[0]) if policy == "raise" else None


class Cell(NamedTuple):
    """Good data of a source, how it is spoilt, what must come of it, and settings of the source that it takes."""

    row: str
    source: str
    spoil: Spoil
    outcome: Outcome
    settings: dict[str, Any] = {}  # noqa: RUF012  # read alone


def unusable(name: str, file: str, reason: str) -> Unusable:
    return Unusable(left=(Left(name, file, reason),))


def stops(message: str, kind: type[SightlineError] = DataError) -> Stops:
    return Stops(kind=kind, message=message)


def untaught(names: str, renamed: tuple[str, str] = ("", "")) -> Untaught:
    return Untaught(notices=(UNTAUGHT + names,), renamed=renamed)
