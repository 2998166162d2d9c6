from __future__ import annotations

import math

import pytest

from trainer.examples import choose


def of(count: int) -> dict[int, float]:
    """Images whose score is a tenth of their place."""
    return {image: image / 10 for image in range(count)}


@pytest.mark.parametrize(
    ("images", "wanted", "worst", "median", "best"),
    [
        (100, 8, [0, 1, 2, 3], [49, 50], [98, 99]),
        (100, 1, [0], [], []),
        (100, 3, [0, 1], [49], []),
        (100, 4, [0, 1], [49], [99]),
        (5, 8, [0, 1, 2], [3], [4]),
        (2, 8, [0], [1], []),
        (0, 8, [], [], []),
        (10, 0, [], [], []),
    ],
)
def test_half_are_the_worst_and_the_rest_median_and_best(
    images: int, wanted: int, worst: list[int], median: list[int], best: list[int]
) -> None:
    chosen = choose(of(images), wanted)

    by_rank = {rank: [choice.image for choice in chosen if choice.rank == rank] for rank in ("worst", "median", "best")}
    assert by_rank == {"worst": worst, "median": median, "best": best}


@pytest.mark.parametrize("images", range(12))
@pytest.mark.parametrize("wanted", range(12))
def test_no_image_is_shown_twice_and_as_many_as_there_are(images: int, wanted: int) -> None:
    shown = [choice.image for choice in choose(of(images), wanted)]

    assert len(set(shown)) == len(shown) == min(images, wanted)


def test_images_without_a_score_are_not_shown() -> None:
    assert [choice.image for choice in choose({0: math.nan, 1: 0.5}, 8)] == [1]


def test_the_worst_come_first() -> None:
    assert [(choice.rank, choice.score) for choice in choose({7: 0.9, 8: 0.1, 9: 0.4}, 3)] == [
        ("worst", 0.1),
        ("worst", 0.4),
        ("median", 0.9),
    ]
