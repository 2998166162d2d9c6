"""A bucket, or a prefix of one, as a store: on AWS and on every server that speaks S3."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import xxhash

from trainer.errors import ConfigError, CorruptObjectError, ObjectMissingError
from trainer.storage.base import Entry, checked_key, checked_length, checked_prefix
from trainer.storage.s3_client import Connection, Patience
from trainer.storage.s3_errors import BODY_CUT_SHORT, typed_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ObjectTypeDef

_BUCKET_NAME = re.compile(r"[A-Za-z0-9._-]{3,255}")
_DIGEST = "xxh3"  # the name in the object's metadata: x-amz-meta-xxh3
_IN_ONE_REQUEST = 64 << 20  # bytes; more go up in parts
_IN_MEMORY = 16 << 20  # bytes of an upload; more wait on the disk


class S3Store:
    """A store in a bucket, below a prefix.

    Every object that it writes carries the xxh3-128 digest of its bytes in its metadata; a whole read verifies it, and objects that
    others wrote without one are read as they are. It may be pickled, used after a fork, and shared by threads.
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
        metadata = {_DIGEST: xxhash.xxh3_128_hexdigest(data)}
        if len(data) > _IN_ONE_REQUEST:
            self._upload(key, io.BytesIO(data), metadata)
            return
        with typed_errors(self._where(key)):
            self._client.put_object(Bucket=self._bucket, Key=self._full(key), Body=data, Metadata=metadata)

    def put_if_absent(self, key: str, data: bytes) -> None:
        metadata = {_DIGEST: xxhash.xxh3_128_hexdigest(data)}
        with typed_errors(self._where(key)):
            self._client.put_object(Bucket=self._bucket, Key=self._full(key), Body=data, Metadata=metadata, IfNoneMatch="*")

    @contextmanager
    def open_upload(self, key: str) -> Generator[BinaryIO]:
        checked_key(key)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            file = cast(BinaryIO, spool)
            yield file
            file.seek(0)
            digest = hashlib.file_digest(spool, xxhash.xxh3_128).hexdigest()
            file.seek(0)
            self._upload(key, file, {_DIGEST: digest})

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        where = self._where(key)
        if start == end and self.stat(key):  # HTTP cannot ask for nothing
            return b""
        whole = start == 0 and end is None
        data, metadata = self._download(key, "" if whole else f"bytes={start}-{'' if end is None else end - 1}")
        if whole:
            _check_digest(data, metadata.get(_DIGEST), where)
        return checked_length(data, where, start, end)

    def stat(self, key: str) -> Entry | None:
        try:
            with typed_errors(self._where(key)):
                head = self._client.head_object(Bucket=self._bucket, Key=self._full(key))
        except ObjectMissingError:
            self._check_bucket()
            return None
        return Entry(key, head["ContentLength"], head["ETag"].strip('"'))

    def keys(self, prefix: str = "") -> Iterator[Entry]:
        where, full = self._where(prefix), self._base + checked_prefix(prefix)
        with typed_errors(where):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=full)
            entries = [_entry(item, self._base) for page in pages for item in page.get("Contents", ())]
        objects = [entry for entry in entries if entry.key and not entry.key.endswith("/")]  # consoles mark folders by empty objects
        return iter(sorted(objects))  # not every server lists in the order that AWS does

    def delete(self, key: str) -> None:
        with typed_errors(self._where(key)):
            self._client.delete_object(Bucket=self._bucket, Key=self._full(key))

    def below(self, folder: str) -> S3Store:
        return S3Store(self._bucket, self._full(folder), self._connection)

    @property
    def _client(self) -> S3Client:
        return self._connection.client

    def _full(self, key: str) -> str:
        return self._base + checked_key(key)

    def _where(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def _check_bucket(self) -> None:
        """A HEAD answers 404 for a missing object and for a missing bucket alike."""
        with typed_errors(f"the bucket s3://{self._bucket}"):
            self._client.head_bucket(Bucket=self._bucket)

    def _upload(self, key: str, file: BinaryIO | io.BytesIO, metadata: dict[str, str]) -> None:
        with typed_errors(self._where(key)):
            self._client.upload_fileobj(file, self._bucket, self._full(key), ExtraArgs={"Metadata": metadata})

    def _download(self, key: str, span: str) -> tuple[bytes, dict[str, str]]:
        """An object's bytes and metadata. boto3 tries again until it has an answer; a body that breaks off is ours to ask for again."""
        attempts_left = self._connection.patience.attempts
        with typed_errors(self._where(key)):
            while True:
                attempts_left -= 1
                answer = self._ask(key, span)
                try:
                    return answer["Body"].read(), answer["Metadata"]
                except BODY_CUT_SHORT:
                    if not attempts_left:
                        raise

    def _ask(self, key: str, span: str) -> GetObjectOutputTypeDef:
        if not span:
            return self._client.get_object(Bucket=self._bucket, Key=self._full(key))
        return self._client.get_object(Bucket=self._bucket, Key=self._full(key), Range=span)


def _entry(item: ObjectTypeDef, base: str) -> Entry:
    key, size, tag = item["Key"], item["Size"], item["ETag"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  # every server sends them
    return Entry(key.removeprefix(base), size, tag.strip('"'))


def _check_digest(data: bytes, wanted: str | None, where: str) -> None:
    found = xxhash.xxh3_128_hexdigest(data)
    if wanted not in {None, found}:
        raise CorruptObjectError(
            f"{where} has the digest {_DIGEST}:{found}; it was written with {_DIGEST}:{wanted}. Delete it and make it again"
        )
