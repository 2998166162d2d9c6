"""Data sets of any number of images, of which each differs from all others: what benchmarks of preparing read."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256  # pixels
BROKEN_EVERY = 20
POINTS, OBJECTS = 36, 8  # of an outline, of an image: about 5 kB of JSON an image, as in COCO


def write_masks(root: Path, count: int, side: int = SIDE) -> dict[str, Any]:
    """Images with masks, one in ten held out; the section of a recipe that reads them."""
    stems = _write_images(root / "images", count, side=side)
    masks = [_encoded(mask, "PNG") for mask in _base_masks(side)]
    (root / "masks").mkdir()
    for number, stem in enumerate(stems):
        (root / f"masks/{stem}.png").write_bytes(masks[number % len(masks)])
    (root / "train.txt").write_text("\n".join(stems[count // 10 :]))
    (root / "val.txt").write_text("\n".join(stems[: count // 10]))
    return {"format": "masks", "uri": str(root), "classes": ["background", "a", "b"]}


def write_coco(root: Path, count: int) -> tuple[dict[str, Any], set[str]]:
    """Annotated images, one in ten held out; the section of a recipe that reads them, and the keys of those that are broken."""
    broken = _write_coco_split(root, "train", count - count // 10, first=0)
    broken |= _write_coco_split(root, "val", count // 10, first=count)
    return {"format": "coco", "uri": str(root), "policy": "skip"}, broken


def _write_coco_split(root: Path, split: str, count: int, first: int) -> set[str]:
    """A split with its annotations; the keys of those images of which one in twenty is broken, in four ways."""
    names = [f"{stem}.jpg" for stem in _write_images(root / split, count, first)]
    outlines = _outlines()
    broken = names[::BROKEN_EVERY]
    for way, name in enumerate(broken):
        path = root / split / name
        if way % 4 == 0:
            path.unlink()
        elif way % 4 == 1:
            path.write_bytes(path.read_bytes()[:1000])
    wrong_size, no_shape = set(broken[2::4]), set(broken[3::4])
    images = [{"id": n, "file_name": name, "width": SIDE, "height": SIDE - (name in wrong_size)} for n, name in enumerate(names)]
    annotations = [
        {
            "id": OBJECTS * n + k,
            "image_id": n,
            "category_id": k % 3 + 1,
            "iscrowd": 0,
            "segmentation": [[1.0, 2.0]] if name in no_shape else [outlines[(n + k) % len(outlines)]],
        }
        for n, name in enumerate(names)
        for k in range(OBJECTS)
    ]
    categories = [{"id": number, "name": f"class{number}"} for number in (1, 2, 3)]
    (root / "annotations").mkdir(exist_ok=True)
    with (root / f"annotations/instances_{split}.json").open("w") as file:
        json.dump({"images": images, "annotations": annotations, "categories": categories}, file)
    return {f"{split}/{name}" for name in broken}


def _write_images(folder: Path, count: int, first: int = 0, side: int = SIDE) -> list[str]:
    """JPEGs that all differ, by a row of black and white blocks that write the number of each."""
    folder.mkdir(parents=True)
    bases = _base_pictures(side)
    stems = [f"{first + number:06d}" for number in range(count)]
    for number, stem in enumerate(stems):
        picture = bases[number % len(bases)].copy()
        bits = np.array([(first + number) >> bit & 1 for bit in range(side // 8)], np.uint8)
        picture[:8] = np.repeat(255 * bits, 8)[None, :, None]
        (folder / f"{stem}.jpg").write_bytes(_encoded(picture, "JPEG", quality=90))
    return stems


def _base_pictures(side: int) -> list[NDArray[np.uint8]]:
    """Smooth colours with some noise: files of about 20 kB."""
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(colours).resize((side, side), Image.Resampling.BICUBIC), np.int16) for colours in smooth]
    return [(picture + rng.integers(-12, 13, picture.shape)).clip(0, 255).astype(np.uint8) for picture in large]


def _base_masks(side: int) -> list[NDArray[np.uint8]]:
    coarse = np.random.default_rng(1).integers(0, 3, (16, 16, 16), dtype=np.uint8)
    return [mask.repeat(side // 16, axis=0).repeat(side // 16, axis=1) for mask in coarse]


def _outlines() -> list[list[float]]:
    """Round shapes somewhere in the picture, as COCO writes them: x0, y0, x1, y1 and so on."""
    rng, angles = np.random.default_rng(2), np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    shapes: list[list[float]] = []
    for _ in range(64):
        centre, radius = rng.uniform(40, SIDE - 40, (2, 1)), rng.uniform(8, 40) * rng.uniform(0.8, 1.2, POINTS)
        points = centre + radius * np.stack([np.cos(angles), np.sin(angles)])
        shapes.append(points.T.ravel().round(2).tolist())
    return shapes


def _encoded(pixels: NDArray[np.uint8], form: str, **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()
