"""`sightline run` on a user's own images: when they change, when they lie in S3, and on elastic agents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mask_data import mask_folder, pair
from sightline_process import Answer, settings, sightline

from trainer.storage import open_store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TINY = settings(
    source__classes="[background, cell, nucleus]", data__crop="[32, 32]", model__backbone="test_resnet", model__channels=32,
    schedule__total_steps=3, schedule__warmup_steps=1, training__global_batch=4, training__evaluate_every_steps=0,
    evaluation__examples=2, registration__minimum=0.0, registration__max_drop=1.0,
)  # fmt: skip
ALL_RAN = {"prepare": "ran", "train": "ran", "evaluate": "ran", "register": "ran"}

pytestmark = pytest.mark.xdist_group("own-data")  # so that what is made once is made once


def run(folder: Path, data: str, *arguments: str) -> Answer:
    recipe = ("--recipe", "segmentation-microscopy", "--source", "masks", "--data", data)
    return sightline(folder, "run", "segmentation", *recipe, "--json", *TINY, *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own-images")
    mask_folder(folder / "images of mine")
    return folder


@pytest.fixture(scope="module")
def first(folder: Path) -> Answer:
    return run(folder, "images of mine", "--workers", "1")


def test_with_one_image_changed_all_stages_run(first: Answer, folder: Path, tmp_path: Path) -> None:
    assert (first.exit_code, first.states) == (0, ALL_RAN), first.err

    pair(folder / "images of mine", "t3", number=99)
    changed = run(folder, "images of mine", "--workers", "1")
    pair(folder / "images of mine", "t3", number=3)
    back = run(folder, "images of mine", "--workers", "1")

    assert changed.states == ALL_RAN, changed.err
    assert changed.summary["model"]["version"] != first.summary["model"]["version"]
    assert back.states["train"] == "cached", back.err
    assert back.summary["model"]["version"] == first.summary["model"]["version"]


def test_from_s3_to_s3_gives_the_very_same_model(first: Answer, folder: Path, bucket: str, s3_client: S3Client) -> None:
    root = folder / "images of mine"
    for path in sorted(root.rglob("*")):
        if path.is_file():
            s3_client.upload_file(str(path), bucket.removeprefix("s3://"), f"data/{path.relative_to(root)}")

    remote = run(folder, f"{bucket}/data", "--workers", "1", "--out", f"{bucket}/out")

    assert (remote.exit_code, remote.states) == (0, ALL_RAN), remote.err
    assert remote.summary["model"]["version"] == first.summary["model"]["version"]
    assert remote.summary["metrics"] == first.summary["metrics"]
    weights = [open_store(answer.summary["model"]["uri"]).get("model.safetensors") for answer in (first, remote)]
    assert hashlib.sha256(weights[0]).digest() == hashlib.sha256(weights[1]).digest()
    again = run(folder, f"{bucket}/data", "--workers", "1", "--out", f"{bucket}/out")
    assert again.states["train"] == "cached", again.err


def test_elastic_agents_reach_the_same_scores(first: Answer, folder: Path) -> None:
    elastic = run(folder, "images of mine", "--workers", "1:2", "--fresh")

    assert elastic.exit_code == 0, elastic.err
    assert elastic.states == {"prepare": "cached", "train": "ran", "evaluate": "ran", "register": "ran"}
    assert elastic.summary["metrics"]["pixel_accuracy"] == pytest.approx(first.summary["metrics"]["pixel_accuracy"], abs=0.05)


def test_images_that_were_left_out_are_told(folder: Path, tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    (data / "masks/t2.png").write_bytes(b"no picture")

    refused = run(tmp_path, str(data), "--workers", "1")
    skipped = run(tmp_path, str(data), "--workers", "1", "--set", "source.policy=skip")

    assert refused.exit_code == 1
    assert refused.states == {"prepare": "failed", "train": "not reached", "evaluate": "not reached", "register": "not reached"}
    assert refused.summary["stages"]["prepare"]["exit_code"] == 10
    assert "t2.png" in refused.err
    assert skipped.exit_code == 0, skipped.err
    assert "left out 1 images, the first: masks/t2.png" in skipped.err
