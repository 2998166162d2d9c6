"""`sightline config`: a recipe as it will run."""

import json
from pathlib import Path

import pytest

from pipelines.cli.main import main
from trainer.recipe import load_config


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["config", *argv]) == 0
    return capsys.readouterr().out


def test_what_it_prints_is_a_recipe_that_resolves_to_the_same_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = printed(capsys, "segmentation-microscopy", "--set", "optimiser.eps=1e-9", "--set", "data.crop=[32, 64]")
    recipe = tmp_path / "again.yaml"
    recipe.write_text(text)

    again = load_config(str(recipe))

    assert again == load_config("segmentation-microscopy", ["optimiser.eps=1e-9", "data.crop=[32, 64]"])
    assert f"# config_digest: {again.config_digest}" in text.splitlines()


def test_digests_that_need_the_data_come_after_prepare(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "segmentation-microscopy")

    assert "# dataset_digest: after prepare" in text
    assert "# train_digest: after prepare" in text


def test_a_source_that_is_built_in_has_its_dataset_digest(capsys: pytest.CaptureFixture[str]) -> None:
    known = json.loads(printed(capsys, "segmentation-digits", "--json"))
    other = json.loads(printed(capsys, "segmentation-digits", "--json", "--set", "source.seed=1"))

    assert known["dataset_digest"].startswith("sha256:")
    assert known["dataset_digest"] != other["dataset_digest"]
    assert known["train_digest"] is None
    assert known["config"]["source"]["format"] == "digits"


def test_images_that_are_named_have_their_dataset_digest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for folder in ("images/train", "images/val", "masks/train", "masks/val"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").write_bytes(b"an image")
    argv = ("segmentation-microscopy", "--json", "--data", str(tmp_path))

    before = json.loads(printed(capsys, *argv))["dataset_digest"]
    (tmp_path / "images/train/a.png").write_bytes(b"another")

    assert json.loads(printed(capsys, *argv))["dataset_digest"] != before
