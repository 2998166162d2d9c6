import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.mask_data import encoded, labels, picture
from trainer.data.sources.base import UnusableImageError
from trainer.data.sources.pictures import Picture, encode_png, read_colours, read_labels, read_picture

RGB = Image.fromarray(picture(0))
GREY = RGB.convert("L")
DEEP = Image.fromarray(np.zeros((2, 2), np.uint16))
ORIENTATION = 0x0112


def exif(orientation: int) -> Image.Exif:
    values = Image.Exif()
    values[ORIENTATION] = orientation
    return values


def decoded(read: Picture) -> np.ndarray:
    """What the file that goes into the shard holds, read by Pillow."""
    with Image.open(BytesIO(read.data)) as image:
        return np.asarray(image.convert("RGB"))


def sixteen_bit_rgb_png() -> bytes:
    """Pillow writes none: header, one black-to-white row of filter type 0, end."""
    rows = b"".join(b"\0" + struct.pack(">6H", 0, 256, 512, 65535, 32768, 255) for _ in range(2))
    chunks = [(b"IHDR", struct.pack(">2I5B", 2, 2, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (encoded(RGB), "png"),
        (encoded(GREY), "png"),
        (encoded(RGB, "JPEG", quality=90), "jpg"),
        (encoded(RGB, "JPEG", progressive=True), "jpg"),
        (encoded(RGB, "JPEG", exif=exif(1)), "jpg"),
    ],
    ids=["rgb png", "grey png", "baseline jpeg", "progressive jpeg", "upright by exif"],
)
def test_plain_files_are_kept_byte_for_byte(data: bytes, extension: str) -> None:
    read = read_picture(data, "images/a")
    assert (read.data, read.extension) == (data, extension)
    assert np.array_equal(read.pixels, decoded(read))


@pytest.mark.parametrize(
    "data",
    [
        encoded(RGB, "BMP"),
        encoded(RGB, "TIFF"),
        encoded(RGB, "WEBP", lossless=True),
        encoded(RGB.convert("RGBA")),
        encoded(RGB, transparency=(0, 0, 0)),
    ],
    ids=["bmp", "tiff", "webp", "alpha", "transparent colour"],
)
def test_other_files_become_png_of_the_same_pixels(data: bytes) -> None:
    read = read_picture(data, "images/a")
    assert read.extension == "png"
    assert read.data != data
    assert np.array_equal(read.pixels, picture(0))
    assert np.array_equal(decoded(read), picture(0))


@pytest.mark.parametrize(
    "image", [RGB.convert("P"), RGB.convert("1"), GREY.convert("LA"), RGB.quantize(4)], ids=["palette", "1", "LA", "2-bit"]
)
def test_pictures_of_other_modes_become_png(image: Image.Image) -> None:
    read = read_picture(encoded(image), "images/a")
    assert read.extension == "png"
    assert np.array_equal(decoded(read), np.asarray(image.convert("RGB")))


def test_cmyk_and_grey_jpegs_become_png() -> None:
    for image in (RGB.convert("CMYK"), GREY):
        read = read_picture(encoded(image, "JPEG"), "images/a")
        assert (read.extension, read.pixels.shape) == ("png", (12, 16, 3))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_that_lies_on_its_side_is_turned_upright(form: str) -> None:
    plain = np.zeros((12, 16, 3), np.uint8)
    plain[:, :4] = 255  # white at the left; turned clockwise, at the top
    read = read_picture(encoded(Image.fromarray(plain), form, exif=exif(6)), "images/a")
    assert (read.extension, read.pixels.shape) == ("png", (16, 12, 3))
    assert read.pixels[:3].min() > 200 > 50 > read.pixels[6:].max()
    assert np.array_equal(decoded(read), read.pixels)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_high_byte(form: str) -> None:
    values = np.array([[0, 255, 256], [32768, 65535, 4096]], np.uint16)
    read = read_picture(encoded(Image.fromarray(values), form), "images/a")
    assert read.pixels[:, :, 1].tolist() == [[0, 0, 1], [128, 255, 16]]
    assert np.array_equal(decoded(read), read.pixels)


def test_sixteen_bit_rgb_is_reduced_to_eight() -> None:
    read = read_picture(sixteen_bit_rgb_png(), "images/a")
    assert (read.extension, read.pixels[0].tolist()) == ("png", [[0, 1, 2], [255, 128, 0]])


@pytest.mark.parametrize("mode", ["I", "F"])
def test_values_of_unknown_range_are_refused(mode: str) -> None:
    with pytest.raises(UnusableImageError, match=rf"images/a has 32-bit values \(mode {mode}\)"):
        read_picture(encoded(GREY.convert(mode), "TIFF"), "images/a")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_a_truncated_picture_is_unusable_at_any_length(form: str) -> None:
    data = encoded(Image.fromarray(picture(1, 64, 64)), form)
    for length in range(0, len(data) * 9 // 10, 97):
        with pytest.raises(UnusableImageError, match="images/a cannot be decoded"):
            read_picture(data[:length], "images/a")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_damage_is_unusable_or_unnoticed_but_never_another_error(form: str) -> None:
    data = bytearray(encoded(Image.fromarray(picture(2, 32, 32)), form))
    random, refused = np.random.default_rng(0), 0
    for _ in range(300):
        damaged = data.copy()
        damaged[random.integers(min(len(data), 200))] = random.integers(256)
        try:
            read_picture(bytes(damaged), "images/a")
        except UnusableImageError:
            refused += 1
    assert refused > 0


def test_what_is_no_picture_says_so_alike_each_time() -> None:
    reasons = set[str]()
    for _ in range(2):
        with pytest.raises(UnusableImageError) as caught:
            read_picture(b"<html>not found</html>", "images/a")
        reasons.add(caught.value.reason)
    assert reasons == {"cannot be decoded: its format is not recognised"}


def test_a_decompression_bomb_is_refused() -> None:
    side = 10_000  # 100 million pixels in 12 kB; Pillow's limit is 89 million
    bomb = encoded(Image.new("1", (side, side)))
    with pytest.raises(UnusableImageError, match="decompression bomb"):
        read_picture(bomb, "images/a")
    with pytest.raises(UnusableImageError, match="decompression bomb"):
        read_labels(bomb, "masks/a.png")


def test_masks_are_grey_levels_palette_indices_or_bits() -> None:
    values = labels(0)
    palette = Image.fromarray(values)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert palette.mode == "P"
    assert np.array_equal(read_labels(encoded(Image.fromarray(values)), "m"), values)
    assert np.array_equal(read_labels(encoded(palette), "m"), values)  # Pillow stores three colours in two bits
    assert np.array_equal(read_labels(encoded(Image.fromarray(values > 0)), "m"), values > 0)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (RGB, "8-bit PNG of mode RGB"),
        (DEEP, "16-bit PNG of mode I;16"),
        (GREY.convert("LA"), "mode LA"),
    ],
)
def test_masks_of_other_modes_are_unusable(image: Image.Image, told: str) -> None:
    with pytest.raises(UnusableImageError, match=f"masks/a.png is a .*{told}; save class indices as 8-bit"):
        read_labels(encoded(image), "masks/a.png")


