from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.processes import is_alive, wait_until

PARENT = """
import os, subprocess, sys
child = subprocess.Popen({command})
print(child.pid, flush=True)
child.wait()
"""
CHILD = "from trainer.lifeline import die_with_parent; import time; die_with_parent(); print('ready', flush=True); time.sleep(60)"
NAMED = (
    "from trainer.lifeline import die_with_named_parent; import time; die_with_named_parent(); print('ready', flush=True); time.sleep(60)"
)


def test_a_child_ends_with_its_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(command=[sys.executable, "-c", CHILD])], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"

    parent.kill()
    parent.wait()

    assert wait_until(lambda: not is_alive(child))
    parent.stdout.close()


@pytest.mark.parametrize("through", [[], ["sh", "-c", '"$@"; true', "sh"]], ids=["its own child", "through a shell"])
def test_a_process_ends_with_the_one_that_is_named(through: list[str]) -> None:
    named = subprocess.Popen(["sleep", "60"])
    child = subprocess.Popen(
        [*through, sys.executable, "-c", NAMED], env={**os.environ, "SIGHTLINE_PARENT": str(named.pid)}, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert child.poll() is None

    named.kill()
    named.wait()

    assert wait_until(lambda: child.poll() is not None)
    child.stdout.close()


def test_a_named_process_that_is_gone_already_ends_it_at_once() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()

    ended = subprocess.run([sys.executable, "-c", NAMED], env={**os.environ, "SIGHTLINE_PARENT": str(gone.pid)}, timeout=20, check=False)

    assert ended.returncode == 137


def test_without_a_name_a_command_lives_on() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SIGHTLINE_PARENT"}
    code = NAMED.replace("time.sleep(60)", "print('done')")

    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout == "ready\ndone\n"
    )
