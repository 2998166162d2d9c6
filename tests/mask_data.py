"""Small folders of images and masks, as a user would have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.config import MasksSource, RunConfig

Array = NDArray[Any]
CLASSES = ("background", "cell", "nucleus")


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def picture(number: int, height: int = 12, width: int = 16) -> Array:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def labels(number: int, height: int = 12, width: int = 16) -> Array:
    return np.random.default_rng(1000 + number).integers(0, len(CLASSES), (height, width), dtype=np.uint8)


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def pair(root: Path, stem: str, number: int = 0) -> None:
    """An image and its mask, `images/<stem>.png` and `masks/<stem>.png`."""
    put(root / f"images/{stem}.png", encoded(Image.fromarray(picture(number))))
    put(root / f"masks/{stem}.png", encoded(Image.fromarray(labels(number))))


def mask_folder(root: Path, splits: Mapping[str, Sequence[str]] | None = None) -> Path:
    """List files with the stems of each split, and a pair for each; eight to train on and four held out by default."""
    splits = splits or {"train": [f"t{number}" for number in range(8)], "val": [f"v{number}" for number in range(4)]}
    number = 0
    for split, stems in splits.items():
        put(root / f"{split}.txt", "".join(f"{stem}\n" for stem in stems).encode())
        for stem in stems:
            pair(root, stem, number)
            number += 1
    return root


def masks_config(uri: Path | str, **values: Any) -> RunConfig:
    return RunConfig(source=MasksSource.model_validate({"uri": str(uri), "classes": CLASSES, **values}))
