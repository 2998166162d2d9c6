"""Models as small as predictions can be made with: untrained, and written as the two files of a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from trainer.models import build_model
from trainer.reports import ModelSpec

NAMES = ("background", "cell", "nucleus")
SEGMENTS: dict[str, Any] = {
    "model": {"name": "semantic_fpn", "backbone": "test_resnet", "channels": 32},
    "task": {"name": "segmentation"},
    "data": {"transform": "scaled_crop"},
}
CLASSIFIES: dict[str, Any] = {
    "model": {"name": "classifier", "backbone": "test_resnet"},
    "task": {"name": "classification"},
    "data": {"transform": "resized_crop", "crop": [32, 32], "resize": 36},
}


def model_folder(folder: Path, sections: dict[str, Any], classes: tuple[str, ...] = NAMES, **model: Any) -> Path:
    """`model.safetensors` and `model.json`, and nothing else."""
    torch.manual_seed(0)
    merged = {**sections, "model": {**sections["model"], **model}}
    spec = ModelSpec(**merged, classes=classes, mean=(120.0, 120.0, 120.0), std=(60.0, 60.0, 60.0))
    folder.mkdir(parents=True)
    save_file(build_model(spec).state_dict(), folder / "model.safetensors")
    (folder / "model.json").write_bytes(spec.to_bytes())
    return folder
