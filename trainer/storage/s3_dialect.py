"""What an S3 server does of what S3 promises: asked of the server itself, once a process."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from trainer.errors import ObjectExistsError, StoreDeniedError, StoreError, StoreUnavailableError
from trainer.storage.base import RESERVED, Dialect
from trainer.storage.patience import Deadline
from trainer.storage.s3_client import Connection
from trainer.storage.s3_download import Download, download
from trainer.storage.s3_errors import NotOfferedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class Abilities:
    """Of a server for one bucket; None where nothing has asked yet."""

    conditional_writes: bool | None = None
    multipart: bool | None = None


def abilities(connection: Connection, bucket: str) -> Abilities:
    """What this process knows of them."""
    return _known(connection.client.meta.endpoint_url, bucket)


@cache
def _known(endpoint: str, bucket: str) -> Abilities:  # noqa: ARG001  # they are the key
    return Abilities()


def honours_conditions(connection: Connection, bucket: str, folder: str) -> bool:
    """Whether a write with `If-None-Match: *` leaves an object that is there. The first to ask tries it on an object of its own.

    Args:
        folder: where this process may write: empty, or with a slash at its end.
    """
    able = abilities(connection, bucket)
    if able.conditional_writes is None:
        able.conditional_writes = _try_condition(connection, bucket, f"{folder}{RESERVED}probe-{secrets.token_hex(8)}")
    return able.conditional_writes


def _try_condition(connection: Connection, bucket: str, key: str) -> bool:
    where = f"s3://{bucket}/{key}"
    with _probes(connection, bucket, where, key):
        try:
            connection.ask(lambda client, _: client.put_object(Bucket=bucket, Key=key, Body=b"2", IfNoneMatch="*"), where)
        except ObjectExistsError:
            return True
        except (StoreDeniedError, StoreUnavailableError):
            raise
        except StoreError:  # it refuses the header: it cannot do it, and says so
            return False
    return False


def find_dialect(connection: Connection, bucket: str, folder: str) -> Dialect:
    """What the server does, each tried on objects below `folder` that are gone at the end."""
    key = f"{folder}{RESERVED}probe-{secrets.token_hex(8)}"
    able, where = abilities(connection, bucket), f"s3://{bucket}/{key}"
    if able.multipart is None:
        able.multipart = _try_multipart(connection, bucket, key, where)
    return Dialect(
        conditional_writes=honours_conditions(connection, bucket, folder),
        ranges=_try_range(connection, bucket, key, where),
        multipart=able.multipart,
        sorted_listing=_try_listing(connection, bucket, key, where),
    )


def _try_multipart(connection: Connection, bucket: str, key: str, where: str) -> bool:
    try:
        begun = connection.ask(lambda client, _: client.create_multipart_upload(Bucket=bucket, Key=key), where)
    except NotOfferedError:
        return False
    upload = begun["UploadId"]
    connection.ask(lambda client, _: client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload), where)
    return True


def _try_range(connection: Connection, bucket: str, key: str, where: str) -> bool:
    def read(client: S3Client, deadline: Deadline) -> Download:
        return download(client.get_object(Bucket=bucket, Key=key, Range="bytes=1-2"), deadline, connection.patience.read_seconds)

    with _probes(connection, bucket, where, key):
        found = connection.ask(read, where)
    return found.is_range and found.data == b"23"


def _try_listing(connection: Connection, bucket: str, key: str, where: str) -> bool:
    """Whether `-` comes before `/`, as code points have it; servers in front of a file system often list folder by folder."""
    keys = [f"{key}/a-b", f"{key}/a/b", f"{key}/a0"]
    with _probes(connection, bucket, where, *keys):
        page = connection.ask(lambda client, _: client.list_objects_v2(Bucket=bucket, Prefix=f"{key}/"), where)
    return [item.get("Key") for item in page.get("Contents", ())] == keys


@contextmanager
def _probes(connection: Connection, bucket: str, where: str, *keys: str) -> Generator[None]:
    """Small objects for as long as the block runs."""
    there: list[str] = []
    try:
        for key in keys:
            connection.ask(lambda client, _, key=key: client.put_object(Bucket=bucket, Key=key, Body=b"12345"), where)
            there.append(key)
        yield
    finally:
        for key in there:
            connection.ask(lambda client, _, key=key: client.delete_object(Bucket=bucket, Key=key), where)
