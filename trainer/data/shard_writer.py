"""Writing a split as shards: plain tar files that webdataset reads, each with an index of byte offsets."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import BinaryIO, Self

import xxhash

from trainer.data.shards import IndexEntry, ShardIndex
from trainer.errors import StoreError
from trainer.reports import FileDigest, Shard
from trainer.storage import Store

_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class EncodedSample:
    """An image's file (`png` or `jpg`, as its extension says) and its target's; height and width in pixels."""

    name: str
    image: bytes
    extension: str
    target: bytes
    target_extension: str
    height: int
    width: int


class ShardWriter:
    """Streams a split. At most one shard is held, in a temporary file; leaving the block uploads the last one.

    A block that raises uploads nothing more. Equal samples give equal bytes: members have no time and no owner.
    """

    def __init__(self, store: Store, split: str, samples_per_shard: int) -> None:
        self.shards: list[Shard] = []
        self.samples = 0
        self._store, self._split, self._samples_per_shard = store, split, samples_per_shard
        self._shard: _OpenShard | None = None

    def add(self, sample: EncodedSample) -> None:
        """Append a sample; its key is its number in the split, so any name will do."""
        with _spooling():
            if self._shard is None:
                self._shard = _OpenShard(f"{self._split}-{len(self.shards):05d}")
            self._shard.add(sample, key=f"{self.samples:08d}")
        self.samples += 1
        if len(self._shard.entries) == self._samples_per_shard:
            self._finish(self._shard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._shard is None:
            return
        if error is None:
            self._finish(self._shard)
        else:
            self._shard.discard()

    def _finish(self, shard: _OpenShard) -> None:
        self._shard = None
        try:
            with _spooling():
                shard.tar.close()
                shard.file.seek(0)
            tar = _upload(self._store, f"{shard.name}.tar", shard.file)
        finally:
            shard.discard()
        index = ShardIndex(samples=tuple(shard.entries))
        index_file = _upload(self._store, f"{shard.name}.index.json", BytesIO(index.to_bytes()))
        self.shards.append(Shard(name=shard.name, samples=len(shard.entries), tar=tar, index=index_file))


class _OpenShard:
    """A tar that grows in a temporary file, and the offsets of what is in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the writer, when the shard is whole or given up
        self.tar = tarfile.open(fileobj=self.file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self.entries: list[IndexEntry] = []

    def add(self, sample: EncodedSample, key: str) -> None:
        image = self._add_member(f"{key}.{sample.extension}", sample.image)
        target = self._add_member(f"{key}.{sample.target_extension}", sample.target)
        self.entries.append(IndexEntry(name=sample.name, image=image, target=target, height=sample.height, width=sample.width))

    def discard(self) -> None:
        with suppress(OSError):  # it writes what it still holds; where that fails, an earlier write has told why
            self.file.close()

    def _add_member(self, name: str, data: bytes) -> tuple[int, int]:
        """Offset and size of the member's data: behind one header block, because the names are short."""
        member = tarfile.TarInfo(name)  # its time is 0, its owner 0:0, its mode 0644
        member.size = len(data)
        offset = self.tar.offset + tarfile.BLOCKSIZE
        self.tar.addfile(member, BytesIO(data))
        return offset, len(data)


@contextmanager
def _spooling() -> Generator[None]:
    try:
        yield
    except OSError as error:
        where = tempfile.gettempdir()
        raise StoreError(f"a shard cannot wait in {where} until it is whole: {error}; make room, or set TMPDIR") from error


def _upload(store: Store, key: str, file: BinaryIO) -> FileDigest:
    digest, size = xxhash.xxh3_128(), 0
    with store.open_upload(key) as upload:
        while block := file.read(_COPY_BYTES):
            digest.update(block)
            size += len(block)
            upload.write(block)
    return FileDigest(name=key, size=size, digest=f"xxh3:{digest.hexdigest()}")
