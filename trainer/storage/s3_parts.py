"""The requests that write an object to S3: one for the whole, or several for its parts."""

from __future__ import annotations

import hashlib
import io
import secrets
import tempfile
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import xxhash

from trainer.errors import ObjectExistsError, ObjectMissingError, StoreError
from trainer.storage.patience import Deadline
from trainer.storage.s3_client import Connection
from trainer.storage.s3_errors import UploadGoneError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

DIGEST = "xxh3"  # the name in the object's metadata: x-amz-meta-xxh3
_MARK = "upload"  # in the metadata of what goes up in parts or on a condition: which upload made it
_ABORT_SECONDS = 10.0


@dataclass(frozen=True)
class Target:
    """An object to be written. `where` is its URI."""

    connection: Connection
    bucket: str
    key: str
    where: str

    def within(self, seconds: float) -> Target:
        """The same object, whose requests are given up after that time."""
        return replace(self, connection=self.connection.within(seconds))

    def put(self, body: bytes) -> None:
        """Write it in one request, with the digest of its bytes; the server checks the bytes by their MD5."""
        metadata, md5 = {DIGEST: digest_of(body)}, _md5(body)
        self.connection.ask(
            lambda client, _: client.put_object(Bucket=self.bucket, Key=self.key, Body=body, Metadata=metadata, ContentMD5=md5), self.where
        )

    def put_if_absent(self, body: bytes) -> None:
        """The same on the condition that there is none. What an attempt wrote whose answer was lost is told by its mark.

        Raises:
            ObjectExistsError: there is another.
        """
        mark = secrets.token_hex(8)
        metadata, md5 = {DIGEST: digest_of(body), _MARK: mark}, _md5(body)
        try:
            self.connection.ask(
                lambda client, _: client.put_object(
                    Bucket=self.bucket, Key=self.key, Body=body, Metadata=metadata, ContentMD5=md5, IfNoneMatch="*"
                ),
                self.where,
            )
        except ObjectExistsError:
            if not self.bears(mark):
                raise

    def bears(self, mark: str) -> bool:
        """Whether the upload with that mark made the object that is there."""
        try:
            head = self.connection.ask(lambda client, _: client.head_object(Bucket=self.bucket, Key=self.key), self.where)
        except ObjectMissingError:
            return False
        return head["Metadata"].get(_MARK) == mark


class Sink(Protocol):
    """Where the parts of an object go."""

    def send(self, part: bytes) -> None: ...
    def complete(self) -> None: ...
    def abort(self) -> None: ...


class Multipart:
    """A multipart upload. Its parts go up one after the other: some servers stream them on in their order."""

    def __init__(self, target: Target, digest: str) -> None:
        self._target = target
        self._mark = secrets.token_hex(8)
        self._parts: list[CompletedPartTypeDef] = []
        metadata = {_MARK: self._mark, **({DIGEST: digest} if digest else {})}
        begun = target.connection.ask(
            lambda client, _: client.create_multipart_upload(Bucket=target.bucket, Key=target.key, Metadata=metadata), target.where
        )
        self._id = begun["UploadId"]

    def send(self, part: bytes) -> None:
        to, number, md5 = self._target, len(self._parts) + 1, _md5(part)
        sent = to.connection.ask(
            lambda client, _: client.upload_part(
                Bucket=to.bucket, Key=to.key, UploadId=self._id, PartNumber=number, Body=part, ContentMD5=md5
            ),
            to.where,
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def complete(self) -> None:
        to = self._target
        try:
            to.connection.ask(
                lambda client, _: client.complete_multipart_upload(
                    Bucket=to.bucket, Key=to.key, UploadId=self._id, MultipartUpload={"Parts": self._parts}
                ),
                to.where,
            )
        except UploadGoneError:
            if not to.bears(self._mark):  # it does, where an attempt succeeded and its answer was lost
                raise

    def abort(self) -> None:
        to = self._target.within(_ABORT_SECONDS)  # whoever pressed Ctrl-C waits for it
        with suppress(UploadGoneError, ObjectMissingError):
            to.connection.ask(lambda client, _: client.abort_multipart_upload(Bucket=to.bucket, Key=to.key, UploadId=self._id), to.where)


class Spool:
    """For a server without multipart uploads: the parts wait in a temporary file, and go up in one request."""

    def __init__(self, target: Target) -> None:
        self._target = target
        with _spooling(target.where):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has gone up, or is given up

    def send(self, part: bytes) -> None:
        with _spooling(self._target.where):
            self._file.write(part)

    def complete(self) -> None:
        to, file = self._target, self._file
        with file, _spooling(to.where):
            digest = _hash(file, xxhash.xxh3_128).hex()
            md5 = b64encode(_hash(file, partial(hashlib.md5, usedforsecurity=False))).decode()

            def put(client: S3Client, _: Deadline) -> None:
                file.seek(0)  # at each attempt
                client.put_object(Bucket=to.bucket, Key=to.key, Body=file, Metadata={DIGEST: digest}, ContentMD5=md5)

            to.connection.ask(put, to.where)

    def abort(self) -> None:
        with suppress(OSError):  # it writes what it still holds; where that fails, an earlier write has told why
            self._file.close()


@contextmanager
def _spooling(where: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise StoreError(f"{where} cannot wait in {folder} until it is whole: {error}; make room, or set TMPDIR") from error


def digest_of(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)


def _hash(file: BinaryIO, algorithm: Callable[[], Any]) -> bytes:
    file.seek(0)
    return hashlib.file_digest(cast(io.BytesIO, file), algorithm).digest()  # any file will do, whatever typeshed wants


def _md5(data: bytes) -> str:
    """As the header Content-MD5 has it; against damage, not against malice."""
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
