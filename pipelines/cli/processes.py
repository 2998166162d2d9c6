"""Processes: which one this is, whether one is still there, and how a group of them is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from trainer.reports import Report

_POLL_SECONDS = 0.05
_ENDED = {"", "Z", "X"}  # the states of processes that are gone, or only wait for their parent to notice


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
    """Clock ticks after boot, field 22; empty where the process has ended, or there is no /proc."""
    state, *fields = _stat(pid)
    return "" if state in _ENDED else fields[18]


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat from the third on, the state (proc(5)); the name in brackets, the second, may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [""]
    return stat.rpartition(")")[2].split()


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


@dataclass
class Group:
    """A process group and its leader, a child of ours. `killed` where it did not end by itself."""

    leader: subprocess.Popen[bytes]
    killed: bool = False

    def is_alive(self) -> bool:
        """Whether any process of it still works. Orphans that nobody reaps, as in a container without an init, do not."""
        self.leader.poll()  # reaped, so that it does not count as there
        with suppress(ProcessLookupError):
            os.killpg(self.leader.pid, 0)
            return any(self._members()) if Path("/proc/self/stat").exists() else True
        return False

    def end(self, is_urgent: Callable[[], bool]) -> None:
        """SIGINT to all of it, on which Python cleans up, as it would not on SIGTERM; SIGKILL as soon as it is urgent.

        Until then it may take its time: a rank ends its step and saves, and how long that takes its store alone knows.
        """
        with suppress(ProcessLookupError):
            os.killpg(self.leader.pid, signal.SIGINT)
            while self.is_alive() and not is_urgent():
                time.sleep(_POLL_SECONDS)
            self.killed = self.is_alive()
            os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait()

    def _members(self) -> Iterator[str]:
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                state, *fields = _stat(process.name)
                if state not in _ENDED and int(fields[1]) == self.leader.pid:
                    yield process.name


@contextmanager
def process_group(command: Sequence[str], environment: Mapping[str, str], log: BinaryIO, is_urgent: Callable[[], bool]) -> Generator[Group]:
    """A child that leads a process group of its own; what is left of the group at the end is ended, without patience where it is urgent."""
    group = Group(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True))
    try:
        yield group
    finally:
        group.end(is_urgent)
