"""The command as a process of its own, as a user starts it."""

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pipelines

COMMAND = (sys.executable, "-P", "-m", "pipelines.cli")  # -P: as in the console script, the working directory is not on the path
_ROOT = Path(pipelines.__file__).parent.parent


@dataclass(frozen=True)
class Answer:
    exit_code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """What `--json` printed: exactly one line."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def states(self) -> dict[str, str]:
        return {name: stage["state"] for name, stage in self.summary["stages"].items()}


@dataclass
class Terminal:
    """A command and the terminal that it runs in."""

    process: subprocess.Popen[bytes]
    _screen: int
    text: str = ""

    def press_ctrl_c(self) -> None:
        os.write(self._screen, b"\x03")

    def read(self) -> str:
        """All that it has shown so far."""
        while select.select([self._screen], [], [], 0)[0]:
            try:
                self.text += os.read(self._screen, 1 << 16).decode(errors="replace")
            except OSError:  # it has ended
                break
        return self.text


def environment() -> dict[str, str]:
    """Ours, with the packages found wherever the command is started."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    return {**ours, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}


def sightline(folder: Path, *arguments: str, timeout: float = 240) -> Answer:
    command = [*COMMAND, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def start_sightline(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def sightline_in_a_terminal(folder: Path, *arguments: str) -> Generator[Terminal]:
    """The command in the foreground of a terminal of its own, where Ctrl-C is a key."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env={**environment(), "TERM": "xterm", "COLUMNS": "140"},
        stdin=its, stdout=its, stderr=its, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(its)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def processes_of(folder: Path) -> dict[int, str]:
    """Command lines of the processes that a run in this folder has started, by process id; the command itself is not among them."""
    found: dict[int, str] = {}
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and f"SIGHTLINE_EVENTS={folder}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended meanwhile
    return found


def settings(**values: object) -> Sequence[str]:
    """`--set` flags: `settings(schedule__total_steps=2)`."""
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]
