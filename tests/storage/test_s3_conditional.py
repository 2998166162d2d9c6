"""Conditional writes over a line that loses answers: a writer that has won must learn that it has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faulty_server import Fault, FaultyServer
from trainer.checkpoint.ledger import count_attempts, enter_attempt
from trainer.errors import ObjectExistsError
from trainer.storage import Patience
from trainer.storage.s3 import S3Store

LOST = Fault(loses_answer=True)


@pytest.fixture
def store(server: FaultyServer, bucket: str) -> S3Store:
    return S3Store.at(bucket, Patience(total_seconds=60))


@pytest.mark.parametrize("faults", [[LOST], [Fault(status=503), LOST]], ids=["at once", "later"])
def test_a_writer_whose_answer_was_lost_has_won(server: FaultyServer, store: S3Store, faults: list[Fault]) -> None:
    server.fail("/claim", *faults)
    store.put_if_absent("claim", b"mine")
    assert store.get("claim") == b"mine"
    assert server.count("/claim") == server.count("GET") + len(faults) + 2  # at the end a write that comes too late, and a look whose it is


def test_a_writer_whose_answer_was_lost_does_not_win_twice(server: FaultyServer, store: S3Store) -> None:
    server.fail("/claim", LOST)
    store.put_if_absent("claim", b"mine")
    with pytest.raises(ObjectExistsError, match="claim exists already"):
        store.put_if_absent("claim", b"mine")


def test_the_object_of_another_is_another_object_though_it_holds_the_same(server: FaultyServer, store: S3Store, bucket: str) -> None:
    S3Store.at(bucket).put_if_absent("claim", b"same")
    server.fail("/claim", LOST)
    with pytest.raises(ObjectExistsError, match="claim exists already"):
        store.put_if_absent("claim", b"same")


def test_an_object_that_others_wrote_without_a_mark_is_another_object(server: FaultyServer, store: S3Store) -> None:
    with pytest.raises(ObjectExistsError, match="there exists already"):
        store.put_if_absent("there", b"0123456789")


def test_of_many_writers_that_each_lose_an_answer_one_wins(server: FaultyServer, store: S3Store) -> None:
    def write(number: int) -> bool:
        try:
            store.put_if_absent("claim", str(number).encode())
        except ObjectExistsError:
            return False
        return True

    server.fail("/claim", *[LOST] * 4)
    with ThreadPoolExecutor(4) as threads:
        won = list(threads.map(write, range(4)))
    assert won.count(True) == 1
    assert store.get("claim") == str(won.index(True)).encode()


def test_an_attempt_whose_answer_was_lost_is_entered_once(server: FaultyServer, store: S3Store) -> None:
    server.fail("ledger/", Fault(), LOST)  # the listing goes through
    enter_attempt(store, generation=1, samples_seen=0, world_size=2)
    assert count_attempts(store, 1) == 1
