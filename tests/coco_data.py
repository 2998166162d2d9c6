"""Small COCO data sets, as a user would have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as reference
from PIL import Image

from tests.mask_data import Array, encoded, picture, put

CATEGORIES = ({"id": 2, "name": "cat"}, {"id": 7, "name": "dog"}, {"id": 90, "name": "bird"})
CAT, DOG, BIRD = 1, 2, 3  # their values in masks
SPLITS = {"train": 12, "val": 4}

Document = dict[str, Any]


def image(number: int, name: str = "", height: int = 12, width: int = 16) -> Document:
    return {"id": number, "file_name": name or f"{number:04d}.png", "height": height, "width": width}


def annotation(number: int, segmentation: Any, image: int = 1, category: int = 2, **values: Any) -> Document:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0, **values}


def box(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    """A polygon that covers these columns and rows, the last ones not included."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def box_mask(left: int, top: int, right: int, bottom: int, height: int = 12, width: int = 16) -> Array:
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def runs(mask: Array) -> Document:
    """A mask as uncompressed run lengths."""
    columns = mask.T.ravel()
    borders = np.flatnonzero(np.diff(columns, prepend=0))
    counts = np.diff(borders, prepend=0, append=columns.size)
    return {"size": list(mask.shape), "counts": counts.tolist()}


def compressed_runs(mask: Array) -> Document:
    """A mask as the COCO API compresses it."""
    rle = reference.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def document(images: Sequence[Document], annotations: Sequence[Document] = (), categories: Sequence[Document] = CATEGORIES) -> Document:
    """Where no annotations are given, some object in the first image: a file without any is refused."""
    annotations = annotations or [annotation(1, box(0, 0, 2, 2), images[0]["id"], categories[0]["id"])]
    return {"info": {"year": 2024}, "images": list(images), "annotations": list(annotations), "categories": list(categories)}


def put_document(root: Path, content: Document, split: str = "train") -> Path:
    return put(root / f"annotations/instances_{split}.json", json.dumps(content).encode())


def put_image(root: Path, name: str, number: int = 0, height: int = 12, width: int = 16) -> None:
    put(root / name, encoded(Image.fromarray(picture(number, height, width))))


def one_image(root: Path, *annotations: Document, **values: Any) -> Path:
    """A split `train` with one image, `train/0001.png` of 12 × 16 pixels, and some object in it where no annotations are given."""
    put_image(root, "train/0001.png")
    put_document(root, document([image(1)], annotations, **values))
    return root


def coco_folder(root: Path) -> Path:
    """Sixteen images in two splits, each with a cat, a dog and a bird: a polygon and run lengths of both kinds."""
    number = 0
    for split, images in SPLITS.items():
        numbers = range(number + 1, number + images + 1)
        for number in numbers:
            put_image(root, f"{split}/{number:04d}.png", number, 32, 48)
        annotations = [entry for number in numbers for entry in _three_objects(number)]
        put_document(root, document([image(number, "", 32, 48) for number in numbers], annotations), split)
    return root


def _three_objects(number: int) -> list[Document]:
    left, top = number % 5, number % 7
    shapes = [
        box(left, top, left + 12, top + 9),
        runs(box_mask(left + 16, top, left + 24, top + 20, 32, 48)),
        compressed_runs(box_mask(left + 30, top + 3, left + 41, top + 8, 32, 48)),
    ]
    return [
        annotation(10 * number + place, shape, number, category["id"])
        for place, (shape, category) in enumerate(zip(shapes, CATEGORIES, strict=True))
    ]
