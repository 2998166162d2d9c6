"""Estimates of sizes, against what is really made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mask_data import mask_folder, masks_config
from tests.recipes import write_recipe
from trainer.data.shards import read_manifest
from trainer.forecast import count_parameters, forecast
from trainer.models import build_model
from trainer.recipe import load_config
from trainer.reports import ModelSpec
from trainer.storage import open_store


def test_the_prepared_set_is_foretold_within_a_tenth(tiny_dataset: str, tmp_path: Path) -> None:
    config = load_config(str(write_recipe(tmp_path)))
    shards = [shard for split in read_manifest(open_store(tiny_dataset)).splits for shard in split.shards]

    foretold = forecast(config)

    assert foretold.images == {"train": 40, "val": 10}
    assert foretold.source == 0
    assert foretold.prepared == pytest.approx(sum(shard.tar.size for shard in shards), rel=0.1)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext"])
def test_parameters_are_counted_without_being_made(backbone: str, tmp_path: Path) -> None:
    config = load_config(str(write_recipe(tmp_path, model={"backbone": backbone})))
    classes = tuple(str(number) for number in range(11))
    spec = ModelSpec(classes=classes, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **config.sections("model", "task", "data"))

    made = sum(parameter.numel() for parameter in build_model(spec).parameters())

    assert count_parameters(config, len(classes)) == made
    assert forecast(config).checkpoint == made * 8 * 3  # float64, and two moments


def test_all_files_of_a_source_are_added_up(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")

    foretold = forecast(masks_config(data))

    assert foretold.images == {"train": 8, "val": 4}
    assert foretold.source == sum(path.stat().st_size for path in data.rglob("*") if path.is_file())


def test_an_image_that_cannot_be_used_does_not_stop_it_nor_count(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    whole = forecast(masks_config(data)).prepared
    for mask in (data / "masks").glob("v*.png"):
        mask.write_bytes(b"no picture")

    assert forecast(masks_config(data)).prepared == pytest.approx(whole * 8 / 12, rel=0.05)
