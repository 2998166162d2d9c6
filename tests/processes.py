"""Real processes for tests: ranks of a world, training jobs, and who descends from whom."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Ended:
    """How a rank ended."""

    code: int
    out: str
    err: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_ranks(code: str, size: int) -> list[subprocess.Popen[str]]:
    """Start `size` interpreters that run `code` as the ranks of one world."""
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def run_ranks(code: str, size: int, seconds: float = 120) -> list[Ended]:
    """Run `code` on every rank to its end."""
    ranks = start_ranks(code, size)
    try:
        outputs = [rank.communicate(timeout=seconds) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    return [Ended(rank.returncode, *output) for rank, output in zip(ranks, outputs, strict=True)]


class Launch:
    """`python -m trainer launch … train …` in the background."""

    def __init__(
        self, recipe: Path, dataset: str, out: Path | str, *flags: str, train_flags: Sequence[str] = (), own_group: bool = False
    ) -> None:
        self.command = [sys.executable, "-m", "trainer", "launch", *flags, "train", str(recipe)]
        self.command += ["--data", dataset, "--out", str(out), *train_flags]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        self.process = subprocess.Popen(
            self.command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0 if own_group else None,
        )

    def finish(self, seconds: float = 120) -> tuple[int, str]:
        """Its exit code and what it printed."""
        try:
            output, _ = self.process.communicate(timeout=seconds)
        finally:
            self.process.kill()
        return self.process.returncode, output

    def ranks(self) -> list[int]:
        """The training processes: what the fork server, a child of the agent, has made."""
        return [pid for server in children(self.process.pid) for pid in children(server)]


def children(pid: int) -> list[int]:
    """The living children of a process."""
    return [child for child, parent in _parents().items() if parent == pid]


def descendants(pid: int) -> set[int]:
    """Every living process below one."""
    found: set[int] = set()
    edge = [pid]
    while edge:
        edge = [child for parent in edge for child in children(parent)]
        found.update(edge)
    return found


def is_alive(pid: int) -> bool:
    return pid in _parents()


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def _parents() -> dict[int, int]:
    """The parent of each process that is not a zombie."""
    found: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state != "Z":
                found[int(folder.name)] = int(parent)
    return found
