"""A run that starts from weights: once, told in its reports, and true of what is evaluated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from tests.processes import Launch
from tests.recipes import write_recipe
from trainer import environment
from trainer.evaluate import evaluate
from trainer.recipe import load_config
from trainer.reports import ModelSpec, TrainReport
from trainer.storage import split_uri
from trainer.train import train
from trainer.world import World


def weights_in(folder: Path) -> Path:
    """A backbone's file as timm has it, whose every tensor a new model would have otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    path = folder / "convnext.safetensors"
    save_file(timm.create_model("test_convnext").state_dict(), path)
    return path


def recipe_in(folder: Path, weights: str) -> Path:
    return write_recipe(
        folder,
        model={"backbone": "test_convnext", "weights": weights},
        training={"global_batch": 4, "evaluate_every_steps": 0, "precision": "float32"},
        schedule={"total_steps": 4, "warmup_steps": 1, "peak_lr": 1e-9},
        checkpoint={"every_steps": 2, "keep_last": 9},
    )


def run(recipe: Path, dataset: str, out: Path) -> TrainReport:
    return train(load_config(str(recipe)), dataset=dataset, out=str(out), world=World())


def notices(path: Path) -> list[str]:
    events = (json.loads(line) for line in path.read_text().splitlines())
    return [event["text"] for event in events if event["event"] == "notice"]


def test_the_run_trains_on_from_the_file_and_says_so(tiny_dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.EVENTS, str(tmp_path / "events"))
    weights = weights_in(tmp_path)

    report = run(recipe_in(tmp_path, weights.as_uri()), tiny_dataset, tmp_path)

    told, stored = report.initial_weights, load_file(Path(report.checkpoint) / "model.safetensors")
    assert told is not None
    assert told.uri == weights.as_uri()
    assert {name.split(".")[2] for name in told.left_out} == {"head"}
    assert torch.allclose(stored["network.backbone.stem_0.weight"], load_file(weights)["stem.0.weight"], atol=1e-6)
    assert any(
        text.startswith(f"starts from {weights.as_uri()}: {told.loaded} tensors loaded; left out of the file: network.backbone.head.")
        and "new in the model: network.lateral.0.weight" in text
        for text in notices(tmp_path / "events")
    )


def test_what_is_saved_and_evaluated_is_normalised_as_the_weights_were(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path, weights_in(tmp_path).as_uri())
    report = run(recipe, tiny_dataset, tmp_path)

    spec = ModelSpec.from_bytes((Path(report.checkpoint) / "model.json").read_bytes(), "here")
    stored = load_file(Path(report.checkpoint) / "model.safetensors")
    (tmp_path / "convnext.safetensors").unlink()
    found = evaluate(load_config(str(recipe)), checkpoint=report.checkpoint, dataset=tiny_dataset, out=str(tmp_path))

    assert spec.mean == spec.std == (127.5, 127.5, 127.5)
    assert stored["mean"].flatten().tolist() == stored["std"].flatten().tolist() == [127.5] * 3
    assert spec.initial_weights == report.initial_weights
    assert found.metrics == pytest.approx(report.scores)


def test_a_resumed_run_asks_for_no_weights_and_still_knows_them(tiny_dataset: str, tmp_path: Path) -> None:
    weights = weights_in(tmp_path)
    recipe = recipe_in(tmp_path, weights.as_uri())
    whole = run(recipe, tiny_dataset, tmp_path)
    folder, last = split_uri(whole.checkpoint)
    shutil.rmtree(Path(folder) / last)
    (Path(folder).parent / "reports/0001.json").unlink()
    weights.unlink()

    resumed = run(recipe, tiny_dataset, tmp_path)

    assert resumed.model_digest == whole.model_digest
    assert resumed.initial_weights == whole.initial_weights
    assert ModelSpec.from_bytes((Path(resumed.checkpoint) / "model.json").read_bytes(), "here").mean == (127.5, 127.5, 127.5)


def test_two_ranks_start_alike_though_one_alone_reads(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path, weights_in(tmp_path).as_uri())
    alone = run(recipe, tiny_dataset, tmp_path / "alone")

    code, output = Launch(recipe, tiny_dataset, tmp_path / "two", "--nproc-per-node", "2").finish()

    assert code == 0, output
    (checkpoint,) = (tmp_path / "two").glob("training/*/checkpoints/0001-000000000016")
    one, two = load_file(Path(alone.checkpoint) / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_a_run_without_a_hub_ends_with_the_code_of_its_cause(tiny_dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))

    code, output = Launch(recipe_in(tmp_path, "timm"), tiny_dataset, tmp_path).finish()

    assert code == 2
    assert "timm/test_convnext.r160_in1k is not in the hub's cache and cannot be fetched" in output
