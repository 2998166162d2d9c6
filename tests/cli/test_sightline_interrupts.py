"""Ctrl-C in a terminal: once, and the stage ends cleanly; twice, and all ends now."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sightline_process import Terminal, processes_of, sightline, sightline_in_a_terminal

from tests.processes import wait_until
from tests.recipes import write_recipe

ENDLESS: dict[str, dict[str, dict[str, Any]]] = {
    "prepare": {"source": {"train_scenes": 10_000_000}},
    "train": {"schedule": {"total_steps": 1_000_000}, "checkpoint": {"every_steps": 1_000_000}, "training": {"evaluate_every_steps": 0}},
}
SAID = "interrupted: ending the stage; Ctrl-C again stops at once"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in processes_of(tmp_path):
        os.kill(process, signal.SIGKILL)


def progress(folder: Path, stage: str, run: int = 0) -> list[int]:
    """How far a stage has come, each time that it told; `run` counts those of the folder."""
    events = sorted(folder.glob(".sightline/runs/*/events.jsonl"))[run:]
    lines = events[0].read_text().splitlines() if events else []
    return [json.loads(line)["done"] for line in lines if f'"progress", "stage": "{stage}"' in line]


def wait_for_progress(folder: Path, stage: str, terminal: Terminal, run: int = 0) -> None:
    assert wait_until(lambda: terminal.read() and progress(folder, stage, run), 60), f"{stage} did not begin: {terminal.text}"


def end(terminal: Terminal, seconds: float) -> int:
    """The exit code, for which it may take so long. The terminal is read meanwhile, or it would fill up."""
    assert wait_until(lambda: terminal.read() is not None and terminal.process.poll() is not None, seconds), terminal.text
    return terminal.process.returncode


def checkpoints(folder: Path) -> list[int]:
    """The samples that each committed checkpoint has seen."""
    return sorted(int(path.parent.name.split("-")[1]) for path in folder.glob("outputs/training/*/checkpoints/*/manifest.json"))


def test_once_ends_prepare_and_leaves_nothing_half_written(folder: Path) -> None:
    recipe = str(write_recipe(folder, **ENDLESS["prepare"]))
    with sightline_in_a_terminal(folder, "run", "segmentation", "--recipe", recipe) as terminal:
        wait_for_progress(folder, "prepare", terminal)
        terminal.press_ctrl_c()

        assert wait_until(lambda: SAID in terminal.read(), 1), terminal.text
        assert end(terminal, 10) == 130

    assert processes_of(folder) == {}
    assert list(folder.glob("outputs/datasets/*/.sightline-part-*")) == []
    assert list(folder.glob("outputs/datasets/*/manifest.json")) == []
    assert "go on    sightline rerun" in terminal.text
    (kept,) = folder.glob("outputs/runs/*/run.json")
    assert json.loads(kept.read_bytes())["state"] == "interrupted"


def test_once_saves_the_training_which_rerun_continues_and_twice_ends_it_now(folder: Path) -> None:
    recipe = str(write_recipe(folder, **ENDLESS["train"]))
    with sightline_in_a_terminal(folder, "run", "segmentation", "--recipe", recipe, "--workers", "2") as terminal:
        wait_for_progress(folder, "train", terminal)
        assert checkpoints(folder) == []
        terminal.press_ctrl_c()

        assert wait_until(lambda: SAID in terminal.read(), 1), terminal.text
        assert end(terminal, 20) == 130
    assert processes_of(folder) == {}
    (saved,) = checkpoints(folder)
    assert saved >= 7 * progress(folder, "train")[-1]
    told = json.loads(sightline(folder, "status", "last", "--json").out)
    assert (told["state"], told["stages"]["train"]["exit_code"]) == ("interrupted", 130)

    with sightline_in_a_terminal(folder, "rerun", "last") as terminal:
        wait_for_progress(folder, "train", terminal, run=1)
        assert 7 * progress(folder, "train", run=1)[0] > saved
        begin = time.monotonic()
        terminal.press_ctrl_c()
        assert wait_until(lambda: SAID in terminal.read(), 1), terminal.text
        terminal.press_ctrl_c()

        assert end(terminal, 2) == 130
        assert wait_until(lambda: not processes_of(folder), 2 - (time.monotonic() - begin)), processes_of(folder)
