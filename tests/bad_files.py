"""Files of pictures that are broken, or that only look so: what cameras, exports and broken downloads leave behind."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from tests.mask_data import Array, encoded, picture

ORIENTATION = 0x0112  # the tag of EXIF


@dataclass(frozen=True)
class File:
    """A file of a picture.

    Args:
        pixels: `[H, W, 3]` as they must arrive in the shards; None where it is of no use.
        reason: how the reason begins, where it is of no use.
    """

    extension: str
    data: bytes = field(repr=False)
    pixels: Array | None = field(default=None, repr=False)
    reason: str = ""


def truncated() -> File:
    return File(".png", encoded(_rgb(size=(40, 40)))[:-700], reason="cannot be decoded: ")


def truncated_jpeg() -> File:
    return File(".jpg", encoded(_rgb(size=(40, 40)), "JPEG")[:-200], reason="cannot be decoded: ")


def zero_bytes() -> File:
    return File(".png", b"", reason="cannot be decoded: its format is not recognised")


def not_an_image() -> File:
    return File(".jpg", b"<html><title>404 Not Found</title></html>", reason="cannot be decoded: its format is not recognised")


def cmyk() -> File:
    return _used(".jpg", encoded(_rgb().convert("CMYK"), "JPEG"))


def grey() -> File:
    return _used(".png", encoded(_rgb().convert("L")))


def palette() -> File:
    return _used(".png", encoded(_rgb().quantize(16)))


def alpha() -> File:
    """Transparent pixels keep the colour that lies under them."""
    image = _rgb()
    image.putalpha(Image.fromarray(picture(401)[:, :, 0]))
    return _used(".png", encoded(image))


def sixteen_bit() -> File:
    """Of 16 bits the high ones are kept; Pillow's own conversion would clip them all to white."""
    values = np.random.default_rng(402).integers(0, 1 << 16, (12, 16), dtype=np.uint16)
    return File(".png", encoded(Image.fromarray(values)), pixels=np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2))


def lying_on_its_side() -> File:
    """A photograph of a camera that was held upright: 12 × 16 pixels in the file, 16 × 12 to look at."""
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    file = _used(".jpg", encoded(_rgb(), "JPEG", exif=tags))
    assert file.pixels is not None
    assert file.pixels.shape == (16, 12, 3)
    return file


def animated_gif() -> File:
    return _animated(".gif", "GIF")


def animated_png() -> File:
    return _animated(".png", "PNG")


def animated_webp() -> File:
    return _animated(".webp", "WEBP")


def decompression_bomb() -> File:
    """A few hundred bytes that say they are 30,000 × 30,000 pixels, 2.7 GB in memory."""
    header = struct.pack(">2I5B", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return File(".png", b"\x89PNG\r\n\x1a\n" + body, reason="cannot be decoded: Image size (900000000 pixels) exceeds limit")


def one_pixel() -> File:
    return _used(".png", encoded(_rgb(size=(1, 1))))


def one_row() -> File:
    return _used(".png", encoded(_rgb(size=(1, 4000))))


def one_column() -> File:
    return _used(".png", encoded(_rgb(size=(4000, 1))))


def plain() -> File:
    return _used(".png", encoded(_rgb()))


PICTURES: dict[str, Callable[[], File]] = {
    "truncated": truncated,
    "truncated jpeg": truncated_jpeg,
    "zero bytes": zero_bytes,
    "not an image": not_an_image,
    "cmyk": cmyk,
    "16 bit": sixteen_bit,
    "grey": grey,
    "palette": palette,
    "alpha": alpha,
    "exif rotation": lying_on_its_side,
    "animated gif": animated_gif,
    "animated png": animated_png,
    "animated webp": animated_webp,
    "decompression bomb": decompression_bomb,
    "1 × 1 px": one_pixel,
    "1 × 4000 px": one_row,
    "4000 × 1 px": one_column,
}


def _rgb(size: tuple[int, int] = (12, 16)) -> Image.Image:
    return Image.fromarray(picture(400, *size))


def _used(extension: str, data: bytes) -> File:
    """What Pillow makes of a file, turned upright."""
    with Image.open(BytesIO(data)) as image:
        return File(extension, data, pixels=np.asarray(ImageOps.exif_transpose(image).convert("RGB")))


def _animated(extension: str, form: str) -> File:
    frames = [Image.fromarray(picture(number)) for number in (403, 404, 405)]
    return File(extension, encoded(frames[0], form, save_all=True, append_images=frames[1:]), reason="has 3 frames")
