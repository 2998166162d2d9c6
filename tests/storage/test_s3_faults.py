"""A real S3 server behind one that fails: what is tried again, for how long, and that nothing half stays behind."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.faulty_server import Fault, FaultyServer
from trainer.errors import ExitCode, StoreDeniedError, StoreError, StoreUnavailableError
from trainer.storage import Store
from trainer.storage.patience import Patience
from trainer.storage.s3 import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HASTY = Patience(total_seconds=0.3, connect_seconds=0.1, read_seconds=0.1)
TWICE = Patience(attempts=2)
ENOUGH = Patience(total_seconds=60, read_seconds=20)
ALERT = Patience(total_seconds=60, read_seconds=0.5)  # for one answer that does not come
LONG = 15  # seconds; what the patience does not end lasts longer, on however busy a machine
LARGE = os.urandom((8 << 20) + 5)  # two parts
BUSY = Fault(status=503)
GONE = Fault(status=404, code="NoSuchUpload")

USES: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("there"),
    "range": lambda store: store.get("there", 1, 3),
    "put": lambda store: store.put("a", b"1"),
    "put_if_absent": lambda store: store.put_if_absent("b", b"1"),
    "stat": lambda store: store.stat("there"),
    "keys": lambda store: list(store.keys()),
    "delete": lambda store: store.delete("c"),
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


@pytest.fixture
def store(server: FaultyServer, bucket: str) -> S3Store:
    return S3Store.at(bucket, ENOUGH)


@pytest.fixture
def hasty(server: FaultyServer, bucket: str) -> S3Store:
    """For tests whose every request fails from now on: a busy machine may be slower than this."""
    return S3Store.at(bucket, HASTY)


def upload(store: Store, data: bytes = LARGE) -> None:
    with store.open_upload("large") as file:
        for start in range(0, len(data), 1 << 20):
            file.write(data[start : start + (1 << 20)])


def unfinished(client: S3Client, bucket: str) -> list[str]:
    found = client.list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))
    return [each.get("Key", "") for each in found.get("Uploads", ())]


def keys(client: S3Client, bucket: str) -> list[str]:
    """Behind the store's back: its own objects too."""
    found = client.list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return [each.get("Key", "") for each in found.get("Contents", ())]


@every_use
def test_a_server_that_fails_once_and_then_works_is_enough(server: FaultyServer, store: S3Store, use: Callable[[Store], object]) -> None:
    server.fail("", Fault(status=500))
    use(store)
    assert len(server.requests) >= 2


@pytest.mark.parametrize("status", [429, 502, 504])
def test_every_status_that_may_pass_is_tried_again(server: FaultyServer, store: S3Store, status: int) -> None:
    server.fail("GET", Fault(status=status))
    assert store.get("there") == b"0123456789"


@every_use
def test_a_server_that_always_fails_is_given_up_in_the_time_that_was_set(
    server: FaultyServer, hasty: S3Store, use: Callable[[Store], object]
) -> None:
    server.always_fail("", BUSY)
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match=r"s3://bucket-.* given up after \d attempts? in \d+\.\d s.*503.*Check that") as caught:
        use(hasty)
    assert time.monotonic() - begin < LONG
    assert caught.value.exit_code == ExitCode.STORE_UNAVAILABLE


@pytest.mark.parametrize("name", ["get", "put_if_absent", "keys"])
def test_a_server_that_never_answers_is_given_up_in_the_time_that_was_set(server: FaultyServer, hasty: S3Store, name: str) -> None:
    server.always_fail("", Fault(silent=True))
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match=r"s3://bucket-.*given up after \d attempts? in"):
        USES[name](hasty)
    assert time.monotonic() - begin < LONG


def test_a_server_that_does_not_answer_is_asked_again(server: FaultyServer, bucket: str) -> None:
    server.always_fail("", Fault(silent=True))
    with pytest.raises(StoreUnavailableError, match="given up after 2 attempts in"):
        S3Store.at(bucket, Patience(attempts=2, read_seconds=0.15)).get("there")
    assert server.count("GET") == 2


def test_no_single_attempt_outlasts_the_time_that_is_left(server: FaultyServer, bucket: str) -> None:
    server.always_fail("", Fault(silent=True))
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        S3Store.at(bucket, Patience(total_seconds=0.4, read_seconds=60)).get("there")
    assert time.monotonic() - begin < LONG


@pytest.mark.parametrize("fault", [Fault(stalls_after=4), Fault(trickles=True)], ids=["stalls", "trickles"])
def test_a_body_that_does_not_come_to_its_end_is_given_up_in_the_time_that_was_set(server: FaultyServer, bucket: str, fault: Fault) -> None:
    S3Store.at(bucket).put("long", bytes(1000))
    server.always_fail("GET", fault)
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match=r"s3://bucket-.*/long: given up after \d"):
        S3Store.at(bucket, HASTY).get("long")
    assert time.monotonic() - begin < LONG


def test_a_body_that_stalls_once_is_asked_for_again(server: FaultyServer, bucket: str) -> None:
    server.fail("GET", Fault(stalls_after=4))
    assert S3Store.at(bucket, ALERT).get("there") == b"0123456789"
    assert server.count("GET") >= 2


def test_the_server_decides_how_long_it_is_left_alone(server: FaultyServer, bucket: str) -> None:
    server.fail("GET", Fault(status=503, retry_after=1))
    begin = time.monotonic()
    assert S3Store.at(bucket, ENOUGH).get("there") == b"0123456789"
    assert 1 <= time.monotonic() - begin < LONG


