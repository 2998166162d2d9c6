"""A run's outputs in a folder and in two S3 servers, of which one ignores `If-None-Match`: the very same model, for every task."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from sightline_process import Answer, sightline

from tests.recipes import TASKS, write_recipe

STORES = ("bucket", "rclone_bucket")

pytestmark = pytest.mark.xdist_group("stores")  # so that what is made once is made once


def run(task: str, folder: Path, out: str) -> Answer:
    recipe = write_recipe(folder, task, schedule={"total_steps": 3, "warmup_steps": 1}, registration={"minimum": 0.0})
    return sightline(folder, "run", task, "--recipe", str(recipe), "--out", out, "--workers", "1", "--json")


@pytest.fixture(scope="module")
def in_a_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Answer]:
    return cache(lambda task: run(task, tmp_path_factory.mktemp(task), "outputs"))


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("task", TASKS)
def test_a_bucket_gives_the_very_same_model_as_a_folder(
    task: str, store: str, in_a_folder: Callable[[str], Answer], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bucket: str = request.getfixturevalue(store)
    local = in_a_folder(task)

    remote = run(task, tmp_path, f"{bucket}/out")

    assert (local.exit_code, remote.exit_code) == (0, 0), local.err + remote.err
    assert remote.states == {"prepare": "ran", "train": "ran", "evaluate": "ran", "register": "ran"}
    assert remote.summary["model"]["version"] == local.summary["model"]["version"]
    assert remote.summary["metrics"] == local.summary["metrics"]
