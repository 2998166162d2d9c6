"""One launch command as a child: started, signalled, waited for, and its last words kept."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, cast

LAST_WORDS = 20  # lines
_READER_PATIENCE_SECONDS = 5.0  # for stderr to close after the child has ended


class Agent:
    """A child in a process group of its own, so that a signal reaches it once: from us, not from the terminal too."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace", process_group=0)
        self._last_lines: deque[str] = deque(maxlen=LAST_WORDS)
        self._reader = threading.Thread(target=self._pass_stderr_on, name="agent-stderr", daemon=True)
        self._reader.start()

    def wait(self) -> None:
        self.process.wait()
        self._reader.join(_READER_PATIENCE_SECONDS)

    @property
    def exit_code(self) -> int:
        """As a shell says it: 128 + n for death by signal n. Only once it has ended."""
        code = self.process.returncode
        return 128 - code if code < 0 else code

    @property
    def cause(self) -> str:
        """Why it ended: the signal, or the last line that it wrote to stderr."""
        if self.process.returncode < 0:
            return f"the launch command was ended by {signal.Signals(-self.process.returncode).name}"
        last = self._last_lines[-1] if self._last_lines else "it wrote nothing to stderr"
        return last.removeprefix("trainer: ")

    def _pass_stderr_on(self) -> None:
        with cast(IO[str], self.process.stderr) as stderr:  # a pipe was asked for
            for line in stderr:
                if line.strip():
                    self._last_lines.append(" ".join(line.split()))
                with suppress(BrokenPipeError):  # whoever read ours is gone; the cause is still to be told
                    sys.stderr.write(line)


@contextmanager
def signals_forwarded(agents: Sequence[Agent]) -> Generator[list[int]]:
    """Hand SIGTERM and SIGINT on to the agents, which then end by themselves. Gives those that came. Main thread only."""
    noted: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        noted.append(number)
        for agent in agents:
            agent.process.send_signal(number)

    previous = {number: signal.signal(number, forward) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield noted
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
