"""A small PASCAL VOC, as a user would have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.mask_data import Array, encoded, picture, put

SPLITS = {"train": 12, "val": 4}
PALETTE = [value for index in range(256) for value in (index, 255 - index, 7 * index % 256)]  # VOC's own does not matter: indices count


def voc_labels(number: int, height: int = 32, width: int = 48) -> Array:
    """An object of one of four classes on background, with a border of 255."""
    mask = np.zeros((height, width), np.uint8)
    mask[4:20, 6:30] = 255
    mask[5:19, 7:29] = number % 4 + 1
    return mask


def voc_mask(labels: Array) -> bytes:
    mask = Image.fromarray(labels)
    mask.putpalette(PALETTE)
    return encoded(mask)


def put_voc_pair(root: Path, stem: str, number: int = 0) -> None:
    put(root / f"JPEGImages/{stem}.jpg", encoded(Image.fromarray(picture(number, 32, 48)), "JPEG"))
    put(root / f"SegmentationClass/{stem}.png", voc_mask(voc_labels(number)))


def voc_folder(root: Path) -> Path:
    """Sixteen images with masks in two lists, and one image without mask, as most of VOC's have none."""
    number = 0
    for split, images in SPLITS.items():
        stems = [f"2007_{number:06d}" for number in range(number, number + images)]
        put(root / f"ImageSets/Segmentation/{split}.txt", "".join(f"{stem}\n" for stem in stems).encode())
        for stem in stems:
            put_voc_pair(root, stem, number)
            number += 1
    put(root / "JPEGImages/2008_000001.jpg", encoded(Image.fromarray(picture(99)), "JPEG"))
    put(root / "Annotations/2007_000000.xml", b"<annotation/>")
    return root
