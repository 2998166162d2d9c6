"""When another attempt is made, when no more, and what is said then."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from trainer.errors import StoreDeniedError, StoreUnavailableError
from trainer.storage.patience import BusyError, Deadline, Patience, retry


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
    store = Store(3, StoreUnavailableError("no"))
    assert retry(store, "s3://b", Patience()) == "answer"
    assert store.attempts == 4


def test_what_was_refused_for_good_is_asked_once() -> None:
    store = Store(9, StoreDeniedError("no"))
    with pytest.raises(StoreDeniedError, match=r"^no$"):
        retry(store, "s3://b", Patience())
    assert store.attempts == 1


def test_the_attempts_are_counted() -> None:
    store = Store(9, StoreUnavailableError("no"))
    with pytest.raises(StoreUnavailableError, match=r"s3://b/a: given up after 3 attempts in \d\.\d s\. The last one: no\. Check that"):
        retry(store, "s3://b/a", Patience(attempts=3))
    assert store.attempts == 3


def test_no_attempt_begins_after_the_time_that_was_set() -> None:
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="given up after"):
        retry(Store(1000, StoreUnavailableError("no")), "s3://b", Patience(total_seconds=0.6, attempts=1000))
    assert time.monotonic() - begin < 0.8


def test_the_pauses_grow() -> None:
    times: list[float] = []

    def attempt(deadline: Deadline) -> str:
        times.append(time.monotonic())
        raise StoreUnavailableError("no")

    with pytest.raises(StoreUnavailableError):
        retry(attempt, "s3://b", Patience(total_seconds=3.5, attempts=4))
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, longest in zip(pauses, (0.25, 0.5, 1.0), strict=True):
        assert longest / 2 <= pause < longest + 0.2


def test_a_store_that_names_a_pause_gets_it() -> None:
    begin = time.monotonic()
    assert retry(Store(1, BusyError("busy", pause_seconds=0.6)), "s3://b", Patience()) == "answer"
    assert time.monotonic() - begin >= 0.6


def test_a_deadline_is_never_less_than_now_and_can_be_moved() -> None:
    deadline = Deadline(0.0)
    assert deadline.left() == 0
    deadline.extend(10)
    assert 9 < deadline.left() <= 10
    assert deadline.spent() < 1
