"""Files of several pictures: animations and stacks are refused, a camera's previews are not."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.mask_data import encoded, picture
from trainer.data.sources.base import UnusableImageError
from trainer.data.sources.pictures import read_picture


def several(form: str) -> bytes:
    first, *others = (Image.fromarray(picture(number)) for number in range(3))
    return encoded(first, form, save_all=True, append_images=others)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_file_of_several_frames_is_refused_with_their_number(form: str) -> None:
    with pytest.raises(UnusableImageError, match=r"^a has 3 frames; save the one that is meant as a picture of its own$"):
        read_picture(several(form), "a")


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_a_file_of_a_format_that_could_hold_more_is_used_where_it_has_one(form: str) -> None:
    image = Image.fromarray(picture(0)).quantize(8)  # a GIF has a palette
    data = encoded(image.convert("RGB"), "WEBP", lossless=True) if form == "WEBP" else encoded(image, form)
    assert np.array_equal(read_picture(data, "a").pixels, np.asarray(image.convert("RGB")))


def test_of_a_photograph_with_previews_the_photograph_is_used() -> None:
    """Many cameras and telephones write JPEGs of this kind (CIPA DC-007); other readers do not see what comes after the first picture."""
    read = read_picture(several("MPO"), "a")
    with Image.open(BytesIO(encoded(Image.fromarray(picture(0)), "JPEG"))) as alone:
        assert np.array_equal(read.pixels, np.asarray(alone))


@pytest.mark.parametrize("form", ["GIF", "TIFF"])
def test_damage_to_a_file_of_several_frames_is_unusable_or_unnoticed_but_never_another_error(form: str) -> None:
    data, random, refused = several(form), np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(data[: random.integers(len(data) // 2, len(data))])
        damaged[random.integers(len(damaged))] = random.integers(256)
        try:
            read_picture(bytes(damaged), "a")
        except UnusableImageError:
            refused += 1
    assert refused > 250
