"""Ending in order: a signal sets a flag, all ranks agree on it at the next step."""

from __future__ import annotations

import signal
from types import FrameType

from trainer.hooks.base import Hook
from trainer.state import Reason, StepResult, TrainState

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Preemption(Hook):
    """On SIGTERM or SIGINT stops the run after the step; a second signal ends the process at once."""

    def __init__(self) -> None:
        self._signalled = False
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}

    def on_start(self, state: TrainState) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._note)

    def on_step(self, state: TrainState, result: StepResult) -> None:
        if state.world.any(self._signalled):
            state.stop = Reason.PREEMPTED

    def close(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signalled = True
        signal.signal(number, signal.SIG_DFL)
