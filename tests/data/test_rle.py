from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from faster_coco_eval.core import mask as reference

from tests.coco_data import box, box_mask, compressed_runs, runs
from tests.mask_data import Array
from trainer.data.sources.coco_shapes import pack, unpack
from trainer.data.sources.rle import ShapeError, area, checked_runs, decode_counts, paint, polygon_runs

HEIGHT, WIDTH = 12, 16


def painted(counts: Array, height: int = HEIGHT, width: int = WIDTH) -> Array:
    columns = np.zeros((width, height), np.uint8)
    paint(columns, counts, 1)
    return columns.T


def drawn(segmentation: Any, height: int = HEIGHT, width: int = WIDTH) -> Array:
    return painted(unpack(pack(segmentation), height, width), height, width)


def by_the_coco_api(polygons: Sequence[Sequence[float]], height: int = HEIGHT, width: int = WIDTH) -> Array:
    return reference.decode(reference.merge(reference.frPyObjects([list(polygon) for polygon in polygons], height, width)))


def random_polygon(random: np.random.Generator) -> list[float]:
    """Three to nine corners, many of them outside the picture."""
    return random.uniform(-20, 36, 2 * random.integers(3, 10)).round(2).tolist()


def test_run_lengths_go_down_the_columns_and_begin_outside() -> None:
    assert painted(np.array([1, 2, 3])).T.ravel()[:6].tolist() == [0, 1, 1, 0, 0, 0]
    assert painted(np.array([0, 3, 2, 1])).T.ravel()[:6].tolist() == [1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_every_kind_of_run_lengths_gives_its_mask_back(density: float) -> None:
    for seed in range(20):
        mask = (np.random.default_rng(seed).random((37, 61)) < density).astype(np.uint8)
        assert np.array_equal(drawn(runs(mask), 37, 61), mask)
        assert np.array_equal(drawn(compressed_runs(mask), 37, 61), mask)


def test_compressed_counts_of_any_length_decode() -> None:
    counts = [0, 1, 15, 16, 31, 32, 1000, 3, 100_000, 7, 40_000_000, 1, 5]
    text = reference.frPyObjects({"size": [sum(counts), 1], "counts": counts}, sum(counts), 1)["counts"]
    assert decode_counts(text) == counts


def test_polygons_are_drawn_as_the_coco_api_draws_them_inside_and_outside_the_picture() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        polygons = [random_polygon(random) for _ in range(random.integers(1, 4))]
        assert np.array_equal(drawn(polygons), by_the_coco_api(polygons))


def test_a_polygon_is_clipped_to_the_picture() -> None:
    assert np.array_equal(drawn(box(-100, 4, 5, 500)), box_mask(0, 4, 5, 12))
    assert not drawn(box(20, 20, 30, 30)).any()


def test_parts_of_an_object_are_united() -> None:
    assert np.array_equal(drawn([*box(1, 1, 4, 4), *box(8, 2, 12, 9)]), box_mask(1, 1, 4, 4) | box_mask(8, 2, 12, 9))


def test_the_area_is_that_of_the_mask() -> None:
    counts = polygon_runs([np.array(box(2, 3, 9, 8)[0], np.float64)], HEIGHT, WIDTH)
    assert area(counts) == 7 * 5
    assert area(checked_runs([HEIGHT * WIDTH], HEIGHT, WIDTH)) == 0


@pytest.mark.parametrize(
    ("segmentation", "told"),
    [
        (None, "has no segmentation; segmentation needs one, a box is not enough"),
        ([], "has no segmentation"),
        ([[1, 1, 5, 5]], "has a polygon of 4 numbers; three points or more make one"),
        ([[1, 1, 5, 5, 9, 1, 3]], "has a polygon of 7 numbers"),
        ([[]], "has a polygon of 0 numbers"),
        ([*box(1, 1, 4, 4), [2, 2]], "has a polygon of 2 numbers"),
        ([1, 1, 5, 5, 9, 1], "has a segmentation that is neither a list of polygons nor run lengths"),
        ([["1", "1", "5", "5", "9", "1"]], "has a segmentation that is neither"),
        ([[1, 1, 5, 5, 9, None]], "has a segmentation that is neither"),
        ("a text", "has no segmentation"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], r"has a polygon 1e\+09 pixels away"),
        ([[0, 0, 9e5, 0] * 3], "9e[+]05 pixels away and .* pixels around; 1e[+]06 is the most"),
        ({"counts": [192]}, "has a segmentation that is neither"),
        ({"size": [12, 16]}, "has a segmentation that is neither"),
        ({"size": [12, 16], "counts": [192], "more": 1}, "has a segmentation that is neither"),
        ({"size": [12], "counts": [192]}, "has a segmentation that is neither"),
        ({"size": [-12, -16], "counts": [192]}, "has a segmentation that is neither"),
        ({"size": [12, 16], "counts": [-1, 193]}, "has a segmentation that is neither"),
        ({"size": [12, 16], "counts": [1.5, 190.5]}, "has a segmentation that is neither"),
        ({"size": [12, 16], "counts": [1 << 40]}, "has a segmentation that is neither"),
        ({"size": [12, 16], "counts": "é"}, "has a segmentation that is neither"),
        ({"size": [16, 12], "counts": [192]}, r"is drawn for 16 × 12 pixels \(height × width\), but the image has 12 × 16"),
        ({"size": [12, 16], "counts": [100, 91]}, "has runs of 191 pixels in all, but its size of 12 × 16 has 192"),
        ({"size": [12, 16], "counts": []}, "has runs of 0 pixels in all"),
        ({"size": [12, 16], "counts": ""}, "has runs of 0 pixels in all"),
        ({"size": [12, 16], "counts": "P"}, "do not decode: the last one is cut short"),
        ({"size": [12, 16], "counts": "0 0"}, "do not decode: see the character ' ' of run 2"),
        ({"size": [12, 16], "counts": "o" * 40}, "do not decode: see the character 'o' of run 1"),
        ({"size": [12, 16], "counts": "O"}, "has a run of -1 pixels"),
    ],
)
def test_what_is_no_shape_of_the_image_says_why(segmentation: Any, told: str) -> None:
    with pytest.raises(ShapeError, match=told):
        unpack(pack(segmentation), HEIGHT, WIDTH)


def test_damage_to_compressed_counts_is_noticed_or_harmless_but_never_another_error() -> None:
    good = compressed_runs((np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.3).astype(np.uint8))
    random, refused = np.random.default_rng(2), 0
    for _ in range(500):
        text = list(good["counts"])
        text[random.integers(len(text))] = chr(random.integers(32, 127))
        try:
            drawn({**good, "counts": "".join(text)})
        except ShapeError:
            refused += 1
    assert refused > 400


def test_a_packed_polygon_takes_eight_bytes_a_number() -> None:
    assert len(pack([[0.25] * 1000])) < 8 * 1000 + 16
