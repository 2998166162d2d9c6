"""One writer at a time where there are no conditional writes: many writers, dead ones, and slow ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.faulty_server import Fault, faulty_server
from trainer.errors import ObjectExistsError, StoreUnavailableError
from trainer.storage import Entry, FolderStore, Patience, Store, open_store
from trainer.storage.patience import Deadline
from trainer.storage.turns import own_turn, seconds_left

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITERS = 6
PATIENT = Patience(total_seconds=60)
LONG = 10  # seconds; far more than anything here takes that is not waited for, and far less than PATIENT


@pytest.fixture
def claims(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "claims"))


def take_turn(claims: Store, log: Path, number: int) -> None:
    with own_turn(claims, PATIENT) as turn, log.open("a") as file:
        file.write(f"{number} in\n")
        file.flush()
        time.sleep(0.01)
        file.write(f"{number} out\n")
        assert turn.left() > 0


def run(code: str) -> int:
    return subprocess.run([sys.executable, "-c", code], check=False).returncode


def dead_writer(claims: FolderStore) -> None:
    code = f"""
import os
from trainer.storage import FolderStore, Patience
from trainer.storage.turns import own_turn
with own_turn(FolderStore({str(claims.root)!r}), Patience()):
    os._exit(9)
"""
    assert run(code) == 9


def test_the_blocks_of_many_processes_never_overlap(claims: FolderStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ProcessPoolExecutor(WRITERS, get_context("fork")) as pool:
        for each in [pool.submit(take_turn, claims, log, number) for number in range(3 * WRITERS)]:
            each.result()
    lines = log.read_text().split("\n")[:-1]
    assert len(lines) == 6 * WRITERS
    assert all(entered == left.replace("out", "in") for entered, left in zip(lines[::2], lines[1::2], strict=True))


def test_nothing_stays_behind(claims: FolderStore) -> None:
    with own_turn(claims, PATIENT):
        assert len(list(claims.keys())) == 1
    assert list(claims.keys()) == []


def test_a_block_that_raises_gives_its_turn_away(claims: FolderStore) -> None:
    with suppress(RuntimeError), own_turn(claims, PATIENT):
        raise RuntimeError
    with own_turn(claims, PATIENT) as turn:
        assert turn.left() > 0


def test_a_dead_writer_holds_up_the_others_for_as_long_as_was_set_and_no_longer(claims: FolderStore) -> None:
    dead_writer(claims)
    begin = time.monotonic()
    with own_turn(claims, PATIENT, silence_seconds=0.5):
        assert 0.5 <= time.monotonic() - begin < LONG
    assert list(claims.keys()) == []


def test_one_that_died_while_it_looked_for_its_number_is_passed_over_too(claims: FolderStore) -> None:
    claims.put("00000000-ffff", b".")
    with own_turn(claims, PATIENT, silence_seconds=0.3):
        pass
    assert list(claims.keys()) == []


def test_a_living_writer_is_waited_for_however_long_it_takes(claims: FolderStore) -> None:
    """Its claim changes, so it is not dead, though each state of it is older than the clocks in the store might say."""
    claims.put("00000001-0000", b".")
    begin = time.monotonic()

    def live() -> None:
        for sign in range(2, 10):
            time.sleep(0.1)
            claims.put("00000001-0000", b"." * sign)
            os.utime(claims.root / "00000001-0000", (0, 0))
        claims.delete("00000001-0000")

    with ThreadPoolExecutor(1) as thread:
        living = thread.submit(live)
        with own_turn(claims, PATIENT, silence_seconds=0.6):
            assert time.monotonic() - begin >= 0.8
        living.result()


def test_a_living_writer_is_waited_for_no_longer_than_the_patience_lasts(claims: FolderStore) -> None:
    ended = Event()

    def live() -> None:
        sign = 1
        while not ended.wait(0.05):
            claims.put("00000001-0000", b"." * (sign := sign + 1))

    claims.put("00000001-0000", b".")
    with ThreadPoolExecutor(1) as thread:
        living, begin = thread.submit(live), time.monotonic()
        told = r"/claims: given up after 1 attempt in \d+\.\d s\. The last one: 1 others came first, among them 00000001-0000\. "
        with pytest.raises(StoreUnavailableError, match=told), own_turn(claims, Patience(total_seconds=0.6), silence_seconds=2):
            pytest.fail("it was another's turn")
        assert 0.6 <= time.monotonic() - begin < LONG
        ended.set()
        living.result()
    assert [entry.key for entry in claims.keys()] == ["00000001-0000"]


def test_the_order_is_that_of_the_numbers(claims: FolderStore) -> None:
    claims.put("00000007-0000", b".")
    with ThreadPoolExecutor(1) as thread:
        later = thread.submit(lambda: next(entry.key for entry in wait_for(claims, 2) if entry.key != "00000007-0000"))
        with own_turn(claims, PATIENT, silence_seconds=0.5):
            assert later.result().startswith("00000008-")


def wait_for(claims: Store, count: int) -> list[Entry]:
    while len(found := [entry for entry in claims.keys() if not entry.key.startswith("00000000")]) < count:
        time.sleep(0.005)
    return found


class SlowStore:
    """A store that takes long for its second write, or for every one."""

    def __init__(self, store: Store, seconds: float, always: bool = False) -> None:
        self._store, self._seconds, self._always = store, seconds, always
        self.puts = 0

    def put(self, key: str, data: bytes) -> None:
        self.puts += 1
        if self._always or self.puts == 2:
            time.sleep(self._seconds)
        self._store.put(key, data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_writer_that_was_too_slow_to_be_taken_for_alive_starts_over(claims: FolderStore) -> None:
    slow = SlowStore(claims, 0.6)
    with own_turn(slow, PATIENT, silence_seconds=1) as turn:  # pyright: ignore[reportArgumentType]
        assert turn.left() > 0
        assert len(list(claims.keys())) == 1
    assert slow.puts == 5  # two that were too slow together, then three in time


def test_a_store_that_is_always_too_slow_is_given_up_in_the_time_that_was_set(claims: FolderStore) -> None:
    slow, begin = SlowStore(claims, 0.06, always=True), time.monotonic()
    told = r"/claims: given up after \d+ attempts? in .*two signs of life .* took \d+\.\d s; after 0\.1 s others take it for dead"
    with pytest.raises(StoreUnavailableError, match=told), own_turn(slow, Patience(total_seconds=0.5), silence_seconds=0.1):  # pyright: ignore[reportArgumentType]
        pytest.fail("it is not alive")
    assert time.monotonic() - begin < LONG
    assert list(claims.keys()) == []


def test_what_is_left_of_a_turn_is_more_than_nothing_or_an_error() -> None:
    assert 0 < seconds_left(Deadline(10), "s3://b/a") <= 10
    with pytest.raises(StoreUnavailableError, match=r"s3://b/a was not written: .* turn was over"):
        seconds_left(Deadline(0), "s3://b/a")


def put_if_absent(uri: str, number: int) -> bool:
    try:
        open_store(uri).put_if_absent("a/claim", str(number).encode())
    except ObjectExistsError:
        return False
    return True


def test_of_many_processes_that_put_if_absent_on_a_server_that_ignores_the_condition_one_wins(rclone_bucket: str) -> None:
    with ProcessPoolExecutor(WRITERS, get_context("fork")) as pool:
        futures = [pool.submit(put_if_absent, rclone_bucket, number) for number in range(WRITERS)]
        won = [future.result() for future in futures]
    assert won.count(True) == 1
    assert open_store(rclone_bucket).get("a/claim") == str(won.index(True)).encode()


def keys(client: S3Client, bucket: str) -> list[str]:
    """Behind the store's back: its own objects too."""
    found = client.list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return [each.get("Key", "") for each in found.get("Contents", ())]


