"""Runs small enough for a test: a tiny network on tiny scenes, group norm throughout, unequal shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

TINY: dict[str, dict[str, Any]] = {
    "source": {"format": "digits", "train_scenes": 40, "val_scenes": 10, "size": 32, "digit_size": [10, 20], "digits_per_scene": [1, 3]},
    "data": {"crop": [32, 32]},
    "model": {"backbone": "test_resnet", "channels": 32},
    "schedule": {"total_steps": 20, "warmup_steps": 2, "peak_lr": 0.003},
    "training": {"global_batch": 7, "precision": "float64", "evaluate_every_steps": 10},
    "loader": {"workers": 0, "micro_batch": 2},
    "checkpoint": {"every_steps": 5},
    "telemetry": {"every_steps": 1},
    "evaluation": {"examples": 2},
}

CLASSIFICATION: dict[str, dict[str, Any]] = {
    "source": {**TINY["source"], "target": "label", "digits_per_scene": [1, 1]},
    "data": {"transform": "resized_crop", "crop": [32, 32], "resize": 32},
    "model": {"name": "classifier", "backbone": "test_resnet"},
    "task": {"name": "classification"},
    "training": {**TINY["training"], "select_by": "top1"},
    "registration": {"metric": "top1"},
}
TASKS = {"segmentation": TINY, "classification": {**TINY, **CLASSIFICATION}}


def write_recipe(folder: Path, task: str = "segmentation", /, **changes: dict[str, Any]) -> Path:
    """A task's tiny run with some values changed, as a recipe file."""
    base = TASKS[task]
    sections = {name: {**base.get(name, {}), **changes.get(name, {})} for name in {**base, **changes}}
    path = folder / "recipe.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sections))  # JSON is YAML
    return path


def report_of(out: Path) -> dict[str, Any]:
    """The TrainReport of the only run below `out`."""
    (path,) = out.glob("training/*/reports/*.json")
    return json.loads(path.read_text())


def final_weights(out: Path) -> torch.Tensor:
    """Every weight of the newest checkpoint of the only run below `out`, in one vector."""
    newest = max(out.glob("training/*/checkpoints/*/model.safetensors"))
    return torch.cat([tensor.flatten().double() for _, tensor in sorted(load_file(newest).items())])


def losses(out: Path) -> dict[int, float]:
    """The learning curve of the only run below `out`: loss by step."""
    records = [json.loads(line) for file in sorted(out.glob("training/*/history/*.jsonl")) for line in file.read_text().splitlines()]
    return {record["step"]: record["loss"] for record in records if record["loss"] is not None}
