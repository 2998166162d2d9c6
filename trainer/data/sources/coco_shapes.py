"""COCO's field `segmentation`: polygons, run lengths or compressed run lengths, held as few bytes until its image is read.

What is no segmentation is held as the complaint about it, so that an image's problem is told when its turn comes.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from trainer.data.sources.rle import Polygon, Runs, ShapeError, checked_runs, decode_counts, polygon_runs

_POLYGONS, _COUNTS, _COMPRESSED, _COMPLAINT = b"P", b"R", b"C", b"!"  # the first byte says how to read the rest
_SIZE = struct.Struct("<2I")  # height, width


def pack(segmentation: Any) -> bytes:
    """A segmentation as it came from JSON, in about as many bytes as it had there; never raises."""
    try:
        if isinstance(segmentation, list) and segmentation:
            return _pack_polygons(cast(list[Any], segmentation))
        if isinstance(segmentation, dict):
            return _pack_runs(**segmentation)
    except (TypeError, OverflowError, ValueError, struct.error):
        return _COMPLAINT + b"has a segmentation that is neither a list of polygons nor run lengths with their size"
    return _COMPLAINT + b"has no segmentation; segmentation needs one, a box is not enough"


def unpack(packed: bytes, height: int, width: int) -> Runs:
    """The run lengths of a packed segmentation in an image of this size.

    Raises:
        ShapeError: it is none, or not one of such an image.
    """
    kind, content = packed[:1], packed[1:]
    if kind == _COMPLAINT:
        raise ShapeError(content.decode())
    if kind == _POLYGONS:
        return polygon_runs(list(_polygons(np.frombuffer(content, np.float64))), height, width)
    size, counts = _SIZE.unpack_from(content), content[_SIZE.size :]
    if size != (height, width):
        raise ShapeError(f"is drawn for {size[0]} × {size[1]} pixels (height × width), but the image has {height} × {width}")
    return checked_runs(np.frombuffer(counts, np.uint32) if kind == _COUNTS else decode_counts(counts), height, width)


def _pack_polygons(polygons: list[Any]) -> bytes:
    """Each as the number of its coordinates and the coordinates, all in double precision."""
    numbers = array("d")
    for polygon in polygons:
        numbers.append(len(polygon))
        numbers.extend(polygon)
    return _POLYGONS + numbers.tobytes()


def _pack_runs(size: Any, counts: Any) -> bytes:
    if isinstance(counts, str):
        return _COMPRESSED + _SIZE.pack(*size) + counts.encode("ascii")
    return _COUNTS + _SIZE.pack(*size) + array("I", counts).tobytes()


def _polygons(numbers: Polygon) -> Iterator[Polygon]:
    start = 0
    while start < len(numbers):
        end = start + 1 + int(numbers[start])
        yield numbers[start + 1 : end]
        start = end
