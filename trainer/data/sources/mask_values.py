"""What the pixels of a mask's file mean: class indices by a table, or colours by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.data.sources.base import Pixels, UnusableImageError
from trainer.data.sources.pictures import read_colours, read_labels
from trainer.labels import IGNORE

_TOLD = 8  # a mask with smoothed edges has thousands of colours that mean nothing


class MaskValues(Protocol):
    """One way to write classes into a file."""

    def read(self, data: bytes, file: str) -> Pixels:
        """Class indices or IGNORE, `[H, W]`.

        Raises:
            UnusableImageError: the file is no such mask, or holds a value that means nothing.
        """
        ...


class IndexValues:
    """Values are class indices; those in `ignore` belong to no class."""

    def __init__(self, classes: int, ignore: Sequence[int]) -> None:
        self._classes = classes
        self._is_known = np.isin(np.arange(256), [*range(classes), *ignore])
        self._class_of = np.where(np.arange(256) < classes, np.arange(256), IGNORE).astype(np.uint8)

    def read(self, data: bytes, file: str) -> Pixels:
        labels = read_labels(data, file)
        found = np.bincount(labels.ravel(), minlength=256)
        if unknown := np.flatnonzero((found > 0) & ~self._is_known).tolist():
            known = f"one of the {self._classes} classes nor in source.ignore"
            counts = [(str(value), int(found[value])) for value in unknown]
            raise _unknown(file, f"values that are neither {known}", counts, "name every class in source.classes")
        return self._class_of[labels]


class ColourValues:
    """Each class has a colour; those in `ignore` belong to no class."""

    def __init__(self, colours: Sequence[tuple[int, int, int]], ignore: Sequence[tuple[int, int, int]]) -> None:
        self._class_of = np.zeros(1 << 24, np.uint16)  # the class + 1 by colour; memory that is never touched is never taken
        self._class_of[_codes(np.array(colours, np.uint8))] = np.arange(len(colours)) + 1
        self._class_of[_codes(np.array(ignore, np.uint8).reshape(-1, 3))] = IGNORE + 1

    def read(self, data: bytes, file: str) -> Pixels:
        codes = _codes(read_colours(data, file))
        classes = self._class_of[codes]
        if not classes.all():
            unknown, pixels = np.unique(codes[classes == 0], return_counts=True)
            most_first = np.argsort(-pixels, kind="stable")
            told = [(_colour(int(unknown[place])), int(pixels[place])) for place in most_first[: _TOLD + 1]]
            raise _unknown(
                file, "colours that are neither in source.colours nor in source.ignore_colours", told, "name the colour of every class"
            )
        return (classes - 1).astype(np.uint8)


def _codes(colours: Pixels) -> NDArray[np.uint32]:
    """Colours `[…, 3]` as numbers of 24 bits."""
    codes = colours[..., 0].astype(np.uint32)
    for channel in (1, 2):
        codes = codes * np.uint32(256) + colours[..., channel]
    return codes


def _colour(code: int) -> str:
    return str([code >> 16, code >> 8 & 255, code & 255])


def _unknown(file: str, what: str, counts: Sequence[tuple[str, int]], advice: str) -> UnusableImageError:
    told = ", ".join(f"{value} in {pixels} pixels" for value, pixels in counts[:_TOLD])
    return UnusableImageError(file, f"holds {what}: {told}{', …' if len(counts) > _TOLD else ''}; {advice}")
