"""Listing a bucket: page by page, in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from trainer.errors import StoreError
from trainer.storage.base import Entry, is_reserved
from trainer.storage.s3_client import Connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef


def pages(connection: Connection, bucket: str, prefix: str, base: str, where: str) -> Iterator[list[Entry]]:
    """The objects whose key in the bucket begins with `prefix`, as the server lists them: a request for each page.

    Args:
        base: what is taken off the keys.
    """
    token = ""
    while True:
        page = connection.ask(lambda client, _, token=token: _list(client, bucket, prefix, token), where)
        entries = (_entry(item, base) for item in page.get("Contents", ()))
        yield [entry for entry in entries if _is_object(entry.key)]
        token = page.get("NextContinuationToken", "")
        if not token:
            return


def in_order(pages: Iterator[list[Entry]], where: str) -> Iterator[Entry]:
    """Their entries, sorted. Each page is asked for when it is needed; from one out of order on, all are read before they are sorted.

    Raises:
        StoreError: an entry comes so late that others, which sort behind it, were handed out.
    """
    last = ""
    for page in pages:
        entries = page if page == sorted(page) else sorted(chain(page, *pages))
        if not entries:
            continue
        if entries[0].key < last:
            raise StoreError(
                f"{where}: the server lists {entries[0].key} on a later page than {last}, so not in the order of keys that S3 promises; "
                "use another server, or a prefix that holds fewer objects"
            )
        yield from entries
        last = entries[-1].key


def _list(client: S3Client, bucket: str, prefix: str, token: str) -> ListObjectsV2OutputTypeDef:
    if not token:
        return client.list_objects_v2(Bucket=bucket, Prefix=prefix)
    return client.list_objects_v2(Bucket=bucket, Prefix=prefix, ContinuationToken=token)


def _entry(item: ObjectTypeDef, base: str) -> Entry:
    key, size, tag = item["Key"], item["Size"], item["ETag"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  # every server sends them
    return Entry(key.removeprefix(base), size, tag.strip('"'))


def _is_object(key: str) -> bool:
    """Consoles mark folders by empty objects, and some names are the store's own."""
    return bool(key) and not key.endswith("/") and not is_reserved(key)
