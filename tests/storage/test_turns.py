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
from typing import TYPE_CHECKING

import pytest

from trainer.errors import ObjectExistsError
from trainer.storage import FolderStore, Store, open_store
from trainer.storage.turns import own_turn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITERS = 6


@pytest.fixture
def claims(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "claims"))


def take_turn(claims: Store, log: Path, number: int) -> None:
    with own_turn(claims) as turn, log.open("a") as file:
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
from trainer.storage import FolderStore
from trainer.storage.turns import own_turn
with own_turn(FolderStore({str(claims.root)!r})):
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
    with own_turn(claims):
        assert len(list(claims.keys())) == 1
    assert list(claims.keys()) == []


def test_a_block_that_raises_gives_its_turn_away(claims: FolderStore) -> None:
    with suppress(RuntimeError), own_turn(claims):
        raise RuntimeError
    with own_turn(claims) as turn:
        assert turn.left() > 0


def test_a_dead_writer_holds_up_the_others_for_as_long_as_was_set_and_no_longer(claims: FolderStore) -> None:
    dead_writer(claims)
    begin = time.monotonic()
    with own_turn(claims, silence_seconds=0.5):
        assert 0.5 <= time.monotonic() - begin < 2
    assert list(claims.keys()) == []


def test_one_that_died_while_it_looked_for_its_number_is_passed_over_too(claims: FolderStore) -> None:
    claims.put("00000000-ffff", b".")
    with own_turn(claims, silence_seconds=0.3):
        pass
    assert list(claims.keys()) == []


def test_a_living_writer_is_waited_for_however_long_it_takes(claims: FolderStore) -> None:
    """Its claim changes, so it is not dead, though each state of it is older than the clocks in the store might say."""
    claims.put("00000001-0000", b".")
    begin = time.monotonic()

    def live() -> None:
        for sign in range(2, 12):
            time.sleep(0.1)
            claims.put("00000001-0000", b"." * sign)
            os.utime(claims.root / "00000001-0000", (0, 0))
        claims.delete("00000001-0000")

    with ThreadPoolExecutor(1) as thread:
        living = thread.submit(live)
        with own_turn(claims, silence_seconds=0.5):
            assert time.monotonic() - begin >= 1
        living.result()


def test_the_order_is_that_of_the_numbers(claims: FolderStore) -> None:
    claims.put("00000007-0000", b".")
    with ThreadPoolExecutor(1) as thread:
        later = thread.submit(lambda: next(entry.key for entry in wait_for(claims, 2) if entry.key != "00000007-0000"))
        with own_turn(claims, silence_seconds=0.5):
            assert later.result().startswith("00000008-")


def wait_for(claims: Store, count: int) -> list[object]:
    while len(found := [entry for entry in claims.keys() if not entry.key.startswith("00000000")]) < count:
        time.sleep(0.005)
    return found


class SlowOnce:
    """A store on whose first writes a writer sleeps too long."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store, self._seconds = store, seconds
        self.puts = 0

    def put(self, key: str, data: bytes) -> None:
        self.puts += 1
        if self.puts == 2:
            time.sleep(self._seconds)
        self._store.put(key, data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_writer_that_was_too_slow_to_be_taken_for_alive_starts_over(claims: FolderStore) -> None:
    slow = SlowOnce(claims, 0.3)
    with own_turn(slow, silence_seconds=0.4) as turn:  # pyright: ignore[reportArgumentType]
        assert turn.left() > 0
        assert len(list(claims.keys())) == 1
    assert slow.puts == 5  # two that were too slow together, then three in time


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


def test_neither_claims_nor_probes_stay_or_are_listed(rclone_bucket: str, rclone_client: S3Client) -> None:
    store = open_store(rclone_bucket)
    store.put_if_absent("a/claim", b"1")
    assert [entry.key for entry in store.keys()] == ["a/claim"]
    found = rclone_client.list_objects_v2(Bucket=rclone_bucket.removeprefix("s3://"))["Contents"]
    assert [each["Key"] for each in found] == ["a/claim"]


def test_a_claim_of_a_writer_that_is_at_it_is_not_listed(rclone_bucket: str, rclone_client: S3Client) -> None:
    store = open_store(rclone_bucket)
    store.put("a/b", b"1")
    rclone_client.put_object(Bucket=rclone_bucket.removeprefix("s3://"), Key="a/.sightline-turns/claim/00000001-0", Body=b".")
    assert [entry.key for entry in store.keys()] == [entry.key for entry in store.keys("a/")] == ["a/b"]
    assert list(store.keys("a/.s")) == []
