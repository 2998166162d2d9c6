"""What `sightline doctor --store` finds: whether a store can be used, what it does by itself, and how fast it is.

Everything is tried on objects of its own below one reserved folder, which are gone at the end.
"""

from __future__ import annotations

import os
import secrets
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from trainer.errors import CorruptObjectError, ObjectMissingError, StoreDeniedError, StoreError, StoreUnavailableError
from trainer.storage import RESERVED, FolderStore, Store

Mark = Literal["good", "warning", "bad"]

_SMALL_OBJECTS = 5
_SMALL_BYTES = 1000
_LARGE_BYTES = (8 << 20) + 1  # one byte more than goes up in one request
_SLOW_SECONDS = 0.5
_SLOW_BYTES = 4 << 20  # a second


class Finding(NamedTuple):
    """One line: what was looked at, how it is, what that means, and what to change, if anything."""

    subject: str
    mark: Mark
    meaning: str
    advice: str = ""


def examine(store: Store) -> Iterator[Finding]:
    """Look at one thing after the other, from reaching the store to its speed; ends at what makes it unusable."""
    try:
        next(store.keys(RESERVED), None)
        yield from _reached(store)
        with _own_folder(store) as folder:
            yield _writing(folder)
            yield from _abilities(folder)
            yield _latency(folder)
            yield _throughput(folder)
    except StoreError as error:
        yield Finding(_subject(error, store), "bad", str(error))


def is_usable(findings: list[Finding]) -> bool:
    return all(finding.mark != "bad" for finding in findings)


def _reached(store: Store) -> Iterator[Finding]:
    if isinstance(store, FolderStore):
        there = store.root.is_dir()
        yield Finding("reachable", "good", f"{store.root} is there" if there else f"{store.root} is not there yet; a run makes it")
        return
    yield Finding("reachable", "good", "the server answers")
    yield Finding("credentials", "good", "the server takes them")
    yield Finding("bucket", "good", f"{store.uri} may be listed")


def _subject(error: StoreError, store: Store) -> str:
    match error:
        case StoreUnavailableError():
            return "reachable"
        case StoreDeniedError():
            return "permissions" if isinstance(store, FolderStore) else "credentials"
        case ObjectMissingError():
            return "bucket"
        case _:
            return "store"


def _writing(folder: Store) -> Finding:
    """Write, replace, read and delete; a listing and a read see each at once."""
    folder.put("object", b"old")
    folder.put("object", b"new")
    if (found := folder.get("object")) != b"new":
        raise CorruptObjectError(f"{folder.uri}/object reads {found!r} after b'new' was written; the store is not consistent: use another")
    folder.delete("object")
    if folder.stat("object") or list(folder.keys()):
        raise StoreError(f"{folder.uri}/object is there after it was deleted; the store is not consistent: use another")
    return Finding("write, read, delete", "good", "each is seen at once")


def _abilities(folder: Store) -> Iterator[Finding]:
    can = folder.dialect()
    yield _ability(
        "conditional writes", can.conditional_writes, "of several that register at once exactly one wins",
        "put_if_absent takes turns instead: slower, and safe unless a request that timed out arrives late (docs/adr/0010)",
        "register into this store from one run at a time, or use a server that honours If-None-Match; a folder needs hard links",
    )  # fmt: skip
    yield _ability(
        "ranges", can.ranges, "an image is read out of its shard",
        "every read of an image reads its whole shard",
        "prepare small shards (source.samples_per_shard), or use another server",
    )  # fmt: skip
    yield _ability(
        "multipart", can.multipart, "large files go up while they are written",
        "files wait in TMPDIR until they are whole, and go up in one request",
        "make room in TMPDIR for the largest file; the server's limit of one request is that of a file",
    )  # fmt: skip
    yield _ability(
        "listing order",
        can.sorted_listing,
        "sorted by code points",
        "another one; it is sorted here where the first page shows it; a listing that leaves the order later is an error",
    )


def _ability(subject: str, able: bool, meaning: str, without: str, advice: str = "") -> Finding:
    return Finding(subject, "good", meaning) if able else Finding(subject, "warning", without, advice)


def _latency(folder: Store) -> Finding:
    data = os.urandom(_SMALL_BYTES)
    keys = [f"small-{number}" for number in range(_SMALL_OBJECTS)]
    writing = statistics.median(_seconds(lambda key=key: folder.put(key, data)) for key in keys)
    reading = statistics.median(_seconds(lambda key=key: folder.get(key)) for key in keys)
    told = f"{writing * 1000:.1f} ms to write 1 kB, {reading * 1000:.1f} ms to read it (median of {_SMALL_OBJECTS})"
    if max(writing, reading) < _SLOW_SECONDS:
        return Finding("latency", "good", told)
    return Finding("latency", "warning", told, "use a server nearer to where the training runs")


def _throughput(folder: Store) -> Finding:
    data = os.urandom(_LARGE_BYTES)
    writing = _LARGE_BYTES / _seconds(lambda: _upload(folder, data))
    reading = _LARGE_BYTES / _seconds(lambda: _check_equal(folder, data))
    told = f"{writing / 1e6:.0f} MB/s up, {reading / 1e6:.0f} MB/s down (8 MiB, one stream)"
    if min(writing, reading) > _SLOW_BYTES:
        return Finding("throughput", "good", told)
    return Finding("throughput", "warning", told, "checkpoints and shards will take long; use a server nearer to where the training runs")


def _upload(folder: Store, data: bytes) -> None:
    with folder.open_upload("large") as file:
        file.write(data)


def _check_equal(folder: Store, data: bytes) -> None:
    if folder.get("large") != data:
        raise CorruptObjectError(f"{folder.uri}/large reads other bytes than were written; do not use this store")


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


@contextmanager
def _own_folder(store: Store) -> Generator[Store]:
    """A folder below the store, which is emptied, and removed with those that had to be made for it."""
    folder = store.below(f"{RESERVED}doctor-{secrets.token_hex(8)}")
    made = _missing(folder.root) if isinstance(folder, FolderStore) else []
    try:
        yield folder
    finally:
        for entry in list(folder.keys()):
            folder.delete(entry.key)
        for path in made:
            if path.is_dir():
                path.rmdir()


def _missing(path: Path) -> list[Path]:
    """The folders that making this one makes, innermost first."""
    return [] if path.is_dir() else [path, *_missing(path.parent)]
