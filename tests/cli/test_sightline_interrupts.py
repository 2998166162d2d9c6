"""Ctrl-C in a terminal: once, and the stage ends cleanly; twice, and all ends now."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sightline_process import Terminal, processes_of, sightline_in_a_terminal

from pipelines.cli.main import main
from tests.processes import wait_until
from tests.recipes import write_recipe

ENDLESS: dict[str, dict[str, dict[str, Any]]] = {
    "prepare": {"source": {"train_scenes": 10_000_000}},
    "train": {"schedule": {"total_steps": 1_000_000}, "checkpoint": {"every_steps": 1_000_000}, "training": {"evaluate_every_steps": 0}},
}
AMPLE = 60.0  # seconds, for what does happen, on a machine with much else to do
SAID = "interrupted: ending the stage; Ctrl-C again stops at once"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in processes_of(tmp_path):
        os.kill(process, signal.SIGKILL)


def progress(folder: Path, stage: str) -> list[int]:
    """How far a stage of the only run has come, each time that it told."""
    lines = [line for events in folder.glob(".sightline/runs/*/events.jsonl") for line in events.read_text().splitlines()]
    return [json.loads(line)["done"] for line in lines if f'"progress", "stage": "{stage}"' in line]


def wait_for_progress(folder: Path, stage: str, terminal: Terminal) -> None:
    def came_or_ended() -> bool:
        return bool(terminal.read() and progress(folder, stage)) or terminal.process.poll() is not None

    assert wait_until(came_or_ended, AMPLE), terminal.text[-500:]
    assert progress(folder, stage), f"{stage} did not begin: {terminal.text[-500:]}"


def press_and_end(terminal: Terminal, *, times: int = 1) -> None:
    """Press Ctrl-C so often, the second time after it was said what that will do, and see it end. It is read, or it would fill up."""
    terminal.press_ctrl_c()
    assert wait_until(lambda: SAID in terminal.read(), AMPLE), terminal.text[-500:]
    for _ in range(times - 1):
        terminal.press_ctrl_c()
    assert wait_until(lambda: terminal.read() is not None and terminal.process.poll() is not None, AMPLE), terminal.text[-500:]
    assert terminal.process.returncode == 130


def in_out(folder: Path) -> dict[str, Any]:
    """The record of the only run, as OUT keeps it."""
    (record,) = folder.glob("outputs/runs/*/run.json")
    return json.loads(record.read_bytes())


def checkpoints(folder: Path) -> list[int]:
    """The samples that each committed checkpoint has seen."""
    return sorted(int(path.parent.name.split("-")[1]) for path in folder.glob("outputs/training/*/checkpoints/*/manifest.json"))


def test_once_ends_prepare_and_leaves_nothing_half_written(folder: Path) -> None:
    recipe = str(write_recipe(folder, **ENDLESS["prepare"]))
    with sightline_in_a_terminal(folder, "run", "segmentation", "--recipe", recipe) as terminal:
        wait_for_progress(folder, "prepare", terminal)
        press_and_end(terminal)

    assert processes_of(folder) == {}
    assert list(folder.glob("outputs/datasets/*/.sightline-part-*")) == []
    assert list(folder.glob("outputs/datasets/*/manifest.json")) == []
    assert "the run was interrupted; what is committed is kept" in terminal.text
    assert "go on    sightline rerun" in terminal.text
    assert in_out(folder)["state"] == "interrupted"


def test_once_saves_the_training_so_that_it_can_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(write_recipe(folder, **ENDLESS["train"]))
    with sightline_in_a_terminal(folder, "run", "segmentation", "--recipe", recipe, "--workers", "1") as terminal:
        wait_for_progress(folder, "train", terminal)
        assert checkpoints(folder) == []
        press_and_end(terminal)

    assert processes_of(folder) == {}
    (saved,) = checkpoints(folder)
    assert saved >= 7 * progress(folder, "train")[-1]
    assert (in_out(folder)["state"], in_out(folder)["stages"]["train"]["exit_code"]) == ("interrupted", 130)
    monkeypatch.chdir(folder)
    assert main(["run", "segmentation", "--recipe", recipe, "--dry-run", "--json"]) == 0
    train = json.loads(capsys.readouterr().out)["stages"]["train"]
    assert train["state"] == "continues"
    assert f"{saved} samples were seen before" in train["why"]


def test_twice_ends_a_stage_that_does_not_end_by_itself_and_says_so_here_and_in_out(folder: Path) -> None:
    recipe = str(write_recipe(folder, **ENDLESS["prepare"]))
    with sightline_in_a_terminal(folder, "run", "segmentation", "--recipe", recipe) as terminal:
        wait_for_progress(folder, "prepare", terminal)
        for process in processes_of(folder):
            os.kill(process, signal.SIGSTOP)  # so that by no means it ends before the second Ctrl-C
        press_and_end(terminal, times=2)

    assert wait_until(lambda: not processes_of(folder), AMPLE), processes_of(folder)
    assert "the run was killed before its stage had ended" in terminal.text
    assert in_out(folder)["state"] == "interrupted"  # else `gc` elsewhere would take it for running, for ever
    assert len(list(folder.glob("outputs/runs/*/stages/prepare.json"))) == 1  # what it refers to is told by its stages
