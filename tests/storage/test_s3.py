"""What is S3's own: digests in the metadata, servers that fail in every way, the environment."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.fakes import Answer, scripted_peer
from tests.s3_server import s3_server
from tests.store_writes import WRITES, Write, upload
from trainer.errors import (
    ConfigError,
    CorruptObjectError,
    ExitCode,
    ObjectExistsError,
    ObjectMissingError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from trainer.storage import Store
from trainer.storage.patience import Patience
from trainer.storage.s3 import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HASTY = Patience(attempts=2, connect_seconds=5, read_seconds=5)
BUSY = Answer(503, b"<Error><Code>SlowDown</Code></Error>")
DENIED = Answer(403, b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>")

USES: dict[str, Callable[[Store], object]] = {
    "get": lambda store: store.get("a"),
    "put": lambda store: store.put("a", b"1"),
    "put_if_absent": lambda store: store.put_if_absent("a", b"1"),
    "stat": lambda store: store.stat("a"),
    "keys": lambda store: list(store.keys()),
    "delete": lambda store: store.delete("a"),
}
every_use = pytest.mark.parametrize("use", USES.values(), ids=USES)


def keys(store: Store) -> list[str]:
    return [entry.key for entry in store.keys("")]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_changed_bytes_are_noticed_on_a_whole_read(bucket: str, s3_client: S3Client, write: Write) -> None:
    store = S3Store.at(bucket)
    write(store, b"0123456789")
    name = bucket.removeprefix("s3://")
    metadata = s3_client.head_object(Bucket=name, Key="a")["Metadata"]
    s3_client.put_object(Bucket=name, Key="a", Body=b"0123456780", Metadata=metadata)
    with pytest.raises(CorruptObjectError, match=r"/a has the digest xxh3:\w+; it was written with xxh3:"):
        store.get("a")


def test_an_object_that_others_wrote_is_read_as_it_is(bucket: str, s3_client: S3Client) -> None:
    s3_client.put_object(Bucket=bucket.removeprefix("s3://"), Key="a", Body=b"theirs")
    assert S3Store.at(bucket).get("a") == b"theirs"


def test_the_marks_that_consoles_make_for_folders_are_no_objects(bucket: str, s3_client: S3Client) -> None:
    for key in ("images/", "images/a.png", "images/sub/"):
        s3_client.put_object(Bucket=bucket.removeprefix("s3://"), Key=key)
    assert keys(S3Store.at(bucket)) == ["images/a.png"]
    assert keys(S3Store.at(f"{bucket}/images")) == ["a.png"]


def test_the_etag_tells_changed_content(bucket: str) -> None:
    store = S3Store.at(bucket)
    store.put("a", b"1")
    before = store.stat("a")
    store.put("a", b"2")
    after = store.stat("a")
    assert before is not None
    assert after is not None
    assert before.etag != after.etag
    assert '"' not in after.etag


@every_use
def test_a_missing_bucket_is_told_as_such(s3_endpoint: str, use: Callable[[Store], object]) -> None:
    with pytest.raises(ObjectMissingError, match=r"the bucket .*s3://no-such-bucket.* does not exist"):
        use(S3Store.at("s3://no-such-bucket/prefix"))


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix", "s3://my bucket/prefix", "s3://a*b/"])
def test_a_uri_without_a_bucket_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="names no bucket"):
        S3Store.at(uri)


def test_a_prefix_that_climbs_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a key"):
        S3Store.at("s3://bucket/a/../b")


@every_use
def test_a_closed_port_is_unavailable_within_seconds(credentials: pytest.MonkeyPatch, use: Callable[[Store], object]) -> None:
    with socket.socket() as taken:  # bound but not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        credentials.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"s3://bucket.*Check that the server runs"):
            use(S3Store.at("s3://bucket", Patience(attempts=1, connect_seconds=1)))
        assert time.monotonic() - begin < 20


def test_a_server_that_never_answers_is_unavailable_within_seconds(credentials: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        credentials.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreUnavailableError, match="s3://bucket/a"):
            S3Store.at("s3://bucket", Patience(attempts=1, read_seconds=0.3)).get("a")


@every_use
def test_refused_credentials_are_denied_at_once(credentials: pytest.MonkeyPatch, use: Callable[[Store], object]) -> None:
    with scripted_peer(DENIED) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(StoreDeniedError, match="check AWS_ACCESS_KEY_ID"):
            use(S3Store.at("s3://bucket", HASTY))
    assert len(peer.requests) == 1


@every_use
def test_a_wrong_secret_is_denied_by_a_server_that_checks_it(
    rclone_bucket: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[Store], object]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreDeniedError, match=r"s3://bucket-.*403.*check AWS_ACCESS_KEY_ID") as caught:
        use(S3Store.at(rclone_bucket))
    assert caught.value.exit_code == ExitCode.STORE_DENIED


@pytest.fixture(scope="module")
def strict_server() -> Iterator[str]:
    """A server that knows nobody."""
    with s3_server(INITIAL_NO_AUTH_ACTION_COUNT="0") as url:
        yield url


@every_use
def test_a_key_that_the_server_does_not_know_is_denied(
    strict_server: str, credentials: pytest.MonkeyPatch, use: Callable[[Store], object]
) -> None:
    credentials.setenv("AWS_ENDPOINT_URL", strict_server)
    with pytest.raises(StoreDeniedError, match=r"s3://bucket.*403.*check AWS_ACCESS_KEY_ID"):
        use(S3Store.at("s3://bucket"))


@every_use
def test_a_missing_bucket_of_rclone_is_told_as_such(rclone_bucket: str, use: Callable[[Store], object]) -> None:
    with pytest.raises(ObjectMissingError, match=r"the bucket .*s3://no-such-bucket.* does not exist") as caught:
        use(S3Store.at("s3://no-such-bucket/prefix"))
    assert caught.value.exit_code == ExitCode.OBJECT_MISSING


def test_an_expired_token_is_denied(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(400, b"<Error><Code>ExpiredToken</Code></Error>")) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(StoreDeniedError, match="ExpiredToken"):
            S3Store.at("s3://bucket", HASTY).get("a")


def test_without_credentials_it_is_denied(credentials: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        credentials.delenv(name, raising=False)
    credentials.setenv("AWS_EC2_METADATA_DISABLED", "true")
    credentials.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    credentials.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(StoreDeniedError, match="check AWS_ACCESS_KEY_ID"):
        S3Store.at("s3://bucket", HASTY).get("a")


def test_a_server_that_stays_busy_is_unavailable_after_the_attempts(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(BUSY) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(StoreUnavailableError, match="SlowDown"):
            S3Store.at("s3://bucket", HASTY).get("a")
    assert len(peer.requests) == HASTY.attempts


def test_a_server_that_is_busy_twice_is_asked_a_third_time(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(BUSY, BUSY, Answer(200, b"content")) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        assert S3Store.at("s3://bucket", Patience(attempts=3)).get("a") == b"content"
    assert peer.requests == ["GET /bucket/a"] * 3


def test_a_body_that_always_breaks_off_is_unavailable(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(200, b"half", claims=8)) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(StoreUnavailableError, match="s3://bucket/a"):
            S3Store.at("s3://bucket", HASTY).get("a")
    assert len(peer.requests) == HASTY.attempts


def test_a_body_that_breaks_off_once_is_asked_for_again(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(200, b"half", claims=8), Answer(200, b"complete")) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        assert S3Store.at("s3://bucket", HASTY).get("a") == b"complete"


def test_what_the_server_cannot_do_is_not_tried_for_ever(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(501, b"<Error><Code>NotImplemented</Code></Error>")) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(StoreError, match="NotImplemented") as caught:
            S3Store.at("s3://bucket", HASTY).put("a", b"")
    assert not isinstance(caught.value, StoreUnavailableError)
    assert len(peer.requests) == 1


def test_an_upload_whose_block_raises_asks_nothing_of_the_server(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(200)) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with suppress(RuntimeError), S3Store.at("s3://bucket", HASTY).open_upload("a") as file:
            file.write(bytes(1000))
            raise RuntimeError
    assert peer.requests == []


def test_an_upload_of_many_parts_that_fails_is_given_up(credentials: pytest.MonkeyPatch) -> None:
    begun = Answer(200, b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>")
    with scripted_peer(begun, DENIED) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(StoreDeniedError, match="s3://bucket/a"):
            upload(S3Store.at("s3://bucket", HASTY), bytes(9 << 20))
    assert "DELETE /bucket/a?uploadId=7" in peer.requests


def test_what_stands_at_a_changed_body_is_sent_again(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(400, b"<Error><Code>BadDigest</Code></Error>"), Answer(200)) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        S3Store.at("s3://bucket", HASTY).put("a", b"1")
    assert len(peer.requests) == 2


@pytest.mark.parametrize("refusal", [Answer(501, b"<Error><Code>NotImplemented</Code></Error>"), Answer(400), Answer(200)])
def test_a_server_that_does_not_take_the_condition_is_found_out_once(credentials: pytest.MonkeyPatch, refusal: Answer) -> None:
    with scripted_peer(Answer(200), refusal, Answer(200), DENIED) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        store = S3Store.at(f"s3://refuses-{refusal.status}", HASTY)
        for _ in range(2):
            with pytest.raises(StoreDeniedError):
                store.put_if_absent("b/a", b"1")
    probe = peer.requests[0].split("/")[-1]
    assert probe.startswith(".sightline-probe-")
    folder = f"/refuses-{refusal.status}/b"  # a bucket of its own: what is known of one is known to the whole process
    tried = [f"PUT {folder}/{probe}", f"PUT {folder}/{probe}", f"DELETE {folder}/{probe}"]
    assert peer.requests == [*tried, f"HEAD {folder}/a", f"HEAD {folder}/a"]


def test_a_conflict_of_two_conditional_writes_is_tried_again_until_one_stands(credentials: pytest.MonkeyPatch) -> None:
    exists, conflict = Answer(412), Answer(409, b"<Error><Code>ConditionalRequestConflict</Code></Error>")
    with scripted_peer(Answer(200), exists, Answer(200), conflict, exists) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        with pytest.raises(ObjectExistsError, match="s3://conflict/a exists already"):
            S3Store.at("s3://conflict", HASTY).put_if_absent("a", b"1")
    assert peer.requests[3:] == ["PUT /conflict/a", "PUT /conflict/a", "HEAD /conflict/a"]


@pytest.mark.parametrize("key", ["a/.sightline-turns/b", ".sightline-x"])
def test_names_that_are_the_stores_own_are_no_keys(key: str) -> None:
    for write in (lambda: S3Store("bucket").put(key, b""), lambda: S3Store("bucket").delete(key)):
        with pytest.raises(ConfigError, match="the store's own"):
            write()


def test_an_endpoint_of_s3_alone_goes_before_the_general_one(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(Answer(200, b"right")) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        credentials.setenv("AWS_ENDPOINT_URL_S3", peer.url)
        assert S3Store.at("s3://bucket", HASTY).get("a") == b"right"
    assert peer.requests == ["GET /bucket/a"]  # the bucket stands in the path
