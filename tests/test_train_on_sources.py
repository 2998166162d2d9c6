"""Data as users have it, from its files to a trained step."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.coco_data import coco_folder
from tests.recipes import losses, write_recipe
from tests.voc_data import voc_folder
from trainer.config.source import VOC_CLASSES
from trainer.prepare import prepare, source_digest
from trainer.recipe import load_config
from trainer.train import train
from trainer.world import World

FOLDERS = {"coco": (coco_folder, ("background", "cat", "dog", "bird")), "voc": (voc_folder, VOC_CLASSES)}


@pytest.mark.parametrize("form", FOLDERS)
def test_sixteen_images_train_for_a_step(form: str, tmp_path: Path) -> None:
    make, classes = FOLDERS[form]
    make(tmp_path / "data")
    config = load_config(str(one_step(tmp_path, {"format": form, "uri": str(tmp_path / "data")})))

    prepared = prepare(config, source_digest=source_digest(config), out=str(tmp_path), processes=2)
    report = train(config, dataset=prepared.dataset, out=str(tmp_path), world=World())

    assert prepared.samples == {"train": 12, "val": 4}
    manifest = json.loads((Path(prepared.dataset) / "manifest.json").read_text())
    assert (tuple(manifest["classes"]), manifest["skipped"]) == (classes, [])
    assert report.completed
    assert math.isfinite(losses(tmp_path)[1])


def one_step(folder: Path, source: dict[str, Any]) -> Path:
    """The tiny run on other data, one step long."""
    path = write_recipe(folder, schedule={"total_steps": 1, "warmup_steps": 0})
    recipe = json.loads(path.read_text())
    path.write_text(json.dumps({**recipe, "source": source}))
    return path
