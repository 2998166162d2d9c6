"""Two ways to do one thing, timed in turns, so that a machine whose speed drifts does not decide."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

ROUNDS = 9


def compare(name: str, ours: Callable[[], int], other: Callable[[], int], *, labels: tuple[str, str]) -> float:
    """Print a table and `ratio <name> <ours/other>`, the median over rounds of our rate by the other's; each call returns what it did."""
    rates: list[tuple[float, float]] = [(_rate(ours), _rate(other)) for _ in range(ROUNDS + 1)][1:]  # the first warms up
    for label, values in zip(labels, zip(*rates, strict=True), strict=True):
        print(f"{label:<34} {min(values):>10,.0f} {statistics.median(values):>10,.0f} {max(values):>10,.0f}  samples/s (min, median, max)")
    ratio = statistics.median(mine / theirs for mine, theirs in rates)
    print(f"ratio {name} {ratio:.2f}")
    return ratio


def _rate(work: Callable[[], int]) -> float:
    begin = time.perf_counter()
    return work() / (time.perf_counter() - begin)
