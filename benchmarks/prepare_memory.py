"""The memory of `python -m trainer prepare`, all its processes together, as images get more; of COCO some are broken.

`--full` takes the sizes that are promised: ten times as many images within 1 GB and 1.1 times the memory, 20,000 of COCO within 1 GB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.reports import DatasetReport

SIDE = 256  # pixels
SAMPLE_SECONDS = 0.05
BROKEN_EVERY = 20
POINTS, OBJECTS = 36, 8  # of an outline, of an image: about 5 kB of JSON an image, as in COCO


@dataclass(frozen=True)
class Measured:
    """One run: bytes of all its processes together at their most, and wall seconds, start and listing included."""

    images: int
    peak: int
    seconds: float
    report: DatasetReport


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000 and 10,000 images, 20,000 of COCO; takes minutes")
    full = parser.parse_args().full
    few, many, coco = (1000, 10_000, 20_000) if full else (300, 3000, 1000)
    print(f"{'source':<8} {'images':>8} {'peak MB':>9} {'images/s':>10} {'skipped':>9}")
    small, large = (_masks(count) for count in (few, many))
    _coco(coco)
    print(f"ratio prepare_memory {large.peak / small.peak:.2f}")


def _masks(count: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        stems = _write_images(root / "data/images", count)
        masks = [_encoded(mask, "PNG") for mask in _base_masks()]
        (root / "data/masks").mkdir()
        for number, stem in enumerate(stems):
            (root / f"data/masks/{stem}.png").write_bytes(masks[number % len(masks)])
        held_out = count // 10
        (root / "data/train.txt").write_text("\n".join(stems[held_out:]))
        (root / "data/val.txt").write_text("\n".join(stems[:held_out]))
        source = {"format": "masks", "classes": ["background", "a", "b"]}
        return _told("masks", _measure(root, source, count))


def _coco(count: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        broken = set[str]()
        for split, images in (("train", count - count // 10), ("val", count // 10)):
            broken |= _write_coco(root / "data", split, images, first=0 if split == "train" else count)
        measured = _told("coco", _measure(root, {"format": "coco", "policy": "skip"}, count))
        missed = broken ^ {skipped.file for skipped in measured.report.skipped}
        if missed:
            raise SystemExit(f"{len(missed)} of {len(broken)} broken images are not listed, or others are: {sorted(missed)[:3]}")
        return measured


def _write_coco(root: Path, split: str, count: int, first: int) -> set[str]:
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


def _write_images(folder: Path, count: int, first: int = 0) -> list[str]:
    """JPEGs that all differ, by a row of black and white blocks that write the number of each."""
    folder.mkdir(parents=True)
    bases = _base_pictures()
    stems = [f"{first + number:06d}" for number in range(count)]
    for number, stem in enumerate(stems):
        picture = bases[number % len(bases)].copy()
        bits = np.array([(first + number) >> bit & 1 for bit in range(SIDE // 8)], np.uint8)
        picture[:8] = np.repeat(255 * bits, 8)[None, :, None]
        (folder / f"{stem}.jpg").write_bytes(_encoded(picture, "JPEG", quality=90))
    return stems


def _base_pictures() -> list[NDArray[np.uint8]]:
    """Smooth colours with some noise: files of about 20 kB."""
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (16, 8, 8, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.int16) for colours in smooth]
    return [(picture + rng.integers(-12, 13, picture.shape)).clip(0, 255).astype(np.uint8) for picture in large]


def _base_masks() -> list[NDArray[np.uint8]]:
    coarse = np.random.default_rng(1).integers(0, 3, (16, 16, 16), dtype=np.uint8)
    return [mask.repeat(SIDE // 16, axis=0).repeat(SIDE // 16, axis=1) for mask in coarse]


def _outlines() -> list[list[float]]:
    """Round shapes somewhere in the picture, as COCO writes them: x0, y0, x1, y1 and so on."""
    rng, angles = np.random.default_rng(2), np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    shapes = []
    for _ in range(64):
        centre, radius = rng.uniform(40, SIDE - 40, (2, 1)), rng.uniform(8, 40) * rng.uniform(0.8, 1.2, POINTS)
        points = centre + radius * np.stack([np.cos(angles), np.sin(angles)])
        shapes.append(points.T.ravel().round(2).tolist())
    return shapes


def _encoded(pixels: NDArray[np.uint8], form: str, **options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def _measure(root: Path, source: dict[str, Any], images: int) -> Measured:
    """Prepare what lies in `data`, as a user would, and watch."""
    recipe = root / "recipe.yaml"
    recipe.write_text(json.dumps({"source": {**source, "uri": str(root / "data")}}))  # JSON is YAML
    command = [sys.executable, "-m", "trainer", "prepare", str(recipe), "--out", str(root / "out")]
    begin, peak = time.monotonic(), 0
    with (root / "report.json").open("wb") as output, subprocess.Popen(command, stdout=output) as process:
        while process.poll() is None:
            peak = max(peak, sum(_proportional_set_size(pid) for pid in _family(process.pid)))
            time.sleep(SAMPLE_SECONDS)
    seconds = time.monotonic() - begin
    if process.returncode:
        raise SystemExit(process.returncode)
    return Measured(images, peak, seconds, DatasetReport.from_bytes((root / "report.json").read_bytes(), "the report"))


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []  # it has ended
    return [pid] + [member for child in children for member in _family(child)]


def _proportional_set_size(pid: int) -> int:
    """Bytes, those that several processes share in equal parts; see proc_pid_smaps_rollup(5)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def _told(name: str, measured: Measured) -> Measured:
    rate = measured.images / measured.seconds
    print(f"{name:<8} {measured.images:>8,} {measured.peak / 1e6:>9.0f} {rate:>10.0f} {len(measured.report.skipped):>9,}", flush=True)
    return measured


if __name__ == "__main__":
    main()
