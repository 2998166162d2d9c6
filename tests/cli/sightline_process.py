"""The command as a process of its own, as a user starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
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


def settings(**values: object) -> Sequence[str]:
    """`--set` flags: `settings(schedule__total_steps=2)`."""
    return [word for key, value in values.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]
