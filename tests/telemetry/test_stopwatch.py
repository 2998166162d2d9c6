from __future__ import annotations

import pytest

from trainer.telemetry.stopwatch import Stopwatch


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def slow(clock: Clock, waits: list[float]):
    for wait in waits:
        clock.now += wait
        yield wait


def run(clock: Clock, stopwatch: Stopwatch, waits: list[float], step_seconds: float, batch: int, first: int = 0) -> None:
    for number, _ in enumerate(stopwatch.watch(slow(clock, waits)), start=1):
        clock.now += step_seconds
        stopwatch.step_done(first + number * batch)


def test_a_step_is_the_wait_for_its_batch_and_its_work() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    stopwatch.start(samples_seen=0)

    run(clock, stopwatch, waits=[1.0, 1.0], step_seconds=3.0, batch=16)

    lap = stopwatch.lap()
    assert lap.images_per_second == pytest.approx(32 / 8)
    assert lap.data_wait == pytest.approx(2 / 8)


def test_a_lap_counts_from_the_lap_before_and_the_whole_from_the_start() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    stopwatch.start(samples_seen=160)
    run(clock, stopwatch, waits=[0.0], step_seconds=4.0, batch=16, first=160)
    stopwatch.lap()
    run(clock, stopwatch, waits=[0.0], step_seconds=1.0, batch=16, first=176)

    assert stopwatch.lap().images_per_second == pytest.approx(16)
    assert stopwatch.images_per_second == pytest.approx(32 / 5)


def test_what_happens_between_steps_is_not_counted() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    stopwatch.start(samples_seen=0)
    batches = stopwatch.watch(iter([1, 2]))
    for number, _ in enumerate(batches, start=1):
        clock.now += 2.0
        stopwatch.step_done(number * 10)
        clock.now += 60.0  # an evaluation, a save
        stopwatch.resume()

    assert stopwatch.images_per_second == pytest.approx(20 / 4)


def test_before_the_first_step_there_is_no_rate() -> None:
    stopwatch = Stopwatch(Clock())
    stopwatch.start(samples_seen=0)

    assert stopwatch.images_per_second == 0.0
    assert stopwatch.lap().data_wait == 0.0
