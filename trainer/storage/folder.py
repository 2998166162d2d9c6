"""A folder as a store."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from trainer.errors import ConfigError, ObjectExistsError, ObjectMissingError, StoreDeniedError, StoreError
from trainer.storage.base import RESERVED, Dialect, Entry, checked_key, checked_length, checked_new_key, checked_prefix
from trainer.storage.folder_errors import finding, typed_errors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PART = RESERVED + "part-"  # begins the names of files that are being written
_LOCK = RESERVED + "lock"
_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}  # FAT answers the first, FUSE any


class FolderStore:
    """A store in a folder, which the first write creates.

    An object is written beside its name, synced, and renamed: it appears whole and outlasts a power cut. A folder keeps no digest
    of its objects: missing bytes are noticed here, changed ones by the digests in manifests. Symbolic links are followed to read
    and to list, since data sets are often folders of links; nothing is written or deleted through one that leads out of the store.
    """

    def __init__(self, uri: str, root: Path | None = None) -> None:
        if not uri:
            raise ConfigError("an empty path names no folder; write . for the working folder")
        self.uri = uri.rstrip("/") or "/"
        self.root = root or Path(uri).resolve()  # once: a relative path means the working folder of now

    def put(self, key: str, data: bytes) -> None:
        with self._new_file(key, os.replace) as file:
            file.write(data)

    def put_if_absent(self, key: str, data: bytes) -> None:
        """Of several that write at once exactly one wins.

        Where there are no hard links this rests on a lock of the file system, which holds as far as its locks reach: on a local disk
        always; on a network file system mounted on several machines only if it passes locks on.
        """
        with self._new_file(key, _publish_if_absent) as file:
            file.write(data)

    @contextmanager
    def open_upload(self, key: str) -> Generator[BinaryIO]:
        with self._new_file(key, os.replace) as file:
            yield file

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        path, where = self.root / checked_key(key), self._where(key)
        with finding(where), path.open("rb") as file:
            file.seek(start)
            data = file.read(-1 if end is None else end - start)
        return checked_length(data, where, start, end)

    def stat(self, key: str) -> Entry | None:
        size = _size_of_file(self.root / checked_key(key))
        return None if size is None else Entry(key, size)

    def keys(self, prefix: str = "") -> Iterator[Entry]:
        folder, slash, start = checked_prefix(prefix).rpartition("/")
        return self._walk(folder + slash, start)

    def delete(self, key: str) -> None:
        with suppress(ObjectMissingError), finding(self._where(key)):
            self._path_to_change(key).unlink()

    def below(self, folder: str) -> FolderStore:
        return FolderStore(self._where(checked_key(folder)), self.root / folder)

    def dialect(self) -> Dialect:
        with typed_errors(self.uri):
            _make_folder(self.root)
            return Dialect(conditional_writes=_has_hard_links(self.root), ranges=True, multipart=True, sorted_listing=True)

    def _where(self, key: str) -> str:
        return f"{self.uri.rstrip('/')}/{key}"

    def _path_to_change(self, key: str) -> Path:
        path = self.root / checked_new_key(key)
        if not path.parent.resolve().is_relative_to(self.root):
            raise StoreDeniedError(f"{self._where(key)} leads out of the store through a symbolic link, so it is not changed")
        return path

    @contextmanager
    def _new_file(self, key: str, publish: Callable[[Path, Path], None]) -> Generator[BinaryIO]:
        """A file to write, which `publish` gives its name when the block has ended well."""
        where = self._where(key)
        with typed_errors(where):
            path = self._path_to_change(key)
            _make_folder(path.parent)
            part = _PartFile(path.with_name(_PART + secrets.token_hex(8)), where)
        try:
            with io.BufferedWriter(part) as file:
                yield file
                file.flush()
                part.sync()
            with typed_errors(where):
                publish(part.path, path)
                _sync_folder(path.parent)
        finally:
            part.path.unlink(missing_ok=True)

    def _walk(self, folder: str, start: str = "", above: frozenset[Path] = frozenset()) -> Iterator[Entry]:
        """The files below `folder` (empty, or with a slash at its end) whose path in it begins with `start`, in order of their keys.

        A folder sorts with its slash: `a.txt` comes before `a/b`.
        """
        path = (self.root / folder).resolve()
        if path in above:
            raise StoreError(f"{self._where(folder)} is a symbolic link to a folder that holds it; remove the link")
        for name, child in sorted(self._children(folder, start)):
            if name.endswith("/"):
                yield from self._walk(folder + name, above=above | {path})
            elif (size := _size_of_file(child)) is not None:
                yield Entry(folder + name, size)

    def _children(self, folder: str, start: str) -> list[tuple[str, Path]]:
        try:
            with finding(self._where(folder)):
                children = list(os.scandir(self.root / folder))
        except ObjectMissingError:
            return []
        wanted = [child for child in children if child.name.startswith(start) and not child.name.startswith(RESERVED)]
        return [(child.name + "/" * _is_folder(child), Path(child.path)) for child in wanted]


class _PartFile(io.FileIO):
    """An unfinished file. What goes wrong in writing it is told as the store's error, wherever the write was called."""

    def __init__(self, path: Path, where: str) -> None:
        super().__init__(path, "xb")
        self.path = path
        self._where = where

    def write(self, data: ReadableBuffer, /) -> int:
        with typed_errors(self._where):
            return super().write(data)

    def sync(self) -> None:
        with typed_errors(self._where):
            os.fsync(self.fileno())


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        with finding(child.path):
            return child.is_dir()
    except ObjectMissingError:  # a link that leads to itself, say
        return False


def _size_of_file(path: Path) -> int | None:
    """In bytes; None where there is no file, or none any more."""
    try:
        with finding(str(path)):
            found = path.stat()
    except ObjectMissingError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _publish_if_absent(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)  # unlike a rename it fails where there is something
    except FileExistsError:
        raise ObjectExistsError(f"{path} exists already") from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _rename_if_absent(part, path)


def _rename_if_absent(part: Path, path: Path) -> None:
    """Look and rename under a lock, which the kernel lifts when its holder dies."""
    with path.with_name(_LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.lexists(path):
            raise ObjectExistsError(f"{path} exists already")
        part.replace(path)


def _has_hard_links(folder: Path) -> bool:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_PART) as file:
        link = Path(file.name + "-link")
        try:
            link.hardlink_to(file.name)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return False
        link.unlink()
    return True


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, each entered durably into the one that holds it."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
