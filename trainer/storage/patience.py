"""How long a store may take: the only place that tries again, and the only one that waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from trainer.errors import StoreUnavailableError

Answer = TypeVar("Answer")

_FIRST_PAUSE = 0.25  # seconds; each further one is twice as long, up to the longest
_LONGEST_PAUSE = 20.0


@dataclass(frozen=True)
class Patience:
    """The limits of one request, all its attempts and the pauses between them included.

    A page of a listing and a part of an upload are requests of their own, so a long listing or upload has no limit as long as it
    gets on; a long download buys itself time with every byte (see `Deadline.extend`).
    """

    total_seconds: float = 120.0
    attempts: int = 20  # more than fit into the time: the time decides
    connect_seconds: float = 10.0
    read_seconds: float = 60.0  # without a byte

    def within(self, seconds: float) -> Patience:
        """The same, for no longer in all than that."""
        return replace(self, total_seconds=min(seconds, self.total_seconds))


class BusyError(StoreUnavailableError):
    """The store says that it has too much to do, and may say for how long it wants to be left alone."""

    def __init__(self, message: str, pause_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


class GivenUpError(StoreUnavailableError):
    """No attempt succeeded. `last` is what the last one met."""

    def __init__(self, message: str, last: StoreUnavailableError) -> None:
        super().__init__(message)
        self.last = last


class Deadline:
    """A time after which nobody waits any more, on this process's monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._begin = time.monotonic()
        self._end = self._begin + seconds

    def left(self) -> float:
        """Seconds; at least 0."""
        return max(0.0, self._end - time.monotonic())

    def spent(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self._begin

    def extend(self, seconds: float) -> None:
        self._end += seconds


def retry(attempt: Callable[[Deadline], Answer], where: str, patience: Patience) -> Answer:
    """Make an attempt, and others while the store is unavailable, until one succeeds or the patience is at its end.

    Raises:
        GivenUpError: none succeeded.
    """
    deadline = Deadline(patience.total_seconds)
    number = 1
    while True:
        try:
            return attempt(deadline)
        except StoreUnavailableError as error:
            pause = max(pause_after(number), error.pause_seconds if isinstance(error, BusyError) else 0.0)
            if number == patience.attempts or deadline.left() <= pause:
                raise _given_up(where, number, deadline, error) from error
        time.sleep(pause)
        number += 1


def pause_after(number: int) -> float:
    """Seconds after that many attempts: exponential, and random, so that those who failed together do not come back together."""
    return min(_FIRST_PAUSE * 2 ** (number - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311


def _given_up(where: str, attempts: int, deadline: Deadline, error: StoreUnavailableError) -> GivenUpError:
    last = error.last if isinstance(error, GivenUpError) else error  # an attempt may be made of requests, each with its own attempts
    tried = f"{attempts} attempts" if attempts > 1 else "1 attempt"
    return GivenUpError(
        f"{where}: given up after {tried} in {deadline.spent():.1f} s. The last one: {last}. "
        "Check that the server runs, and how it is reached from here: AWS_ENDPOINT_URL, proxies",
        last,
    )
