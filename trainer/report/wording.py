"""How a report writes numbers for people. What is missing or not finite is a dash, never `nan`."""

from __future__ import annotations

import math

MISSING = "—"

_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def finite(value: float | None) -> float | None:
    """The value, or None where it is NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def percent(value: float | None, digits: int = 1) -> str:
    """A share of 1 as a percentage."""
    return MISSING if finite(value) is None else f"{value:.{digits}%}"


def cell(share: float | None, digits: int = 0) -> str:
    """A share of 1 in a table of percentages: no sign, a dot for nothing, `<1` for what would round to nothing."""
    if share is None or not math.isfinite(share):
        return MISSING
    if share == 0:
        return "·"
    least = 10.0**-digits
    return f"<{least:g}" if share * 100 < least / 2 else f"{share * 100:.{digits}f}"


def whole(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}"


def rounded(value: float | None) -> str:
    """Three significant digits, with a letter for the thousands: `11.2M`."""
    if value is None or not math.isfinite(value):
        return MISSING
    for size, letter in _LARGE:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Wall time in its two largest units."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(height_width: tuple[int, int]) -> str:
    """(height, width) in pixels, in the order in which people say it."""
    height, width = height_width
    return f"{width} × {height}"


def ratio(value: float | None) -> str:
    """A number of 0–1 for a style sheet; 0 where there is none."""
    return f"{min(max(finite(value) or 0.0, 0.0), 1.0):.4f}"
