"""Small folders of labelled pictures, as a user would have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tests.mask_data import encoded, picture, put
from trainer.config import FoldersSource, RunConfig


def class_folder(root: Path, paths: Sequence[str]) -> Path:
    """A picture of its own at each path; a path without extension is a PNG."""
    for number, path in enumerate(paths):
        form = {".jpg": "JPEG", ".gif": "GIF"}.get(Path(path).suffix, "PNG")
        put(root / (path if Path(path).suffix else f"{path}.png"), encoded(Image.fromarray(picture(number)), form))
    return root


def animals(root: Path) -> Path:
    """Cats and dogs: 0 to 3 of each to train on, 4 and 5 held out."""
    splits = {"train": range(4), "val": range(4, 6)}
    return class_folder(root, [f"{split}/{name}/{n}" for split, numbers in splits.items() for name in ("cat", "dog") for n in numbers])


def folders_config(uri: Path | str, **values: Any) -> RunConfig:
    return RunConfig(source=FoldersSource.model_validate({"uri": str(uri), **values}))
