"""A photograph in tiles against the same photograph seen whole: how near the predictions are, and what it costs in time and memory.

By default 2 megapixels, for a minute or two: `python -m benchmarks.large_image 4000 3000` takes what a camera gives.
The network is untrained, so its classes lie closer together than a trained one's, and more pixels differ.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.models import ImageModel, build_model
from trainer.reports import ModelSpec
from trainer.tiling import Tiled, Tiling, predict_large

TILED = {"one pass": Tiling(most_pixels=1 << 20, most_passes=1), "settled": Tiling(most_pixels=1 << 20)}
ROW = "{:<10} {:>6} {:>7} {:>9} {:>14} {:>20}"


def main(width: int = 1600, height: int = 1200) -> None:
    """Print a table, and `ratio large_image <seconds of a pass over the tiles / seconds of the whole>`."""
    model, image = network(), photograph(width, height)
    whole, whole_seconds = timed(model, image, Tiling(most_pixels=width * height))
    print(ROW.format("seen", "tiles", "passes", "seconds", "other pixels", "largest difference"))
    print(ROW.format("whole", 1, 1, f"{whole_seconds:.1f}", "", ""))
    seconds_a_pass = math.nan
    for name, tiling in TILED.items():
        tiled, seconds = timed(model, image, tiling)
        seconds_a_pass = seconds / tiled.passes
        other = float((tiled.prediction.argmax(1) != whole.prediction.argmax(1)).float().mean())
        off = float((tiled.prediction - whole.prediction).abs().max() / whole.prediction.std())
        print(ROW.format(name, tiled.tiles, tiled.passes, f"{seconds:.1f}", f"{other:.2e}", f"{off:.2e}"))
    print(f"peak memory: whole {peak('whole', width, height)} MB, in tiles {peak('tiles', width, height)} MB")
    print(f"ratio large_image {seconds_a_pass / whole_seconds:.2f}")


def peak(how: str, width: int, height: int) -> int:
    """Megabytes that a process of its own needs for it, torch included; in one pass, because more need no more."""
    command = [sys.executable, "-m", "benchmarks.large_image", str(width), str(height), how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(width: int, height: int, how: str) -> None:
    tiling = Tiling(most_pixels=width * height) if how == "whole" else TILED["one pass"]
    model = network()
    with torch.inference_mode():
        predict_large(lambda images: model(images).argmax(dim=1).to(torch.uint8), photograph(width, height), tiling)
    (high_water,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())  # getrusage counts what started us too
    print(int(high_water) * 1024 // 1_000_000)


def timed(model: ImageModel, image: Tensor, tiling: Tiling) -> tuple[Tiled, float]:
    begin = time.perf_counter()
    with torch.inference_mode():
        return predict_large(model, image, tiling), time.perf_counter() - begin


def network() -> ImageModel:
    torch.manual_seed(0)
    model = {"name": "semantic_fpn", "backbone": "resnet18", "channels": 64, "norm": "group"}
    classes = tuple(f"c{number}" for number in range(11))
    return build_model(ModelSpec(model=model, task={}, data={}, classes=classes, mean=(120.0,) * 3, std=(60.0,) * 3)).eval()


def photograph(width: int, height: int) -> Tensor:
    from sklearn.datasets import load_sample_image

    enlarged = Image.fromarray(load_sample_image("china.jpg")).resize((width, height), Image.Resampling.BICUBIC)
    return torch.tensor(np.asarray(enlarged)).permute(2, 0, 1)[None]


if __name__ == "__main__":
    sizes = [int(word) for word in sys.argv[1:3]]
    measure(*sizes, sys.argv[3]) if sys.argv[3:] else main(*sizes)
