"""A group of processes is ended with patience, unless it is urgent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pipelines
from pipelines.cli.processes import Group, process_group
from tests.processes import wait_until

SAVES_ON_CTRL_C = """
import pathlib, signal, time
def save(number, frame):
    pathlib.Path("saving").touch()
    time.sleep({seconds})
    pathlib.Path("saved").touch()
    raise SystemExit
signal.signal(signal.SIGINT, save)
pathlib.Path("ready").touch()
time.sleep(60)
"""


@contextmanager
def group_that_saves(seconds: float, is_urgent: Callable[[], bool]) -> Generator[Group]:
    """A group that has begun its work in the working folder, and takes so long to save."""
    command = [sys.executable, "-c", SAVES_ON_CTRL_C.format(seconds=seconds)]
    with Path("log").open("wb") as log, process_group(command, os.environ, log, is_urgent) as group:
        assert wait_until(Path("ready").exists, 20)
        yield group


def test_what_is_saving_is_waited_for_however_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clock = time.monotonic
    with group_that_saves(0.5, is_urgent=lambda: False) as group:
        monkeypatch.setattr(time, "monotonic", lambda: 1000 * clock())  # a second seems a quarter of an hour

    assert Path("saved").exists()
    assert (group.killed, group.leader.returncode) == (False, 0)


def test_where_it_is_urgent_it_is_killed_at_once_and_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with group_that_saves(60, is_urgent=Path("saving").exists) as group:
        pass

    assert not Path("saved").exists()
    assert (group.killed, group.leader.returncode) == (True, -9)


def test_a_group_that_has_ended_by_itself_was_not_killed(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, process_group([sys.executable, "-c", ""], os.environ, log, lambda: False) as group:
        group.leader.wait()

    assert (group.killed, group.is_alive()) == (False, False)


NOBODY_REAPS = """
import ctypes, os, subprocess, sys
from pipelines.cli.processes import process_group
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become this process's children, which it does not wait for
orphan = "import os, time; os.fork() or (time.sleep(30), os._exit(0))"
with process_group([sys.executable, "-c", orphan], os.environ, subprocess.DEVNULL, lambda: False) as group:
    group.leader.wait()
    assert group.is_alive()
print(group.killed)
"""


def test_an_orphan_that_has_ended_and_that_nobody_reaps_is_not_waited_for() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(pipelines.__file__).parent.parent)}

    done = subprocess.run([sys.executable, "-c", NOBODY_REAPS], env=environment, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "False\n"
