"""Ranks and agents that die: nothing is lost but a little time (invariants 2, 7 and 8)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.processes import Launch, descendants, free_port, is_alive, wait_until
from tests.recipes import final_weights, losses, report_of, write_recipe
from trainer.errors import ExitCode

STEPS = 40
LONG = {"schedule": {"total_steps": STEPS, "warmup_steps": 2}, "training": {"precision": "float32", "evaluate_every_steps": 20}}


@pytest.fixture(scope="module")
def unbroken(tiny_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run on two ranks, without a fault."""
    folder = tmp_path_factory.mktemp("unbroken")
    code, output = Launch(write_recipe(folder, **LONG), tiny_dataset, folder, "--nproc-per-node", "2").finish()
    assert code == 0, output
    return folder


def start(tiny_dataset: str, folder: Path, *flags: str, ranks: int = 2, **changes: dict[str, object]) -> Launch:
    """The run, once its first checkpoint is committed."""
    launch = Launch(write_recipe(folder, **LONG, **changes), tiny_dataset, folder, "--nproc-per-node", str(ranks), *flags)
    assert wait_until(lambda: list(folder.glob("training/*/checkpoints/*/manifest.json")), seconds=60)
    return launch


def assert_same_curve(folder: Path, unbroken: Path) -> None:
    found, expected = losses(folder), losses(unbroken)
    assert sorted(found) == list(range(1, STEPS + 1))
    assert max(abs(found[step] - expected[step]) for step in expected) < 1e-5
    assert (final_weights(folder) - final_weights(unbroken)).norm() < 1e-5 * final_weights(unbroken).norm()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_costs_a_restart_and_not_the_run(victim: int, tiny_dataset: str, unbroken: Path, tmp_path: Path) -> None:
    launch = start(tiny_dataset, tmp_path)

    os.kill(launch.ranks()[victim], signal.SIGKILL)
    code, output = launch.finish()

    assert code == 0, output
    assert "killed by SIGKILL" in output or "another rank ended" in output
    assert_same_curve(tmp_path, unbroken)
    assert report_of(tmp_path)["attempts"] == 2


def test_no_process_outlives_its_agent_and_the_same_command_continues(tiny_dataset: str, unbroken: Path, tmp_path: Path) -> None:
    launch = start(tiny_dataset, tmp_path)
    below = descendants(launch.process.pid)
    assert len(below) >= 3  # the fork server and two ranks

    launch.process.kill()
    launch.process.communicate()

    assert wait_until(lambda: not any(is_alive(pid) for pid in below), seconds=5)
    code, output = Launch(tmp_path / "recipe.yaml", tiny_dataset, tmp_path, "--nproc-per-node", "2").finish()
    assert code == 0, output
    assert_same_curve(tmp_path, unbroken)


def test_a_terminated_agent_saves_ends_with_143_and_is_continued_by_another_number_of_ranks(
    tiny_dataset: str, unbroken: Path, tmp_path: Path
) -> None:
    launch = start(tiny_dataset, tmp_path, checkpoint={"every_steps": STEPS - 1})

    launch.process.terminate()
    code, output = launch.finish()

    assert code == ExitCode.TERMINATED, output
    assert not list(tmp_path.glob("training/*/reports/*.json"))
    newest = max(path.parent.name for path in tmp_path.glob("training/*/checkpoints/*/manifest.json"))
    assert 20 < int(newest.split("-")[1]) // 7 < STEPS - 1  # neither of the two that were due
    code, output = Launch(tmp_path / "recipe.yaml", tiny_dataset, tmp_path, "--nproc-per-node", "1").finish()
    assert code == 0, output
    assert_same_curve(tmp_path, unbroken)


