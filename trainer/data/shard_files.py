"""Where shards lie on this machine: in the store's own folder, or in a cache that each shard is downloaded to once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash

from trainer.canonical import short
from trainer.errors import CorruptObjectError, StoreError
from trainer.reports import FileDigest
from trainer.storage import FolderStore, Store

PREPARE_AGAIN = "Delete the data set and prepare it again"
CACHE = Path(".sightline/cache")
_MOST_OPEN = 256  # well below the usual limit of 1,024 descriptors a process
_DOWNLOAD_BYTES = 8 << 20


class ShardFiles:
    """Reads at byte offsets. A file is found, and opened, when it is first read; descriptors stay in their process."""

    def __init__(self, store: Store, files: tuple[FileDigest, ...], cache: Path) -> None:
        self._open: dict[int, int] = {}
        self._files = files
        self._store = store
        self._cache = cache

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Bytes of the file of that number.

        Raises:
            CorruptObjectError: the file is not as long as it should be, or was damaged on the way.
        """
        data = os.pread(self._descriptor(number), size, offset)
        if len(data) < size:
            raise CorruptObjectError(f"{self._store.uri}/{self._files[number].name} ends before byte {offset + size}. {PREPARE_AGAIN}")
        return data

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}

    def _descriptor(self, number: int) -> int:
        if number not in self._open:
            path = self._local_path(self._files[number])
            if len(self._open) == _MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[number] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._open[number]

    def _local_path(self, file: FileDigest) -> Path:
        if not isinstance(self._store, FolderStore):
            return fetch(self._store, file, self._cache)
        path = self._store.root / file.name
        if not _is_whole(path, file):
            found = f"{path.stat().st_size} bytes" if path.exists() else "nothing"
            raise CorruptObjectError(f"{path}: found {found}, the manifest says {file.size} bytes. {PREPARE_AGAIN}")
        return path


def fetch(store: Store, file: FileDigest, cache: Path) -> Path:
    """A file of a store, downloaded to the cache unless it is there. Processes that want it at once wait for one of them.

    Raises:
        CorruptObjectError: the bytes are not those that the digest names; nothing is kept.
        StoreError: the cache cannot be written.
    """
    target = cache / f"{short(file.digest)}.tar"
    try:
        if not _is_whole(target, file):
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(target.with_suffix(".lock")):
                if not _is_whole(target, file):
                    _download(store, file, target)
    except OSError as error:
        where = f"the cache {cache.resolve()}"
        raise StoreError(f"{store.uri}/{file.name} cannot be kept in {where}: {error}; make room there") from error
    return target


def check_digest(store: Store, file: FileDigest, found: str) -> None:
    """Compare the xxh3 digits of what was read with the manifest.

    Raises:
        CorruptObjectError: they differ.
    """
    if f"xxh3:{found}" != file.digest:
        raise CorruptObjectError(f"{store.uri}/{file.name} has digest xxh3:{found}, the manifest says {file.digest}. {PREPARE_AGAIN}")


def _is_whole(path: Path, file: FileDigest) -> bool:
    """By size alone: what was downloaded is verified before it gets its name."""
    try:
        return path.stat().st_size == file.size
    except FileNotFoundError:
        return False


def _download(store: Store, file: FileDigest, target: Path) -> None:
    part = target.with_suffix(".part")  # one name will do: the lock is held, and what a killed process left is overwritten
    digest = xxhash.xxh3_128()
    try:
        with part.open("wb") as output:
            for start in range(0, file.size, _DOWNLOAD_BYTES):
                block = store.get(file.name, start, min(start + _DOWNLOAD_BYTES, file.size))
                digest.update(block)
                output.write(block)
        check_digest(store, file, digest.hexdigest())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Alone among the processes of this machine; the kernel frees the lock of one that dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
