"""Processes: which one this is, whether one is still there, and how a group of them is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from trainer.reports import Report

PATIENCE_SECONDS = 30.0  # between SIGINT and SIGKILL: a rank ends its step and saves; torch gives it as long


class Process(Report):
    """A process, and when it started: its id alone may be another's by now."""

    pid: int
    started: str


def this_process() -> Process:
    return Process(pid=os.getpid(), started=_start_of(os.getpid()))


def is_alive(process: Process) -> bool:
    """Whether it is that very process that still runs."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's, so not ours
    return _start_of(process.pid) == process.started


def _start_of(pid: int) -> str:
    """Clock ticks after boot, field 22 of /proc/PID/stat (proc(5)); empty where the process has ended, or there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()  # from field 3 on: the name in brackets, field 2, may hold anything
    return "" if state == "Z" else fields[18]


@contextmanager
def signals_noted() -> Generator[list[int]]:
    """SIGINT and SIGTERM, as they arrive, instead of what they would do. Main thread only."""
    noted: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def process_group(
    command: Sequence[str], environment: Mapping[str, str], log: BinaryIO, is_urgent: Callable[[], bool]
) -> Generator[subprocess.Popen[bytes]]:
    """A child that leads a process group of its own; what is left of the group at the end is ended, without patience where it is urgent."""
    child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield child
    finally:
        _end_group(child, is_urgent)


def _end_group(leader: subprocess.Popen[bytes], is_urgent: Callable[[], bool]) -> None:
    """SIGINT to the whole group, on which Python cleans up, as it would not on SIGTERM; SIGKILL to what is left of it after a while."""
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and not is_urgent():
            leader.poll()  # reaped, so that it does not count as there
            os.killpg(leader.pid, 0)
            time.sleep(0.05)
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