def test_a_finished_run_ends_at_once_and_changes_nothing(tiny_dataset: str, unbroken: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")}
    began = time.monotonic()

    code, output = Launch(unbroken / "recipe.yaml", tiny_dataset, unbroken, "--nproc-per-node", "2").finish()

    assert code == 0, output
    assert "progress" not in output
    assert {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")} == before
    assert time.monotonic() - began < 60


def test_fresh_trains_anew_beside_what_was_there(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, schedule={"total_steps": 4, "warmup_steps": 1})
    for flags in ((), ("--fresh", "a"), ("--fresh", "a")):
        code, output = Launch(recipe, tiny_dataset, tmp_path, train_flags=flags).finish()
        assert code == 0, output

    assert sorted(path.name for path in tmp_path.glob("training/*/reports/*.json")) == ["0001.json", "0002.json"]
    assert len(list(tmp_path.glob("training/*/ledger/*.json"))) == 2
    first, second = sorted(tmp_path.glob("training/*/checkpoints/*-000000000028/model.safetensors"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"training": {"global_batch": 1}}, 2, "training.global_batch=1 is below the 2 ranks"),
        (
            {"schedule": {"peak_lr": 1e30, "total_steps": 20, "warmup_steps": 0}, "optimiser": {"clip_norm": 0.0}},
            30,
            "is nan|is inf|norm inf|norm nan",
        ),
        ({"model": {"backbone": "resnet_18"}}, 2, "model.backbone='resnet_18' is not a timm model"),
        ({"data": {"val_split": "test"}}, 10, "the data set has no split 'test'; it has: train, val"),
    ],
)
def test_what_no_restart_can_mend_ends_at_once_with_its_code(
    changes: dict[str, dict[str, object]], code: int, message: str, tiny_dataset: str, tmp_path: Path
) -> None:
    ended, output = Launch(write_recipe(tmp_path, **changes), tiny_dataset, tmp_path, "--nproc-per-node", "2").finish()

    assert ended == code, output
    assert any(part in output for part in message.split("|")), output
    assert "restarting" not in output


def test_two_agents_train_as_one_and_one_of_them_can_be_lost(tiny_dataset: str, unbroken: Path, tmp_path: Path) -> None:
    meet = ("--nnodes", "1:2", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "pair")
    first = Launch(write_recipe(tmp_path, **LONG), tiny_dataset, tmp_path, *meet)
    second = Launch(tmp_path / "recipe.yaml", tiny_dataset, tmp_path, *meet)
    assert wait_until(lambda: list(tmp_path.glob("training/*/checkpoints/*/manifest.json")), seconds=60)

    lost, kept = second, first
    lost.process.kill()
    lost.process.communicate()
    code, output = kept.finish()

    if code == 201:  # the one that was killed held the rendezvous: its pod would be recreated, and so is this one
        code, output = Launch(tmp_path / "recipe.yaml", tiny_dataset, tmp_path).finish()
    assert code == 0, output
    assert_same_curve(tmp_path, unbroken)
    assert report_of(tmp_path)["world_size"] == 1


def test_a_report_without_its_checkpoint_is_no_finished_run(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, schedule={"total_steps": 4, "warmup_steps": 1})
    assert Launch(recipe, tiny_dataset, tmp_path).finish()[0] == 0
    weights = final_weights(tmp_path)
    for file in tmp_path.glob("training/*/checkpoints/*/*"):
        file.unlink()

    code, output = Launch(recipe, tiny_dataset, tmp_path).finish()

    assert code == 0, output
    assert torch.equal(final_weights(tmp_path), weights)


def test_a_rank_that_crashes_three_times_in_one_place_ends_the_run(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        schedule={"total_steps": 10_000, "warmup_steps": 2},
        checkpoint={"every_steps": 9_000},
        training={"evaluate_every_steps": 0},
    )
    launch = Launch(recipe, tiny_dataset, tmp_path, "--nproc-per-node", "2")
    for attempt in (1, 2, 3):
        assert wait_until(lambda attempt=attempt: len(list(tmp_path.glob("training/*/ledger/*.json"))) == attempt, seconds=60)
        assert wait_until(lambda: len(launch.ranks()) == 2)
        os.kill(launch.ranks()[0], signal.SIGSEGV)
    code, output = launch.finish()

    assert code == 32, output
    assert "killed by SIGSEGV; the 3rd failure without a new checkpoint" in output


def test_ctrl_c_on_the_terminal_saves_once_and_ends(tiny_dataset: str, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        schedule={"total_steps": 10_000, "warmup_steps": 2},
        checkpoint={"every_steps": 9_000},
        training={"evaluate_every_steps": 0},
    )
    launch = Launch(recipe, tiny_dataset, tmp_path, "--nproc-per-node", "2", own_group=True)
    assert wait_until(lambda: list(tmp_path.glob("training/*/ledger/*.json")), seconds=60)
    assert wait_until(lambda: len(launch.ranks()) == 2)

    time.sleep(1)  # some steps: nothing in the store tells of them
    os.killpg(launch.process.pid, signal.SIGINT)
    code, output = launch.finish()

    assert code == 130, output
    assert list(tmp_path.glob("training/*/checkpoints/*/manifest.json"))
