"""When another attempt is made, when no more, and what is said then."""

from __future__ import annotations

import time

import pytest

from trainer.errors import StoreDeniedError, StoreUnavailableError
from trainer.storage.patience import BusyError, Deadline, Patience, pause_after, retry


class Store:
    """Fails as often as it is told, and counts."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.attempts = failures, error, 0

    def __call__(self, deadline: Deadline) -> str:
        self.attempts += 1
        if self.attempts <= self.failures:
            raise self.error
        return "answer"


def test_what_succeeds_is_asked_once() -> None:
    store = Store(0, StoreUnavailableError())
    assert retry(store, "s3://b", Patience()) == "answer"
    assert store.attempts == 1


def test_what_is_unavailable_for_a_while_is_asked_until_it_answers() -> None:
    store = Store(2, StoreUnavailableError("no"))
    assert retry(store, "s3://b", Patience()) == "answer"
    assert store.attempts == 3


def test_what_was_refused_for_good_is_asked_once() -> None:
    store = Store(9, StoreDeniedError("no"))
    with pytest.raises(StoreDeniedError, match=r"^no$"):
        retry(store, "s3://b", Patience())
    assert store.attempts == 1


def test_the_attempts_are_counted() -> None:
    store = Store(9, StoreUnavailableError("no"))
    with pytest.raises(StoreUnavailableError, match=r"s3://b/a: given up after 2 attempts in \d+\.\d s\. The last one: no\. Check that"):
        retry(store, "s3://b/a", Patience(attempts=2))
    assert store.attempts == 2


def test_what_is_made_of_requests_that_were_given_up_names_the_fault_once() -> None:
    def attempt(deadline: Deadline) -> str:
        return retry(Store(9, StoreUnavailableError("no")), "s3://b/part", Patience(attempts=1))

    with pytest.raises(StoreUnavailableError) as caught:
        retry(attempt, "s3://b/whole", Patience(attempts=2))
    message = str(caught.value)
    assert message.startswith("s3://b/whole: given up after 2 attempts")
    assert message.count("given up") == message.count("no. Check that") == 1


def test_no_attempt_begins_after_the_time_that_was_set() -> None:
    store, begin = Store(1000, StoreUnavailableError("no")), time.monotonic()
    with pytest.raises(StoreUnavailableError, match="given up after"):
        retry(store, "s3://b", Patience(total_seconds=0.3, attempts=1000))
    assert time.monotonic() - begin < 10
    assert store.attempts <= 3  # the pauses before a third one are longer than 0.18 s together, before a fourth than 0.43 s


@pytest.mark.parametrize(("attempts", "longest"), [(1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (7, 16.0), (8, 20.0), (1000, 20.0)])
def test_the_pauses_grow_to_a_longest_one_and_are_spread_over_its_second_half(attempts: int, longest: float) -> None:
    pauses = [pause_after(attempts) for _ in range(100)]
    assert longest / 2 <= min(pauses) < 0.6 * longest
    assert 0.9 * longest < max(pauses) <= longest


def test_a_pause_is_made_between_attempts() -> None:
    begin = time.monotonic()
    assert retry(Store(1, StoreUnavailableError("no")), "s3://b", Patience()) == "answer"
    assert time.monotonic() - begin >= 0.125


def test_a_store_that_names_a_pause_gets_it() -> None:
    begin = time.monotonic()
    assert retry(Store(1, BusyError("busy", pause_seconds=0.4)), "s3://b", Patience()) == "answer"
    assert time.monotonic() - begin >= 0.4


def test_patience_within_a_time_is_never_longer_than_it_was() -> None:
    assert Patience(total_seconds=5, read_seconds=1).within(3) == Patience(total_seconds=3, read_seconds=1)
    assert Patience(total_seconds=5).within(30) == Patience(total_seconds=5)


def test_a_deadline_is_never_less_than_now_and_can_be_moved() -> None:
    deadline = Deadline(0.0)
    assert deadline.left() == 0
    deadline.extend(10)
    assert 0 < deadline.left() <= 10
    assert 0 < deadline.spent() < 10
