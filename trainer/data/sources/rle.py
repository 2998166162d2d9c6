# faster_coco_eval has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

"""Shapes as COCO's run lengths: down the columns of an image, in turn outside and inside the shape, beginning outside.

Imports the reference implementation where polygons are drawn, and gives it nothing unchecked: it is C and trusts its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int64]
Polygon = NDArray[np.float64]  # x0, y0, x1, y1, … in pixels

_FARTHEST = 1e6  # pixels; the reference overflows at 4e8, and takes 80 MB for an outline of this length
_LONGEST_COUNT = 7  # characters of five bits: more than any image has pixels


class ShapeError(ValueError):
    """What is wrong with a shape, as the end of a sentence about it."""


def checked_runs(counts: Sequence[int] | NDArray[np.integer], height: int, width: int) -> Runs:
    """Run lengths that cover an image exactly.

    Raises:
        ShapeError: they do not.
    """
    runs = np.asarray(counts, np.int64)
    if (runs < 0).any():
        raise ShapeError(f"has a run of {runs.min()} pixels")
    if (total := int(runs.sum())) != height * width:
        raise ShapeError(f"has runs of {total} pixels in all, but its size of {height} × {width} has {height * width}")
    return runs


def decode_counts(text: bytes) -> list[int]:
    """Run lengths from COCO's compressed form.

    A character, less 48, holds five bits, lowest first, and a flag (32) that more follow; the last one's highest bit is the sign.
    From the fourth number on, each is the difference to the one before the last. Source: rleFrString of the COCO API.

    Raises:
        ShapeError: the text is none such.
    """
    counts: list[int] = []
    value, bits = 0, 0
    for character in text:
        code = character - 48
        if not 0 <= code < 64 or bits >= 5 * _LONGEST_COUNT:
            raise ShapeError(f"has run lengths that do not decode: see the character {chr(character)!r} of run {len(counts) + 1}")
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            signed = value - (1 << bits) if code & 16 else value
            counts.append(signed + counts[-2] if len(counts) > 2 else signed)
            value, bits = 0, 0
    if bits:
        raise ShapeError("has run lengths that do not decode: the last one is cut short")
    return counts


def polygon_runs(polygons: Sequence[Polygon], height: int, width: int) -> Runs:
    """The union of polygons, clipped to the image, exactly as the COCO API rasterises them.

    Raises:
        ShapeError: one of them has no area to speak of, or lies beyond all measure.
    """
    from faster_coco_eval.core import mask as reference  # a tenth of a second, and only where there are polygons

    for polygon in polygons:
        _check_polygon(polygon)
    drawn: Any = reference.frPyObjects([polygon.tolist() for polygon in polygons], height, width)
    return checked_runs(decode_counts(reference.merge(drawn)["counts"]), height, width)


def area(runs: Runs) -> int:
    """Pixels inside the shape."""
    return int(runs[1::2].sum())


def paint(columns: NDArray[np.uint8], runs: Runs, value: int) -> None:
    """Set the pixels inside the shape, in place; `columns` is a transposed image, `[W, H]`, contiguous."""
    pixels = columns.reshape(-1)
    bounds = np.cumsum(runs).tolist()
    for start, end in zip(bounds[0::2], bounds[1::2], strict=False):  # a last run outside has no partner
        pixels[start:end] = value


def _check_polygon(polygon: Polygon) -> None:
    if len(polygon) < 6 or len(polygon) % 2:
        raise ShapeError(f"has a polygon of {len(polygon)} numbers; three points or more make one, of two numbers each")
    points = polygon.reshape(-1, 2)
    outline = np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()
    farthest = np.abs(points).max()
    if max(farthest, outline) > _FARTHEST:
        raise ShapeError(f"has a polygon {farthest:.3g} pixels away and {outline:.3g} pixels around; {_FARTHEST:.0e} is the most")
