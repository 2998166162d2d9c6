"""The bytes of a source's files: read in blocks, and digested into the source's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from trainer.canonical import canonical_json
from trainer.data.parallel import in_order
from trainer.storage import Entry, Store

BLOCK_BYTES = 4 << 20

_HASHING_THREADS = 8


def blocks(store: Store, entry: Entry) -> Iterator[bytes]:
    """A file, however large, piece by piece.

    Raises:
        ObjectMissingError: it has gone since it was listed.
        CorruptObjectError: it has become shorter.
    """
    for start in range(0, entry.size, BLOCK_BYTES):
        yield store.get(entry.key, start, min(start + BLOCK_BYTES, entry.size))


def listing_digest(store: Store, entries: Iterable[Entry]) -> str:
    """Of files in the order given: key, size, and ETag or, where the store has none, a hash of the content."""

    def line(entry: Entry) -> str:
        return canonical_json([entry.key, entry.size, entry.etag or _content_digest(store, entry)]) + "\n"

    listing = hashlib.sha256()
    with ThreadPoolExecutor(_HASHING_THREADS) as pool:
        for described in in_order(pool, line, entries, in_flight=2 * _HASHING_THREADS):
            listing.update(described.encode())
    return "sha256:" + listing.hexdigest()


def _content_digest(store: Store, entry: Entry) -> str:
    content = hashlib.sha256()
    for block in blocks(store, entry):
        content.update(block)
    return "sha256:" + content.hexdigest()
