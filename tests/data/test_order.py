from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from trainer.data.order import Order, Place, permutation, place_at, share
from trainer.errors import ConfigError


def walk(order: Order, size: int, steps: int, first: int = 0) -> list[list[Place]]:
    """The places of each step over all ranks, in the order of ranks."""
    ranks = [list(order.micro_batches(rank, size, first, steps)) for rank in range(size)]
    per_step = [order.micro_batches_per_step(rank, size) for rank in range(size)]
    iterators = [iter(batches) for batches in ranks]
    return [
        [place for iterator, count in zip(iterators, per_step, strict=True) for batch in islice(iterator, count) for place in batch]
        for _ in range(first, steps)
    ]


def test_an_epoch_meets_every_sample_once() -> None:
    order = Order(seed=7, samples=23, global_batch=5, micro_batch=2)

    places = [place for step in walk(order, size=1, steps=23) for place in step]

    assert Counter(place.epoch for place in places) == dict.fromkeys(range(5), 23)
    for epoch in range(5):
        assert sorted(place.index for place in places if place.epoch == epoch) == list(range(23))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first = permutation(1, 0, 100).tolist()

    assert first != permutation(1, 1, 100).tolist()
    assert first != permutation(2, 0, 100).tolist()
    assert first == permutation(1, 0, 100).tolist()


def test_the_order_is_fixed_for_ever() -> None:
    """A change of these figures would break every run that is resumed."""
    assert permutation(0, 0, 8).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]
    assert place_at(9, seed=0, samples=8) == Place(epoch=1, index=3)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("micro_batch", [1, 2, 3, 100])
def test_any_world_and_any_micro_batch_take_the_same_samples_in_each_step(size: int, micro_batch: int) -> None:
    alone = walk(Order(3, samples=31, global_batch=8, micro_batch=8), size=1, steps=12)

    assert walk(Order(3, samples=31, global_batch=8, micro_batch=micro_batch), size, steps=12) == alone


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_resumed_run_goes_on_where_it_was(size: int) -> None:
    order = Order(3, samples=31, global_batch=6, micro_batch=2)

    assert walk(order, 1, steps=5) + walk(order, size, steps=11, first=5) == walk(order, 1, steps=11)


@pytest.mark.parametrize(("global_batch", "size", "shares"), [(8, 2, [4, 4]), (8, 3, [2, 3, 3]), (3, 3, [1, 1, 1]), (10, 4, [2, 3, 2, 3])])
def test_shares_are_as_even_as_they_can_be(global_batch: int, size: int, shares: list[int]) -> None:
    assert [len(share(global_batch, rank, size)) for rank in range(size)] == shares


def test_more_ranks_than_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"global_batch=2 is below the 3 ranks"):
        share(2, 0, 3)
