"""However `sightline run` ends, nothing that it started outlives it."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sightline_process import processes_of, settings, sightline, start_sightline

from tests.processes import wait_until

ENDLESS = {
    "prepare": settings(source__train_scenes=10_000_000),
    "train": settings(
        source__train_scenes=8, source__val_scenes=2, source__size=64, data__crop=[64, 64], schedule__total_steps=1_000_000,
        training__global_batch=4, model__channels=32, training__evaluate_every_steps=0, telemetry__every_steps=1,
    ),
}  # fmt: skip
GONE_WITHIN_SECONDS = 30.0  # that they go is what matters; how fast, on a busy machine, is not


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.fixture
def command(folder: Path, stage: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has come to a stage which would take days."""
    known = set(folder.glob(".sightline/runs/*"))
    command = start_sightline(folder, "run", "segmentation", "--workers", "1", *ENDLESS[stage])

    def is_there() -> bool:
        new = [path for path in folder.glob(".sightline/runs/*/events.jsonl") if path.parent not in known]
        return any(f'"progress", "stage": "{stage}"' in path.read_text() for path in new)

    try:
        assert wait_until(is_there, 120), f"{stage} did not begin"
        yield command
    finally:
        command.kill()
        command.wait()
        for process in processes_of(folder):
            os.kill(process, signal.SIGKILL)


def state_of_last_run(folder: Path) -> str:
    return json.loads(sightline(folder, "status", "last", "--json").out)["state"]


@pytest.mark.parametrize("stage", ["prepare"])
def test_sigterm_ends_the_stages_and_is_the_exit_code(command: subprocess.Popen[bytes], folder: Path) -> None:
    command.send_signal(signal.SIGTERM)

    assert command.wait(timeout=60) == 128 + signal.SIGTERM
    assert wait_until(lambda: not processes_of(folder), GONE_WITHIN_SECONDS), processes_of(folder)
    assert state_of_last_run(folder) == "interrupted"


@pytest.mark.parametrize("stage", ["prepare", "train"])
def test_nothing_is_left_when_the_command_is_killed(command: subprocess.Popen[bytes], folder: Path) -> None:
    command.kill()

    assert wait_until(lambda: not processes_of(folder), GONE_WITHIN_SECONDS), processes_of(folder)
    assert state_of_last_run(folder) == "interrupted"


@pytest.mark.parametrize(("stage", "victim"), [("train", "kfp.dsl.executor_main"), ("prepare", "pipelines.local")])
def test_the_run_fails_and_nothing_is_left_when_a_process_in_between_is_killed(
    stage: str, victim: str, command: subprocess.Popen[bytes], folder: Path
) -> None:
    lines = processes_of(folder)
    (process,) = [process for process, line in lines.items() if f"-m {victim} " in line and not line.startswith("sh ")]
    os.kill(process, signal.SIGKILL)

    assert command.wait(timeout=60) == 1
    assert wait_until(lambda: not processes_of(folder), GONE_WITHIN_SECONDS), processes_of(folder)
    told = json.loads(sightline(folder, "status", "last", "--json").out)
    assert (told["state"], told["stages"][stage]["state"]) == ("failed", "failed")
