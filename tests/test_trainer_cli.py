from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes import write_recipe


def trainer(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "trainer", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_the_verbs_follow_one_another_by_hand(tmp_path: Path) -> None:
    recipe = str(write_recipe(tmp_path, schedule={"total_steps": 3, "warmup_steps": 1}))

    prepared = json.loads(trainer("prepare", recipe, "--out", "out", cwd=tmp_path).stdout)
    lines = trainer("train", recipe, "--data", prepared["dataset"], "--out", "out", cwd=tmp_path).stdout.splitlines()
    trained = json.loads(lines[-1])
    evaluated = trainer(
        "evaluate", recipe, "--checkpoint", trained["checkpoint"], "--data", prepared["dataset"], "--out", "out", cwd=tmp_path
    )

    assert [json.loads(line)["event"] for line in lines[:-1]] == ["progress"] * 3 + ["scores"]
    assert json.loads(evaluated.stdout)["metrics"] == pytest.approx(trained["scores"])
    assert (tmp_path / json.loads(evaluated.stdout)["page"]).exists()
    again = json.loads(trainer("prepare", recipe, "--out", "out", cwd=tmp_path).stdout)
    assert again["adopted"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["prepare", "nonsense"], 2, "there is no recipe 'nonsense'"),
        (["prepare", "segmentation-microscopy"], 2, "--data"),
        (["prepare", "segmentation-digits", "--set", "source.sise=3"], 2, "did you mean size"),
        (["prepare", "segmentation-digits", "--out", "ftp://x"], 2, "unknown scheme ftp://"),
        (["train", "segmentation-digits", "--data", "nowhere"], 11, "nowhere/manifest.json"),
        (["train", "segmentation-digits"], 2, "--data"),
        (["launch", "--nproc-per-node", "0", "train", "segmentation-digits", "--data", "x"], 2, "'0' is not a number of at least 1"),
        (["launch", "--nnodes", "3:2", "train", "segmentation-digits", "--data", "x"], 2, "'3:2' has its minimum above its maximum"),
        (["launch", "--nnodes", "1:2", "train", "segmentation-digits", "--data", "x"], 2, "needs --rdzv-endpoint"),
        (["launch", "evaluate", "segmentation-digits"], 2, "invalid choice: 'evaluate'"),
        (["evaluate", "segmentation-digits", "--checkpoint", "a/b", "--data", "x"], 2, "is not the folder of a checkpoint"),
        (["fly"], 2, "invalid choice: 'fly'"),
        ([], 2, "required"),
    ],
)
def test_wrong_usage_is_one_clear_message_and_a_code(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    ended = trainer(*arguments, cwd=tmp_path)

    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_shows_examples_and_loads_no_torch() -> None:
    code = "import sys; from trainer.cli import main\ntry: main(['--help'])\nexcept SystemExit: print('torch' in sys.modules)"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "python -m trainer launch --nproc-per-node 2 train" in shown
    assert shown.endswith("False\n")
