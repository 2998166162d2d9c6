"""A bucket, or a prefix of one, as a store: on AWS and on every server that speaks S3."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from trainer.errors import ConfigError, CorruptObjectError, ObjectExistsError, ObjectMissingError
from trainer.storage.base import RESERVED, Dialect, Entry, checked_key, checked_length, checked_new_key, checked_prefix
from trainer.storage.patience import Deadline, Patience
from trainer.storage.s3_client import Connection
from trainer.storage.s3_dialect import find_dialect, honours_conditions
from trainer.storage.s3_download import Download, download
from trainer.storage.s3_listing import in_order, pages
from trainer.storage.s3_parts import DIGEST, Target, digest_of
from trainer.storage.s3_upload import PART_BYTES, upload
from trainer.storage.turns import SILENCE_SECONDS, TURNS, own_turn, seconds_left

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BUCKET_NAME = re.compile(r"[A-Za-z0-9._-]{3,255}")


class S3Store:
    """A store in a bucket, below a prefix.

    Every object that it writes in one piece carries the xxh3-128 digest of its bytes in its metadata; a whole read verifies it.
    Objects without one, which others wrote or which were streamed in parts, are read as they are. A store may be pickled, used after
    a fork, and shared by threads.
    """

    def __init__(self, bucket: str, prefix: str = "", connection: Connection | None = None) -> None:
        self._bucket = bucket
        self._base = checked_key(prefix) + "/" if prefix else ""
        self._connection = connection or Connection(Patience())

    @classmethod
    def at(cls, uri: str, patience: Patience | None = None) -> S3Store:
        """The store at `s3://bucket/prefix`.

        Raises:
            ConfigError: it names no bucket, or the prefix climbs.
        """
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not _BUCKET_NAME.fullmatch(bucket):
            raise ConfigError(
                f"{uri} names no bucket; write s3://bucket/prefix, with letters, digits, dots and hyphens in the bucket's name"
            )
        return cls(bucket, prefix.rstrip("/"), Connection(patience or Patience()))

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/{self._base}".rstrip("/")

    def put(self, key: str, data: bytes) -> None:
        target = self._target(key)
        if len(data) <= PART_BYTES:
            target.put(data)
            return
        with upload(target, digest_of(data)) as file:
            file.write(data)

    def put_if_absent(self, key: str, data: bytes) -> None:
        """Of several that write at once exactly one wins; for a server without conditional writes see `trainer.storage.turns`."""
        target = self._target(key)
        folder, slash, name = target.key.rpartition("/")
        if honours_conditions(self._connection, self._bucket, folder + slash):
            target.put_if_absent(data)
            return
        self._refuse_if_there(key)
        hasty = self._connection.within(SILENCE_SECONDS / 2)  # a claim that takes longer comes too late
        with own_turn(S3Store(self._bucket, f"{folder}{slash}{RESERVED}{TURNS}/{name}", hasty), self._connection.patience) as turn:
            self._refuse_if_there(key)
            target.within(seconds_left(turn, target.where)).put(data)

    @contextmanager
    def open_upload(self, key: str) -> Generator[BinaryIO]:
        with upload(self._target(key)) as file:
            yield file

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        where = self._where(key)
        if start == end:  # HTTP cannot ask for nothing
            return self._nothing_of(key)
        whole = start == 0 and end is None
        found = self._download(key, "" if whole else f"bytes={start}-{'' if end is None else end - 1}")
        if whole:
            _check_digest(found.data, found.metadata.get(DIGEST), where)
            return found.data
        data = found.data if found.is_range else found.data[start:end]  # a server may answer a range with the whole
        return checked_length(data, where, start, end)

    def stat(self, key: str) -> Entry | None:
        full = self._full(key)
        try:
            head = self._connection.ask(lambda client, _: client.head_object(Bucket=self._bucket, Key=full), self._where(key))
        except ObjectMissingError:
            self._check_bucket()
            return None
        return Entry(key, head["ContentLength"], head["ETag"].strip('"'))

    def keys(self, prefix: str = "") -> Iterator[Entry]:
        where, full = self._where(checked_prefix(prefix)), self._base + prefix
        return in_order(pages(self._connection, self._bucket, full, self._base, where), where)

    def delete(self, key: str) -> None:
        target = self._target(key)
        self._connection.ask(lambda client, _: client.delete_object(Bucket=self._bucket, Key=target.key), target.where)

    def below(self, folder: str) -> S3Store:
        return S3Store(self._bucket, self._full(folder), self._connection)

    def dialect(self) -> Dialect:
        return find_dialect(self._connection, self._bucket, self._base)

    def _full(self, key: str) -> str:
        return self._base + checked_key(key)

    def _where(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def _target(self, key: str) -> Target:
        return Target(self._connection, self._bucket, self._full(checked_new_key(key)), self._where(key))

    def _nothing_of(self, key: str) -> bytes:
        if self.stat(key) is None:
            raise ObjectMissingError(f"{self._where(key)} does not exist")
        return b""

    def _refuse_if_there(self, key: str) -> None:
        if self.stat(key):
            raise ObjectExistsError(f"{self._where(key)} exists already")

    def _check_bucket(self) -> None:
        """A HEAD answers 404 for a missing object and for a missing bucket alike."""
        self._connection.ask(lambda client, _: client.head_bucket(Bucket=self._bucket), f"the bucket s3://{self._bucket}")

    def _download(self, key: str, span: str) -> Download:
        full, read_seconds = self._full(key), self._connection.patience.read_seconds

        def attempt(client: S3Client, deadline: Deadline) -> Download:
            if span:
                answer = client.get_object(Bucket=self._bucket, Key=full, Range=span)
            else:
                answer = client.get_object(Bucket=self._bucket, Key=full)
            return download(answer, deadline, read_seconds)

        return self._connection.ask(attempt, self._where(key))


def _check_digest(data: bytes, wanted: str | None, where: str) -> None:
    found = digest_of(data)
    if wanted not in {None, found}:
        raise CorruptObjectError(
            f"{where} has the digest {DIGEST}:{found}; it was written with {DIGEST}:{wanted}. Delete it and make it again"
        )
