import multiprocessing
from multiprocessing.pool import Pool
from pathlib import Path

import pytest

from tests.data.test_shards import sample
from trainer.canonical import short
from trainer.data.shard_files import fetch
from trainer.data.shard_writer import ShardWriter
from trainer.data.shards import ShardedSplit
from trainer.errors import CorruptObjectError, ObjectMissingError, StoreError
from trainer.reports import Split
from trainer.storage import Store, open_store

SAMPLES = [sample(number) for number in range(10)]


@pytest.fixture
def store(bucket: str) -> Store:
    return open_store(bucket).below("datasets/one")


@pytest.fixture
def split(store: Store) -> Split:
    with ShardWriter(store, "train", samples_per_shard=4) as writer:
        for each in SAMPLES:
            writer.add(each)
    none = (0, 0)
    return Split(
        name="train", samples=10, shards=tuple(writer.shards), target="mask", class_counts=(), ignored=0, smallest=none, largest=none
    )


@pytest.fixture
def spawned() -> Pool:
    return multiprocessing.get_context("spawn").Pool(2)


def test_shards_are_read_through_the_cache(store: Store, split: Split, tmp_path: Path) -> None:
    reader = ShardedSplit(store, split, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    assert [reader.read(place) for place in range(10)] == [(each.image, each.target) for each in SAMPLES]
    tars = {path.name: path.read_bytes() for path in (tmp_path / "cache").glob("*.tar")}
    assert tars == {f"{short(shard.tar.digest)}.tar": store.get(shard.tar.name) for shard in split.shards}


def test_a_shard_is_downloaded_when_it_is_first_read_and_never_again(store: Store, split: Split, tmp_path: Path) -> None:
    reader = ShardedSplit(store, split, tmp_path)
    reader.read(5)
    assert [path.stem for path in tmp_path.glob("*.tar")] == [short(split.shards[1].tar.digest)]
    store.delete(split.shards[1].tar.name)
    assert ShardedSplit(store, split, tmp_path).read(6) == (SAMPLES[6].image, SAMPLES[6].target)


def test_processes_that_want_one_shard_at_once_share_it(store: Store, split: Split, tmp_path: Path, spawned: Pool) -> None:
    reader = ShardedSplit(store, split, tmp_path)
    with spawned as pool:
        read = pool.map(reader.read, [*range(10)] * 4, chunksize=1)
    assert read == [(each.image, each.target) for each in SAMPLES] * 4
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".lock"] * 3 + [".tar"] * 3


def test_a_shard_with_a_flipped_bit_is_refused_and_not_kept(store: Store, split: Split, tmp_path: Path) -> None:
    tar = split.shards[2].tar
    damaged = bytearray(store.get(tar.name))
    damaged[700] ^= 1
    store.put(tar.name, bytes(damaged))
    with pytest.raises(CorruptObjectError, match=rf"{tar.name} has digest xxh3:\w+, the manifest says {tar.digest}"):
        ShardedSplit(store, split, tmp_path).read(9)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_an_index_with_a_flipped_bit_is_refused(store: Store, split: Split, tmp_path: Path) -> None:
    index = split.shards[0].index
    store.put(index.name, store.get(index.name).replace(b"sample 1", b"sample 2"))
    with pytest.raises(CorruptObjectError, match=index.name):
        ShardedSplit(store, split, tmp_path)


def test_a_shard_that_is_gone_is_missing(store: Store, split: Split, tmp_path: Path) -> None:
    store.delete(split.shards[0].tar.name)
    with pytest.raises(ObjectMissingError, match=r"train-00000\.tar"):
        ShardedSplit(store, split, tmp_path).read(0)


def test_what_a_killed_download_left_is_overwritten(store: Store, split: Split, tmp_path: Path) -> None:
    tar = split.shards[0].tar
    (tmp_path / f"{short(tar.digest)}.part").write_bytes(b"half a tar" * 10_000)
    assert fetch(store, tar, tmp_path).read_bytes() == store.get(tar.name)
    assert not list(tmp_path.glob("*.part"))


def test_a_cached_file_of_another_length_is_fetched_again(store: Store, split: Split, tmp_path: Path) -> None:
    tar = split.shards[0].tar
    fetch(store, tar, tmp_path).write_bytes(b"cut")
    assert fetch(store, tar, tmp_path).read_bytes() == store.get(tar.name)


def test_a_cache_that_cannot_be_written_is_named(store: Store, split: Split, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"train-00000\.tar cannot be kept in the cache .*cache: .*; make room there"):
        ShardedSplit(store, split, tmp_path / "cache").read(0)