def test_a_turn_that_does_not_come_is_given_up_in_the_time_that_was_set(rclone_bucket: str, rclone_client: S3Client) -> None:
    name, claim = rclone_bucket.removeprefix("s3://"), "a/.sightline-turns/claim/00000001-0"
    open_store(rclone_bucket).put_if_absent("a/other", b"1")  # it is known by now that the server needs turns
    rclone_client.put_object(Bucket=name, Key=claim, Body=b".")  # dead, but that takes 20 s to tell
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match=f"{rclone_bucket}/a/.sightline-turns/claim: given up .* among them 00000001-0"):
        open_store(rclone_bucket, Patience(total_seconds=0.5)).put_if_absent("a/claim", b"1")
    assert 0.5 <= time.monotonic() - begin < LONG
    assert keys(rclone_client, rclone_bucket) == [claim, "a/other"]


def test_a_server_that_falls_silent_during_a_turn_is_given_up_in_the_time_that_was_set(
    rclone_bucket: str, rclone_client: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_server(rclone_client.meta.endpoint_url) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        open_store(rclone_bucket).put_if_absent("a/other", b"1")
        server.always_fail("sightline-turns", Fault(silent=True))
        begin = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=f"{rclone_bucket}/a/.sightline-turns/claim: given up .* Check that"):
            open_store(rclone_bucket, Patience(total_seconds=0.3, read_seconds=0.1)).put_if_absent("a/claim", b"1")
        assert time.monotonic() - begin < LONG


def test_neither_claims_nor_probes_stay_or_are_listed(rclone_bucket: str, rclone_client: S3Client) -> None:
    store = open_store(rclone_bucket)
    store.put_if_absent("a/claim", b"1")
    assert [entry.key for entry in store.keys()] == ["a/claim"]
    assert keys(rclone_client, rclone_bucket) == ["a/claim"]


def test_a_claim_of_a_writer_that_is_at_it_is_not_listed(rclone_bucket: str, rclone_client: S3Client) -> None:
    store = open_store(rclone_bucket)
    store.put("a/b", b"1")
    rclone_client.put_object(Bucket=rclone_bucket.removeprefix("s3://"), Key="a/.sightline-turns/claim/00000001-0", Body=b".")
    assert [entry.key for entry in store.keys()] == [entry.key for entry in store.keys("a/")] == ["a/b"]
    assert list(store.keys("a/.s")) == []
