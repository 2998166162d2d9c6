"""What prepare tells while it runs: images that were left out, and sentences about the whole set."""

import json
from pathlib import Path

import pytest

from components.stages import run_prepare
from tests.mask_data import CLASSES, mask_folder, masks_config
from trainer.canonical import canonical_json
from trainer.environment import EVENTS


def notices(folder: Path) -> list[str]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [event["text"] for event in events if event["event"] == "notice"]


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, **source: object) -> None:
    monkeypatch.delenv("SIGHTLINE_PARENT", raising=False)
    monkeypatch.setenv(EVENTS, str(folder / "events.jsonl"))
    config = canonical_json(masks_config(folder / "data", **source).sections("source"))
    run_prepare(config=config, source_digest="", out=str(folder / "out"), attempt="a", code_version="1")


def test_images_left_out_and_odd_classes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mask_folder(tmp_path / "data") / "masks/t3.png").unlink()

    run(tmp_path, monkeypatch, policy="skip", classes=(*CLASSES, "debris"))

    assert notices(tmp_path) == [
        "left out 1 images, the first: images/t3.png has no mask masks/t3.png; the report lists all",
        "classes that no split holds: debris",
    ]


def test_of_data_with_nothing_odd_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask_folder(tmp_path / "data")

    run(tmp_path, monkeypatch)

    assert notices(tmp_path) == []
