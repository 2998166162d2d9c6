"""`sightline run --dry-run`, before anything was run: what would be done, and that nothing is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mask_data import CLASSES, mask_folder, put

from pipelines.cli.main import main
from tests.recipes import write_recipe
from trainer.canonical import short
from trainer.recipe import load_config
from trainer.reports import DatasetReport
from trainer.storage import open_store


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny recipe, and an empty folder to run it in."""
    monkeypatch.chdir(tmp_path)
    return str(write_recipe(tmp_path / "recipes"))


def told(capsys: pytest.CaptureFixture[str], recipe: str, *flags: str) -> dict[str, Any]:
    assert main(["run", "segmentation", "--recipe", recipe, "--dry-run", "--json", *flags]) == 0
    return json.loads(capsys.readouterr().out)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def states(answer: dict[str, Any]) -> list[str]:
    return [stage["state"] for stage in answer["stages"].values()]


def test_nothing_is_written(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(tmp_path)

    answer = told(capsys, recipe)

    assert states(answer) == ["runs", "runs", "runs", "runs"]
    assert tree(tmp_path) == before


def test_nothing_is_written_to_a_bucket(recipe: str, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(tmp_path)

    answer = told(capsys, recipe, "--out", f"{bucket}/out")

    assert answer["stages"]["register"]["where"] == f"{bucket}/out/models/model"
    assert list(open_store(bucket).keys()) == []
    assert tree(tmp_path) == before


def test_what_is_known_beforehand_is_the_config_the_source_and_the_prepared_set(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.prepare import source_digest

    config = load_config(recipe)
    source = source_digest(config)

    answer = told(capsys, recipe)

    known = {"config": config.config_digest, "source": source, "dataset": config.dataset_digest(source)}
    assert answer["digests"] == {**known, "data": "", "train": ""}
    assert answer["stages"]["prepare"]["where"] == f"{tmp_path}/outputs/datasets/{short(known['dataset'])}"
    assert answer["stages"]["train"]["where"] == f"{tmp_path}/outputs/training/"
    assert [stage["why"] for stage in answer["stages"].values()][1:] == ["prepare runs before it"] * 3


def prepare_set(recipe: str) -> DatasetReport:
    """The prepared set of the recipe, in OUT."""
    from trainer.prepare import prepare, source_digest

    config = load_config(recipe)
    return prepare(config, source_digest=source_digest(config), out="outputs", processes=1)


def training_on(report: DatasetReport, recipe: str) -> str:
    return f"outputs/training/{short(load_config(recipe).train_digest(report.data_digest))}"


def test_a_prepared_set_is_adopted_and_names_the_training(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = prepare_set(recipe)

    answer = told(capsys, recipe)

    assert states(answer) == ["adopts", "runs", "runs", "runs"]
    assert answer["digests"]["data"] == report.data_digest
    assert answer["stages"]["train"]["where"] == f"{tmp_path}/{training_on(report, recipe)}"


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_prepared_set_with_a_shard_that_is_missing_or_short_is_made_again(
    left: bytes, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = Path(prepare_set(recipe).dataset, "train-00000.tar")
    shard.unlink()
    if left:
        shard.write_bytes(left)

    answer = told(capsys, recipe)

    assert states(answer) == ["runs", "runs", "runs", "runs"]
    assert answer["digests"]["data"] == ""


@pytest.mark.parametrize(
    ("generation", "files", "flags", "state", "why"),
    [
        (1, ["checkpoints/0001-000000000070/manifest.json"], (), "continues", "70 samples were seen before"),
        (1, ["checkpoints/0001-000000000070/model.safetensors"], (), "runs", "prepare runs before it"),  # not committed
        (1, ["checkpoints/0001-000000000070/manifest.json", "reports/0001.json"], (), "adopts", "the training is finished"),
        (1, ["checkpoints/0001-000000000070/manifest.json", "reports/0001.json"], ("--fresh",), "runs", "it begins anew"),
        (2, ["checkpoints/0001-000000000070/manifest.json", "reports/0001.json"], (), "runs", "prepare runs before it"),
    ],
)
def test_a_training_that_is_there_goes_on_or_is_adopted(
    generation: int, files: list[str], flags: tuple[str, ...], state: str, why: str, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    training = open_store(training_on(prepare_set(recipe), recipe))
    for name in [*files, *(f"generations/{number:04d}.json" for number in range(1, generation + 1))]:
        training.put(name, b"{}")

    train = told(capsys, recipe, *flags)["stages"]["train"]

    assert train["state"] == state
    assert why in train["why"]


def test_a_person_sees_digests_stages_and_sizes(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "segmentation", "--recipe", recipe, "--dry-run"]) == 0

    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == f"segmentation, recipe {recipe}, to outputs"
    words = [line.split()[0] for line in lines[1:]]
    assert words == [
        *("config", "source", "dataset", "data", "train"), *("prepare", "train", "evaluate", "register"),
        *("images", "set", "model", "nothing"),
    ]  # fmt: skip
    assert lines[4] == "data      known once the stage before has run"
    assert lines[6].startswith("prepare   runs       outputs/datasets/")
    assert lines[10] == "images    train 40, val 10"
    assert "4 checkpoints of about" in lines[12]


def test_it_needs_no_kfp(recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "kfp", None)  # as if it were not installed

    assert states(told(capsys, recipe)) == ["runs", "runs", "runs", "runs"]


def test_what_cannot_be_run_cannot_be_foretold(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "segmentation", "--recipe", recipe, "--dry-run", "--set", "model.backbone=resnet_18"]) == 2
    assert "model.backbone='resnet_18' is not a timm model" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_source_of_which_no_image_can_be_used_is_told_with_the_first_reason(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (mask_folder(Path("data")) / "images").iterdir():
        put(path, b"no picture")
    source = ("--data", "data", "--set", f"source.classes=[{', '.join(CLASSES)}]")

    assert main(["run", "segmentation", "--recipe", "segmentation-microscopy", *source, "--dry-run", *flags]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert "none of the 12 images looked at can be used: images/t0.png cannot be decoded" in said.err
    assert said.err.count("\n") == 1
