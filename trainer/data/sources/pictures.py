"""Files of images and masks: which are kept byte for byte, which are encoded again, which cannot be used."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from trainer.data.sources.base import Pixels, UnusableImageError

_UNDECODABLE = (
    OSError,
    SyntaxError,  # what Pillow raises for a broken PNG header
    TypeError,  # for a page of a TIFF without dimensions
    LookupError,  # for a frame of a GIF that ends too early, and for unknown kinds of TIFF
    ValueError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_PNG_GREY, _PNG_RGB = 0, 2


@dataclass(frozen=True)
class Picture:
    """An image's file and its pixels, `[H, W, 3]`."""

    data: bytes
    extension: str
    pixels: Pixels


def read_picture(data: bytes, file: str) -> Picture:
    """Decode an image; anything but a plain 8-bit PNG or RGB JPEG is turned upright and encoded as PNG.

    Raises:
        UnusableImageError: it is truncated, of no known format, beyond Pillow's limit of pixels, of 32-bit values, or of several frames.
    """
    with _decoding(file):
        image = Image.open(BytesIO(data))
        _require_one_frame(image, file)
        image.load()
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        pixels = _rgb(ImageOps.exif_transpose(image) if turned else image, file)
    if not turned and (extension := _plain_extension(image, data)):
        return Picture(data, extension, pixels)
    return Picture(encode_png(pixels), "png", pixels)


def read_labels(data: bytes, file: str) -> Pixels:
    """The values of an index PNG, `[H, W]`: grey levels, palette indices, or 0 and 1.

    Raises:
        UnusableImageError: it is truncated, or not an 8-bit index PNG.
    """
    with _decoding(file):
        image = Image.open(BytesIO(data), formats=["PNG"])
        image.load()
    depth, _ = _png_depth_and_colour(data)
    if image.mode not in {"L", "P", "1"} or (image.mode == "L" and depth != 8):  # Pillow stretches 2- and 4-bit grey to 0–255
        raise UnusableImageError(
            file,
            f"is a {depth}-bit PNG of mode {image.mode}; save class indices as 8-bit greyscale or palette PNG, or name source.colours",
        )
    return np.asarray(image).astype(np.uint8)


def read_colours(data: bytes, file: str) -> Pixels:
    """The colours of a PNG, `[H, W, 3]`: RGB, of a palette, or grey as three equal values.

    Raises:
        UnusableImageError: it is truncated, has 16 bits a channel, which hold more colours than a table, or is not opaque.
    """
    with _decoding(file):
        image = Image.open(BytesIO(data), formats=["PNG"])
        image.load()
        colours = np.asarray(image.convert("RGBA"))
    if (depth := _png_depth_and_colour(data)[0]) > 8:
        raise UnusableImageError(file, f"is a {depth}-bit PNG of mode {image.mode}; save its colours as 8-bit RGB or palette PNG")
    if clear := int((colours[:, :, 3] < 255).sum()):
        raise UnusableImageError(file, f"is not opaque in {clear} pixels, so their colour has no meaning; save it without transparency")
    return colours[:, :, :3]


def encode_png(pixels: Pixels) -> bytes:
    """`[H, W]` as greyscale, `[H, W, 3]` as RGB."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)  # level 6 takes twice as long for 4 % less
    return buffer.getvalue()


@contextmanager
def _decoding(file: str) -> Generator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of odd metadata; pixels that cannot be had are errors
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except _UNDECODABLE as error:
            raise UnusableImageError(file, f"cannot be decoded: {_describe(error)}") from None


def _describe(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):  # its text holds the address of a buffer
        return "its format is not recognised"
    return str(error) or type(error).__name__


def _require_one_frame(image: Image.Image, file: str) -> None:
    """Which frame of an animation or page of a stack is meant cannot be known. The others of MPO are previews of the first."""
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":
        raise UnusableImageError(file, f"has {frames} frames; save the one that is meant as a picture of its own")


def _rgb(image: Image.Image, file: str) -> Pixels:
    if image.mode.startswith("I;16"):
        high = (np.asarray(image) >> 8).astype(np.uint8)  # as Pillow does for 16-bit RGB; its own conversion clips
        return np.repeat(high[:, :, None], 3, axis=2)
    if image.mode in {"I", "F"}:
        raise UnusableImageError(file, f"has 32-bit values (mode {image.mode}), whose range is not known; convert it to 8 bits a channel")
    return np.asarray(image.convert("RGB"))


def _plain_extension(image: Image.Image, data: bytes) -> str:
    """`png` or `jpg` where every decoder reads the file alike; empty where it must be encoded again."""
    if image.format == "JPEG" and image.mode == "RGB":
        return "jpg"
    if image.format == "PNG" and "transparency" not in image.info and _png_depth_and_colour(data) in {(8, _PNG_GREY), (8, _PNG_RGB)}:
        return "png"
    return ""


def _png_depth_and_colour(data: bytes) -> tuple[int, int]:
    """Bit depth and colour type, from the header chunk that opens every PNG (ISO/IEC 15948, 11.2.2)."""
    return data[24], data[25]
