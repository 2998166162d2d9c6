"""The files of a sample, as tensors."""

# torchvision is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image  # deprecated, and still the fastest: docs/adr/0006

from trainer.data.shards import ShardedSplit
from trainer.errors import CorruptObjectError


def decoded(split: ShardedSplit, index: int) -> tuple[Tensor, Tensor]:
    """An image `[3, H, W]` uint8 as it is in the shards, and its target: a mask `[H, W]` uint8 or a label `[]` int64.

    Raises:
        CorruptObjectError: a file does not decode.
    """
    image, target = split.read(index)
    try:
        return decode_image(_bytes(image), ImageReadMode.RGB), _DECODERS[split.target](target)
    except (RuntimeError, ValueError) as error:
        raise CorruptObjectError(
            f"sample {split.names[index]} does not decode ({error}), though it did when prepared: delete the data set and prepare it again"
        ) from error


def _mask(data: bytes) -> Tensor:
    return decode_image(_bytes(data), ImageReadMode.UNCHANGED)[0]


def _label(data: bytes) -> Tensor:
    return torch.tensor(int(data))


def _bytes(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


_DECODERS: dict[str, Callable[[bytes], Tensor]] = {"mask": _mask, "label": _label}
