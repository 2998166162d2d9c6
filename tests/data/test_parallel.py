import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from trainer.data.parallel import chunks, in_order


def slow_first(value: int) -> int:
    time.sleep(0.05 if value == 0 else 0)
    return value * value


def test_results_come_in_the_order_of_the_values() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(in_order(pool, slow_first, range(50), in_flight=8)) == [value * value for value in range(50)]


@pytest.mark.parametrize("in_flight", [1, 3, 10])
def test_values_are_taken_no_further_ahead_than_the_bound(in_flight: int) -> None:
    taken: list[int] = []

    def values() -> Iterator[int]:
        for value in range(40):
            taken.append(value)
            yield value

    with ThreadPoolExecutor(2) as pool:
        for fetched, _ in enumerate(in_order(pool, slow_first, values(), in_flight)):
            assert len(taken) - fetched <= in_flight
    assert taken == list(range(40))


def test_an_error_surfaces_at_its_place() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda value: 1 // (3 - value), range(6), in_flight=6)
        assert [next(results) for _ in range(3)] == [0, 0, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4])])
def test_chunks_are_full_but_for_the_last(count: int, sizes: list[int]) -> None:
    made = list(chunks(range(count), 4))
    assert [len(chunk) for chunk in made] == sizes
    assert [value for chunk in made for value in chunk] == list(range(count))
