"""Work spread over threads or processes, with its results in order and a bounded number in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(executor: Executor, function: Callable[[T], R], values: Iterable[T], in_flight: int) -> Iterator[R]:
    """As `executor.map`, which would take every value at once and keep every result that is not fetched yet."""
    pending: deque[Future[R]] = deque()
    for value in values:
        pending.append(executor.submit(function, value))
        if len(pending) >= in_flight:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def chunks(values: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Tuples of `size` values; the last may be shorter."""
    iterator = iter(values)
    while chunk := tuple(islice(iterator, size)):
        yield chunk
