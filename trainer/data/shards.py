"""Reading prepared shards: any sample by its place, through the index of byte offsets beside each tar.

A prepared set is a folder: `manifest.json`, which is written last and so is the commit; for each split, shards
`train-00000.tar` (members `00000000.jpg`, `00000000.mask.png` or `00000000.cls`, `00000001.png`, …); and beside each shard
`train-00000.index.json`, where the data of those members begins and how long it is.
"""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from trainer.data.shard_files import CACHE, ShardFiles, check_digest
from trainer.reports import DatasetManifest, FileDigest, Report, Split
from trainer.storage import Store

MANIFEST = "manifest.json"


class IndexEntry(Report):
    """A sample of a shard: (offset, size) in bytes of its image's and its target's data in the tar; pixels."""

    name: str
    image: tuple[int, int]
    target: tuple[int, int]
    height: int
    width: int


class ShardIndex(Report):
    """`<shard>.index.json`."""

    format: Literal[2] = 2
    samples: tuple[IndexEntry, ...]


def read_manifest(store: Store) -> DatasetManifest:
    """The manifest of a prepared set.

    Raises:
        ObjectMissingError: nothing has been prepared there.
        DataError: it is of another version.
    """
    return DatasetManifest.from_bytes(store.get(MANIFEST), f"{store.uri}/{MANIFEST}")


class ShardedSplit:
    """A split's samples by random access. May be pickled, and used on both sides of a fork; not for several threads.

    Args:
        store: the folder that holds the manifest.
        cache: where shards of a remote store are kept.

    Attributes:
        names: of the samples, in the order of the split.
        target: what there is to learn of an image, `mask` or `label`.
        sizes: `[N, 2]`, height and width in pixels.

    Raises:
        CorruptObjectError: an index is not the one that the manifest names.
    """

    def __init__(self, store: Store, split: Split, cache: Path = CACHE) -> None:
        entries: list[NDArray[np.int64]] = []
        names: list[str] = []
        for shard in split.shards:
            index = _read_index(store, shard.index)
            names.extend(entry.name for entry in index.samples)
            entries.append(np.array([(*entry.image, *entry.target, entry.height, entry.width) for entry in index.samples], np.int64))
        table = np.concatenate(entries)  # one row a sample; tuples of Python integers would take ten times the memory
        self.names = names
        self.target = split.target
        self.sizes = table[:, 4:]
        self._spans = table[:, :4]
        self._ends = np.array(list(accumulate(len(rows) for rows in entries)))
        self._files = ShardFiles(store, tuple(shard.tar for shard in split.shards), cache)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> tuple[bytes, bytes]:
        """The files of a sample's image and target.

        Raises:
            CorruptObjectError: the shard is not the one that the manifest names.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of a split of {len(self)}")
        shard = int(np.searchsorted(self._ends, index, side="right"))
        image_offset, image_size, target_offset, target_size = self._spans[index].tolist()
        return self._files.read(shard, image_offset, image_size), self._files.read(shard, target_offset, target_size)


def _read_index(store: Store, file: FileDigest) -> ShardIndex:
    data = store.get(file.name)
    check_digest(store, file, xxhash.xxh3_128_hexdigest(data))
    return ShardIndex.from_bytes(data, f"{store.uri}/{file.name}")
