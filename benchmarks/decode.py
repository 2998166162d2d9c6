"""Decoding an image to uint8: torchvision, which we use although it is deprecated since 0.29, against Pillow."""

# torchvision is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

from benchmarks._pairs import compare

SIDE, IMAGES = 256, 100


def picture(number: int) -> Image.Image:
    """Smooth noise: about as hard to decode as a photograph."""
    coarse = np.random.default_rng(number).integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def encoded(kind: str) -> list[bytes]:
    files = [BytesIO() for _ in range(IMAGES)]
    for number, file in enumerate(files):
        picture(number).save(file, kind)
    return [file.getvalue() for file in files]


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    for kind in ("jpeg", "png"):
        files = encoded(kind)

        def pillow(files: list[bytes] = files) -> int:
            return sum(torch.from_numpy(np.array(Image.open(BytesIO(data)).convert("RGB"))).shape[0] == SIDE for data in files)

        def torchvision(files: list[bytes] = files) -> int:
            tensors = (torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in files)
            return sum(decode_image(data, ImageReadMode.RGB).shape[1] == SIDE for data in tensors)

        compare(f"decode_{kind}", torchvision, pillow, labels=(f"torchvision, {kind} {SIDE} px", f"Pillow, {kind} {SIDE} px"))


if __name__ == "__main__":
    main()
