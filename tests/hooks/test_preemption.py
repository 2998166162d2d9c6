from __future__ import annotations

import os
import signal
from itertools import count

import pytest

from tests.toys import Diary, Regression, images_of, state_of
from trainer.hooks.preemption import Preemption
from trainer.loop import fit
from trainer.state import Reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_run_after_the_step_that_it_met(number: int) -> None:
    state, diary = state_of(steps=50), Diary()

    def steps():
        for step in count():
            if step == 2:
                os.kill(os.getpid(), number)
            yield [images_of([10, 20, 30, 40], [1, 2, 3, 4])]

    fit(state, steps(), Regression(), [Preemption(), diary], lambda _: None)

    assert state.stop is Reason.PREEMPTED
    assert state.step == 3
    assert diary.events[-2:] == ["stop@3", "close"]


def test_afterwards_signals_are_as_they_were_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    fit(state_of(steps=1), [[images_of([1] * 4, [1] * 4)]], Regression(), [Preemption()], lambda _: None)

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_run_without_signals_is_not_stopped() -> None:
    state = state_of(steps=3)

    fit(state, [[images_of([1] * 4, [1] * 4)]] * 3, Regression(), [Preemption()], lambda _: None)

    assert state.stop is None
    assert state.is_complete
