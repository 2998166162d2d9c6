"""What is learnt of an image, as a file of a shard: how it is written, and what is counted of it. Imports no torch."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.data.sources.base import Pixels, Target
from trainer.data.sources.pictures import encode_png
from trainer.labels import IGNORE


class TargetFile(Protocol):
    """One kind of target. `extension` is of its member in a tar, by webdataset's conventions; `unit` is what is counted."""

    extension: str
    unit: Literal["pixels", "images"]

    def encode(self, target: Pixels | int) -> bytes: ...

    def count(self, target: Pixels | int) -> NDArray[np.int64]:
        """How often each value occurs, `[values]`; the manifest adds these up."""
        ...


class MaskFile:
    """A class index for each pixel, as greyscale PNG."""

    extension = "mask.png"
    unit: Literal["pixels", "images"] = "pixels"

    def encode(self, target: Pixels | int) -> bytes:
        return encode_png(np.asarray(target, np.uint8))

    def count(self, target: Pixels | int) -> NDArray[np.int64]:
        return np.bincount(np.asarray(target).ravel(), minlength=IGNORE + 1)


class LabelFile:
    """The class index of the whole image, in decimal digits."""

    extension = "cls"
    unit: Literal["pixels", "images"] = "images"

    def encode(self, target: Pixels | int) -> bytes:
        return b"%d" % int(target)

    def count(self, target: Pixels | int) -> NDArray[np.int64]:
        return np.bincount([int(target)])


TARGETS: dict[Target, TargetFile] = {"mask": MaskFile(), "label": LabelFile()}