def test_grey_masks_of_four_bits_are_unusable_because_their_values_would_be_stretched() -> None:
    data = encoded(GREY, bits=4)
    with pytest.raises(UnusableImageError, match="is a 4-bit PNG of mode L"):
        read_labels(data, "masks/a.png")


@pytest.mark.parametrize("data", [b"", encoded(GREY)[:-40], encoded(GREY, "JPEG"), b"\x89PNG\r\n\x1a\n"])
def test_masks_that_are_no_whole_png_are_unusable(data: bytes) -> None:
    with pytest.raises(UnusableImageError, match=r"masks/a\.png cannot be decoded"):
        read_labels(data, "masks/a.png")


def test_masks_survive_encoding() -> None:
    assert np.array_equal(read_labels(encode_png(labels(1)), "m"), labels(1))


def test_colours_that_can_be_seen_through_are_unusable() -> None:
    glass = np.dstack([picture(0), np.full((12, 16), 255, np.uint8)])
    glass[0, :3, 3] = 254
    with pytest.raises(UnusableImageError, match=r"masks/a\.png is not opaque in 3 pixels"):
        read_colours(encoded(Image.fromarray(glass)), "masks/a.png")


@pytest.mark.parametrize("data", [sixteen_bit_rgb_png(), encoded(DEEP)], ids=["rgb", "grey"])
def test_colours_of_sixteen_bits_are_unusable(data: bytes) -> None:
    with pytest.raises(UnusableImageError, match=r"is a 16-bit PNG of mode .*; save its colours as 8-bit RGB or palette PNG"):
        read_colours(data, "masks/a.png")


@pytest.mark.parametrize("data", [b"", encoded(RGB)[:-40], encoded(RGB, "JPEG"), encoded(RGB, "WEBP")])
def test_colours_that_are_no_whole_png_are_unusable(data: bytes) -> None:
    with pytest.raises(UnusableImageError, match=r"masks/a\.png cannot be decoded"):
        read_colours(data, "masks/a.png")


def test_colours_are_those_of_the_picture() -> None:
    assert np.array_equal(read_colours(encoded(RGB), "m"), picture(0))
    assert np.array_equal(read_colours(encoded(GREY), "m"), np.dstack([np.asarray(GREY)] * 3))
