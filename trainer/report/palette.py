"""One colour a class: the same in the pictures, the tables and the legend of a report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Class 0, most often the background, is a quiet slate; the colours after it were chosen by eye, and to be far apart.
_CHOSEN = (
    (112, 122, 138),
    (59, 130, 246),
    (249, 146, 32),
    (34, 178, 110),
    (236, 72, 84),
    (150, 96, 240),
    (20, 184, 206),
    (242, 200, 24),
    (240, 98, 178),
    (166, 104, 56),
    (150, 214, 60),
    (20, 92, 150),
)

# OKLab: linear sRGB to cone responses, their cube roots to lightness and two opponent colours (Ottosson 2020).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LIGHTNESS = (0.42, 0.9)  # darker or lighter ones are lost on one of the two colour schemes
_CHROMA = (0.08, 0.21)  # greyer ones are taken for class 0, louder ones shout


def class_palette(n: int) -> NDArray[np.uint8]:
    """Distinct colours for `n` classes, `[n, 3]` uint8 RGB. The colour of a class does not depend on how many follow it."""
    colours = np.array(_CHOSEN, dtype=np.uint8)[:n]
    candidates = _candidates()
    nearest = _distances(candidates, colours).min(axis=1, initial=np.inf)
    while len(colours) < n:  # each next colour is the candidate farthest from all before it
        chosen = candidates[[nearest.argmax()]]
        colours = np.concatenate([colours, chosen])
        nearest = np.minimum(nearest, _distances(candidates, chosen)[:, 0])
    return colours


def oklab(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """`[n, 3]` sRGB in the space where Euclidean distance is close to the seen difference."""
    srgb = colours / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T


def _candidates() -> NDArray[np.uint8]:
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = oklab(grid)
    lightness, chroma = lab[:, 0], np.hypot(lab[:, 1], lab[:, 2])
    return grid[(lightness > _LIGHTNESS[0]) & (lightness < _LIGHTNESS[1]) & (chroma > _CHROMA[0]) & (chroma < _CHROMA[1])]


def _distances(these: NDArray[np.uint8], those: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.linalg.norm(oklab(these)[:, None] - oklab(those)[None], axis=2)
