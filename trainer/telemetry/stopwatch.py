"""Where the time of training goes. Only telemetry reads a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Lap:
    """The time since the lap before. `data_wait` is the share of it, 0–1, in which the step waited for its batch."""

    images_per_second: float
    data_wait: float


class Stopwatch:
    """Counts samples and seconds of steps, evaluations and saves left out."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._first_samples = self._lap_samples = self._samples = 0
        self._step_seconds = self._lap_seconds = self._wait = 0.0
        self._mark = clock()

    def start(self, samples_seen: int) -> None:
        self._first_samples = self._lap_samples = self._samples = samples_seen
        self.resume()

    def resume(self) -> None:
        """Forget the time since the last step: something else than a step took it."""
        self._mark = self._clock()

    def watch(self, batches: Iterable[T]) -> Iterator[T]:
        """The same batches; the wait for each is counted. A step begins when its batch is asked for."""
        iterator = iter(batches)
        while True:
            self._mark = self._clock()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._wait += self._clock() - self._mark
            yield batch

    def step_done(self, samples_seen: int) -> None:
        now = self._clock()
        self._step_seconds += now - self._mark
        self._mark, self._samples = now, samples_seen

    def lap(self) -> Lap:
        """Since the lap before; begins the next."""
        seconds = self._step_seconds - self._lap_seconds
        lap = Lap(_rate(self._samples - self._lap_samples, seconds), self._wait / seconds if seconds else 0.0)
        self._lap_samples, self._lap_seconds, self._wait = self._samples, self._step_seconds, 0.0
        return lap

    @property
    def images_per_second(self) -> float:
        """Over all steps since the start."""
        return _rate(self._samples - self._first_samples, self._step_seconds)


def _rate(samples: int, seconds: float) -> float:
    return samples / seconds if seconds else 0.0