def test_a_server_that_wants_to_be_left_alone_for_longer_than_there_is_time_is_given_up_at_once(
    server: FaultyServer, hasty: S3Store
) -> None:
    server.always_fail("GET", Fault(status=503, retry_after=60))
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="given up after 1 attempt in"):
        hasty.get("there")
    assert time.monotonic() - begin < LONG


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ("?uploads", BUSY),
        ("?uploads", Fault(silent=True)),
        ("partNumber=2", BUSY),
        ("partNumber=2", Fault(silent=True)),
        ("partNumber=2", Fault(loses_answer=True)),
        ("POST", BUSY),
        ("?uploadId", Fault(silent=True)),  # completed
    ],
)
def test_an_upload_outlasts_a_fault_of_any_of_its_requests(
    server: FaultyServer, s3_client: S3Client, bucket: str, request_: str, fault: Fault
) -> None:
    server.fail(request_, fault)
    upload(S3Store.at(bucket, ALERT if fault.silent else ENOUGH))
    assert S3Store.at(bucket).get("large") == LARGE
    assert unfinished(s3_client, bucket) == []


def test_a_completion_whose_answer_was_lost_is_recognised(server: FaultyServer, store: S3Store, bucket: str) -> None:
    S3Store.at(bucket).put("large", b"the one before")
    server.fail("POST", Fault(), Fault(loses_answer=True), GONE)
    upload(store)
    assert server.count("HEAD") == 1
    assert S3Store.at(bucket).get("large") == LARGE


def test_an_upload_that_somebody_else_gave_up_is_an_error(server: FaultyServer, store: S3Store, bucket: str) -> None:
    S3Store.at(bucket).put("large", b"the one before")
    server.fail("POST", Fault(), GONE)
    with pytest.raises(StoreError, match="large: NoSuchUpload"):
        upload(store)
    assert S3Store.at(bucket).get("large") == b"the one before"


@pytest.mark.parametrize("status", [503, 403])
@pytest.mark.parametrize("request_", ["partNumber=1", "partNumber=2", "POST"])
def test_an_upload_that_fails_leaves_no_object_and_no_unfinished_upload(
    server: FaultyServer, s3_client: S3Client, bucket: str, request_: str, status: int
) -> None:
    if request_ == "POST":
        server.fail("?uploads", Fault())  # to begin with succeeds
    server.always_fail(request_, Fault(status=status))
    with pytest.raises(StoreUnavailableError if status == 503 else StoreDeniedError, match="large"):
        upload(S3Store.at(bucket, TWICE))
    assert unfinished(s3_client, bucket) == []
    assert keys(s3_client, bucket) == ["there"]


@pytest.mark.parametrize("error", [RuntimeError("on purpose"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_block_that_raises_gives_the_upload_up(
    server: FaultyServer, store: S3Store, s3_client: S3Client, bucket: str, error: BaseException
) -> None:
    with pytest.raises(type(error)), store.open_upload("large") as file:
        file.write(LARGE)
        assert unfinished(s3_client, bucket) == ["large"]
        raise error
    assert unfinished(s3_client, bucket) == []
    assert keys(s3_client, bucket) == ["there"]


def test_an_upload_that_cannot_be_given_up_is_told_beside_the_error(server: FaultyServer, store: S3Store) -> None:
    server.always_fail("DELETE", Fault(status=403))
    with pytest.raises(RuntimeError) as caught, store.open_upload("large") as file:
        file.write(LARGE)
        raise RuntimeError
    assert "unfinished upload stays in the bucket" in caught.value.__notes__[0]


def test_parts_go_up_while_the_block_writes(server: FaultyServer, store: S3Store) -> None:
    with store.open_upload("large") as file:
        file.write(LARGE)
        assert server.count("partNumber") == 1
    assert server.count("partNumber") == 2


def test_an_object_of_one_part_goes_up_in_one_request(server: FaultyServer, store: S3Store) -> None:
    upload(store, bytes(8 << 20))
    assert server.requests == [request for request in server.requests if request.startswith("PUT")]
    assert len(server.requests) == 1


def test_a_large_put_carries_the_digest_of_the_whole(server: FaultyServer, store: S3Store, s3_client: S3Client, bucket: str) -> None:
    store.put("large", LARGE)
    assert server.count("partNumber") == 2
    assert "xxh3" in s3_client.head_object(Bucket=bucket.removeprefix("s3://"), Key="large")["Metadata"]
    assert store.get("large") == LARGE


def test_on_a_server_without_multipart_a_stream_waits_on_the_disk_and_goes_up_in_one_request(
    server: FaultyServer, store: S3Store, s3_client: S3Client, bucket: str
) -> None:
    server.always_fail("?uploads", Fault(status=501))
    upload(store)
    upload(store)
    assert server.count("?uploads") == 1  # asked once
    assert store.get("large") == LARGE
    assert "xxh3" in s3_client.head_object(Bucket=bucket.removeprefix("s3://"), Key="large")["Metadata"]


def test_a_server_that_knows_no_ranges_serves_them_all_the_same(server: FaultyServer, store: S3Store) -> None:
    server.always_fail("GET", Fault(drops_range=True))
    assert store.get("there", 3, 6) == b"345"
    assert store.get("there", 7) == b"789"


def test_an_upload_that_was_ended_takes_no_more(store: S3Store) -> None:
    with store.open_upload("a") as file:
        file.write(b"1")
    with pytest.raises(ValueError, match="has ended"):
        file.write(b"2")


def test_a_host_that_takes_no_connection_is_given_up_in_the_time_that_was_set(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"given up after \d attempts?"):
            S3Store.at(bucket, HASTY).put("a", b"")
        assert time.monotonic() - begin < LONG
