"""What a store can do. Keys are `/`-separated, relative to the store's URI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from trainer.errors import ConfigError, CorruptObjectError

RESERVED = ".sightline-"  # begins the names of the stores' own files and objects: no key holds one, and no listing shows one


@dataclass(frozen=True, order=True)
class Entry:
    """An object: its key, its size in bytes, and the store's own tag of its content (empty where it has none)."""

    key: str
    size: int
    etag: str = ""


@dataclass(frozen=True)
class Dialect:
    """What a store does by itself. What it does not is made up for: slower, and by ADR 0010 with a weaker promise in one case."""

    conditional_writes: bool
    ranges: bool
    multipart: bool
    sorted_listing: bool


class Store(Protocol):
    """A folder or a bucket's prefix. Every method may raise StoreDeniedError or StoreUnavailableError."""

    @property
    def uri(self) -> str:
        """Where the store is, as given to `open_store`, without a slash at the end."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole or not at all; replaces."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> None:
        """Write an object unless there is one.

        Raises:
            ObjectExistsError: there is one.
        """
        ...

    def open_upload(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A stream to write; the object appears whole when the block ends, and not at all if it raises."""
        ...

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes `[start, end)` of an object.

        A store that keeps the digest of an object's bytes checks it where the whole is read. None does for what `open_upload` streamed,
        nor a folder for anything: who must know that those are the bytes that were written keeps their digest, and compares.

        Raises:
            ObjectMissingError: there is none.
            CorruptObjectError: the bytes are fewer than asked for, or not those that were written, as far as the store knows them.
        """
        ...

    def stat(self, key: str) -> Entry | None:
        """The object's entry, or None."""
        ...

    def keys(self, prefix: str = "") -> Iterator[Entry]:
        """Every object whose key starts with `prefix`, sorted by key (code points). It is read as far as it is used."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; none there is no error."""
        ...

    def below(self, folder: str) -> Store:
        """The same store, rooted at a folder of it."""
        ...

    def dialect(self) -> Dialect:
        """What the store does by itself, found by trying it on objects of its own, which are gone at the end."""
        ...


def checked_key(key: str) -> str:
    """The key, if it stays inside its store.

    Raises:
        ConfigError: it is empty, absolute, or climbs out.
    """
    parts = key.split("/")
    if not key or "\\" in key or "\0" in key or any(part in {"", ".", ".."} for part in parts):
        raise ConfigError(f"{key!r} is not a key: write a relative path without '..', '.' or empty parts")
    return key


def checked_new_key(key: str) -> str:
    """The key, if it may be written.

    Raises:
        ConfigError: `checked_key` refuses it, or a part of it is reserved.
    """
    if is_reserved(checked_key(key)):
        raise ConfigError(f"{key!r}: names that begin with {RESERVED} are the store's own, for what is unfinished; choose another")
    return key


def is_reserved(key: str) -> bool:
    return f"/{RESERVED}" in f"/{key}"


def checked_prefix(prefix: str) -> str:
    """The prefix, if what it names stays inside its store; it may be empty, and may end in the middle of a name.

    Raises:
        ConfigError: its folders are empty, absolute, or climb out.
    """
    folder, slash, _ = prefix.rpartition("/")
    if slash:
        checked_key(folder)
    return prefix


def checked_length(data: bytes, where: str, start: int, end: int | None) -> bytes:
    """What was read of an object, if the object reached as far as `[start, end)`; without an end, further than `start`.

    Raises:
        CorruptObjectError: it is shorter.
    """
    wanted = end - start if end is not None else min(start, 1)
    if len(data) < wanted:
        raise CorruptObjectError(f"{where} ends at byte {start + len(data)}; bytes [{start}, {end}) of it were asked for")
    return data
