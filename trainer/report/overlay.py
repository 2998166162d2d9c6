"""Pictures of a report: an image, its truth and its prediction, side by side."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from trainer.labels import IGNORE
from trainer.report.palette import class_palette

__all__ = ["PANELS", "captioned", "class_palette", "comparison", "index_png", "plain_picture", "tinted"]

PANELS = ("Image", "Truth", "Prediction", "Errors")

_SMALLEST, _LARGEST = 192, 640  # pixels of a panel's longer side
_GAP = 8  # pixels between panels, transparent: the page's own colour shows
_TEXT_HEIGHT = 14  # pixels
_FILL = 0.6  # weight of the class's colour inside an area
_QUIET = 0.35  # weight of class 0, which would else cover most of the image
_DIM = 0.6  # of the grey image behind the errors
_ERROR = np.array([255, 45, 85], dtype=np.uint8)

Pixels = NDArray[np.uint8]


def comparison(image: ArrayLike, truth: ArrayLike, prediction: ArrayLike, palette: Pixels) -> bytes:
    """Four panels as a PNG: the image, the truth and the prediction drawn over it, and where the two disagree.

    Args:
        image: `[3, H, W]` uint8.
        truth: `[H, W]` uint8 class indices; 255 is drawn nowhere and counts as no error.
        prediction: `[H, W]` uint8 class indices.
        palette: `[classes, 3]` uint8, from `class_palette`.

    Raises:
        ValueError: the shapes disagree, or a class has no colour.
    """
    pixels, true, called = np.asarray(image), np.asarray(truth), np.asarray(prediction)
    _check(pixels, true, called, len(palette))
    size = _panel_size(*true.shape)
    pixels = _resized(np.moveaxis(pixels, 0, 2), size)
    true, called = _resized(true, size), _resized(called, size)
    return _png([pixels, _drawn(pixels, true, palette), _drawn(pixels, called, palette), _errors(pixels, true, called)])


def plain_picture(image: ArrayLike) -> bytes:
    """An image `[3, H, W]` uint8 as a PNG of a size to look at."""
    pixels = np.moveaxis(np.asarray(image), 0, 2)
    return _png([_resized(pixels, _panel_size(*pixels.shape[:2]))])


def captioned(image: ArrayLike, text: str) -> bytes:
    """An image `[3, H, W]` uint8 of a size to look at, with a line of text below it, as a PNG."""
    pixels = np.moveaxis(np.asarray(image), 0, 2)
    shown = Image.fromarray(_resized(pixels, _panel_size(*pixels.shape[:2])))
    font = ImageFont.load_default(_TEXT_HEIGHT)
    width = max(shown.width, math.ceil(font.getlength(text)) + 2 * _GAP)
    canvas = Image.new("RGB", (width, shown.height + 2 * _TEXT_HEIGHT), "white")
    canvas.paste(shown, ((width - shown.width) // 2, 0))
    ImageDraw.Draw(canvas).text((width / 2, shown.height + _TEXT_HEIGHT), text, fill="black", font=font, anchor="mm")
    return _encoded(canvas)


def tinted(image: ArrayLike, labels: ArrayLike, palette: Pixels, longest: int = 0) -> bytes:
    """An image with each area in its class's colour, as a PNG.

    Drawn in bytes throughout: it must be cheap for a photograph.

    Args:
        image: `[3, H, W]` uint8.
        labels: `[H, W]` uint8 class indices; 255 is drawn nowhere.
        palette: `[classes, 3]` uint8, from `class_palette`.
        longest: pixels of its longer side, where it is to be smaller than the image; 0 leaves its size.
    """
    pixels, classes = np.moveaxis(np.asarray(image), 0, 2), np.asarray(labels)
    if longest and (largest := max(classes.shape)) > longest:
        height, width = (max(1, round(side * longest / largest)) for side in classes.shape)
        pixels, classes = _resized(pixels, (width, height)), _resized(classes, (width, height))
    weights = np.full(IGNORE + 1, round(_FILL * 255), np.uint8)
    weights[0], weights[IGNORE] = round(_QUIET * 255), 0
    weight = weights[classes]
    weight[_outline(classes) & (classes != IGNORE) & (classes != 0)] = 255
    colours = _indexed(classes, palette).convert("RGB")
    return _encoded(Image.composite(colours, Image.fromarray(np.ascontiguousarray(pixels)), Image.fromarray(weight)))


def index_png(labels: ArrayLike, palette: Pixels) -> bytes:
    """Class indices `[H, W]` uint8 as a palette PNG: its values are the classes, its colours the palette's."""
    return _encoded(_indexed(np.asarray(labels), palette))


def _indexed(labels: Pixels, palette: Pixels) -> Image.Image:
    image = Image.fromarray(labels)
    image.putpalette(palette.tobytes())
    return image


def _encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=3)  # level 6 takes twice as long for 4 % less
    return file.getvalue()


def _check(pixels: Pixels, true: Pixels, called: Pixels, classes: int) -> None:
    if pixels.shape != (3, *true.shape) or true.shape != called.shape:
        raise ValueError(
            f"image {pixels.shape}, truth {true.shape}, prediction {called.shape}: they must be [3, H, W], [H, W], [H, W] of one size"
        )
    for name, labels in (("truth", true), ("prediction", called)):
        strange = labels[(labels >= classes) & (labels != IGNORE)]
        if strange.size:
            raise ValueError(
                f"{name} holds class {strange[0]}, but the palette has {classes} colours; give class_palette the number of classes"
            )


def _panel_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) as Pillow wants it: small ones enlarged by a whole factor, large ones reduced."""
    longer = max(height, width)
    scale = math.ceil(_SMALLEST / longer) if longer < _SMALLEST else min(1.0, _LARGEST / longer)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """To `size`; only an image that shrinks is averaged, labels never are."""
    shrinks = pixels.ndim == 3 and size[0] < pixels.shape[1]
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST))


def _drawn(pixels: Pixels, labels: Pixels, palette: Pixels) -> Pixels:
    """Each class as a tint, and the outline of each area but class 0's in the full colour."""
    known = labels != IGNORE
    colours = palette[np.where(known, labels, 0)]
    weight = np.where(labels == 0, _QUIET, _FILL) * known
    weight[_outline(labels) & known & (labels != 0)] = 1.0
    return _blend(pixels, colours, weight)


def _outline(labels: Pixels) -> NDArray[np.bool_]:
    """Pixels that touch one of another class above, below, left or right."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


def _errors(pixels: Pixels, true: Pixels, called: Pixels) -> Pixels:
    """The image in dim grey, with the pixels that were called wrong in one loud colour."""
    grey = np.repeat((pixels.mean(axis=2, keepdims=True) * _DIM).astype(np.uint8), 3, axis=2)
    wrong = (true != called) & (true != IGNORE)
    return np.where(wrong[..., None], _ERROR, grey)


def _blend(pixels: Pixels, colours: Pixels, weight: NDArray[np.float64]) -> Pixels:
    share = weight[..., None]
    return np.rint(pixels * (1 - share) + colours * share).astype(np.uint8)


def _png(panels: list[Pixels]) -> bytes:
    height, width = panels[0].shape[:2]
    strip = np.zeros((height, width * len(panels) + _GAP * (len(panels) - 1), 4), dtype=np.uint8)
    for place, panel in enumerate(panels):
        left = place * (width + _GAP)
        strip[:, left : left + width, :3] = panel
        strip[:, left : left + width, 3] = 255
    file = io.BytesIO()
    Image.fromarray(strip).save(file, format="PNG", optimize=True)
    return file.getvalue()
