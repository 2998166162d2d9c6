"""What a source of images can do: list its samples cheaply, and read one of them in a worker process.

Sources import no torch: preparing runs in as many processes as there are cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DataError

Pixels = NDArray[np.uint8]
Target = Literal["mask", "label"]  # what there is to learn of an image
Item = TypeVar("Item")


class UnusableImageError(DataError):
    """One picture or its mask cannot be used; the source's policy decides whether that ends the stage."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} {reason}")
        self.file = file
        self.reason = reason


@dataclass(frozen=True)
class Sample:
    """An image with what is to be learnt of it.

    Args:
        image: the file that goes into the shard.
        extension: of that file, `png` or `jpg`.
        pixels: `[H, W, 3]`, the decoded image.
        target: a mask `[H, W]` of class indices or IGNORE, or the class index of the whole image; as `Source.target` says.
        file: of the source, as messages name it; empty where it was read from none.
    """

    name: str
    image: bytes
    extension: str
    pixels: Pixels
    target: Pixels | int
    file: str = ""


class Source(Protocol[Item]):
    """Where images come from. Opening one is cheap; every worker process opens its own."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the targets' values."""
        ...

    @property
    def target(self) -> Target: ...

    @property
    def splits(self) -> tuple[str, ...]: ...

    def count(self, split: str) -> int:
        """How many items a split has."""
        ...

    def items(self, split: str) -> Iterator[Item]:
        """What `read` takes, in a fixed order; small and picklable.

        Raises:
            DataError: the split cannot be listed.
        """
        ...

    def read(self, item: Item) -> Sample:
        """Read and decode one sample.

        Raises:
            UnusableImageError: this picture or its mask cannot be used.
        """
        ...

    def digest(self) -> str:
        """Names the content of the source, whatever its place."""
        ...
