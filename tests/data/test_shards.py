import importlib
import multiprocessing
import os
import pickle
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.data.shard_writer import EncodedSample, ShardWriter
from trainer.data.shards import ShardedSplit, ShardIndex, read_manifest
from trainer.errors import CorruptObjectError, DataError, ObjectMissingError
from trainer.reports import Split
from trainer.storage import FolderStore


def sample(number: int, name: str = "") -> EncodedSample:
    """Members of many lengths, whole tar blocks and nothing at all among them."""
    image = os.urandom(0) if number == 3 else bytes([number]) * (512 * (number % 3) + number)
    return EncodedSample(
        name or f"sample {number}", image, "jpg" if number % 2 else "png", b"mask" * number, "mask.png", height=10 + number, width=20
    )


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def write(folder: Path, samples: Iterable[EncodedSample], samples_per_shard: int = 4, split: str = "train") -> Split:
    with ShardWriter(FolderStore(str(folder)), split, samples_per_shard) as writer:
        for each in samples:
            writer.add(each)
    none = (0, 0)
    return Split(
        name=split,
        samples=writer.samples,
        shards=tuple(writer.shards),
        target="mask",
        class_counts=(),
        ignored=0,
        smallest=none,
        largest=none,
    )


def test_every_sample_is_read_by_its_place_across_shards(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(10)]
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, samples))
    assert len(split) == 10
    for place in (9, 0, 4, 3, 8, 7, 1, 2, 5, 6):
        assert split.read(place) == (samples[place].image, samples[place].target)


def test_names_and_sizes_are_known_without_reading_an_image(tmp_path: Path) -> None:
    described = write(tmp_path, [sample(number) for number in range(5)])
    for tar in tmp_path.glob("*.tar"):
        tar.unlink()
    split = ShardedSplit(FolderStore(str(tmp_path)), described)
    assert split.names == [f"sample {number}" for number in range(5)]
    assert split.sizes.tolist() == [[10 + number, 20] for number in range(5)]


def test_names_with_dots_slashes_and_other_scripts_are_kept(tmp_path: Path) -> None:
    names = ["a.b.c", "ward 3/scan", "Ångström-顕微鏡", 'quote"', "long" * 60]
    described = write(tmp_path, [sample(number, name) for number, name in enumerate(names)])
    assert ShardedSplit(FolderStore(str(tmp_path)), described).names == names


@pytest.mark.parametrize("place", [-1, 3, 100])
def test_a_place_outside_the_split_is_an_index_error(place: int, tmp_path: Path) -> None:
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, [sample(number) for number in range(3)]))
    with pytest.raises(IndexError, match=f"sample {place} of a split of 3"):
        split.read(place)


@pytest.mark.parametrize(("samples", "shards"), [(1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (9, [4, 4, 1])])
def test_shards_are_full_but_for_the_last(samples: int, shards: list[int], tmp_path: Path) -> None:
    described = write(tmp_path, [sample(number) for number in range(samples)])
    assert [shard.samples for shard in described.shards] == shards
    assert [shard.tar.name for shard in described.shards] == [f"train-{number:05d}.tar" for number in range(len(shards))]


def test_the_index_points_at_the_members_of_the_tar(tmp_path: Path) -> None:
    described = write(tmp_path, [sample(number) for number in range(4)])
    index = ShardIndex.from_bytes((tmp_path / described.shards[0].index.name).read_bytes(), "index")
    with tarfile.open(tmp_path / described.shards[0].tar.name) as tar:
        members = tar.getmembers()
    spans = [span for entry in index.samples for span in (entry.image, entry.target)]
    assert [(member.offset_data, member.size) for member in members] == spans


def test_members_are_plain_so_that_equal_samples_give_equal_bytes(tmp_path: Path) -> None:
    described = [write(tmp_path / side, [sample(number) for number in range(6)]) for side in ("a", "b")]
    assert described[0] == described[1]
    for shard in described[0].shards:
        assert (tmp_path / "a" / shard.tar.name).read_bytes() == (tmp_path / "b" / shard.tar.name).read_bytes()
    with tarfile.open(tmp_path / "a" / "train-00000.tar") as tar:
        facts = {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in tar.getmembers()}
    assert facts == {(0, 0, 0, "", 0o644)}


@pytest.mark.filterwarnings("ignore")  # webdataset's own, none of ours
def test_webdataset_reads_the_same_bytes(tmp_path: Path) -> None:
    samples = [sample(number) for number in range(1, 6)]
    described = write(tmp_path, samples, samples_per_shard=5)
    webdataset: Any = importlib.import_module("webdataset")  # untyped
    read = list(webdataset.WebDataset(str(tmp_path / described.shards[0].tar.name), shardshuffle=False, empty_check=False))
    assert [record["__key__"] for record in read] == [f"{number:08d}" for number in range(5)]
    assert [record["mask.png"] for record in read] == [each.target for each in samples]
    assert [record[each.extension] for record, each in zip(read, samples, strict=True)] == [each.image for each in samples]


def test_a_write_that_fails_uploads_no_unfinished_shard(tmp_path: Path) -> None:
    def samples() -> Iterator[EncodedSample]:
        yield from (sample(number) for number in range(6))
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        write(tmp_path, samples())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train-00000.index.json", "train-00000.tar"]


def test_an_index_that_was_damaged_is_named(tmp_path: Path) -> None:
    described = write(tmp_path, [sample(1)])
    path = tmp_path / "train-00000.index.json"
    path.write_bytes(path.read_bytes().replace(b"sample 1", b"sample 2"))
    with pytest.raises(CorruptObjectError, match=r"train-00000\.index\.json has digest .* the manifest says"):
        ShardedSplit(FolderStore(str(tmp_path)), described)


def test_a_shard_cut_short_is_named_with_both_sizes(tmp_path: Path) -> None:
    described = write(tmp_path, [sample(number) for number in range(4)])
    os.truncate(tmp_path / "train-00000.tar", 2000)
    with pytest.raises(CorruptObjectError, match=r"train-00000\.tar: found 2000 bytes, the manifest says 10240 bytes"):
        ShardedSplit(FolderStore(str(tmp_path)), described).read(0)


def test_a_shard_that_is_gone_is_named(tmp_path: Path) -> None:
    described = write(tmp_path, [sample(1)])
    (tmp_path / "train-00000.tar").unlink()
    with pytest.raises(CorruptObjectError, match=r"train-00000\.tar: found nothing"):
        ShardedSplit(FolderStore(str(tmp_path)), described).read(0)


def test_a_shard_cut_short_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, [sample(number) for number in range(4)]))
    split.read(0)
    os.truncate(tmp_path / "train-00000.tar", 100)
    with pytest.raises(CorruptObjectError, match="ends before byte"):
        split.read(1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_split_that_was_read_can_be_handed_to_another_process(method: str, tmp_path: Path) -> None:
    samples = [sample(number) for number in range(8)]
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, samples))
    split.read(0)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(split.read, range(8)) == [(each.image, each.target) for each in samples]
    assert split.read(7) == (samples[7].image, samples[7].target)


def test_pickling_leaves_descriptors_behind(tmp_path: Path) -> None:
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, [sample(1)]))
    before = open_files()
    split.read(0)
    copy = pickle.loads(pickle.dumps(split))
    assert open_files() == before + 1
    del split, copy
    assert open_files() == before


def test_open_files_stay_below_the_limit_of_a_process(tmp_path: Path) -> None:
    samples = [EncodedSample(str(number), b"image", "png", b"%d" % number, "cls", 1, 1) for number in range(260)]
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, samples, samples_per_shard=1))
    before = open_files()
    assert [split.read(place)[1] for place in (*range(260), 0)] == [b"%d" % place for place in (*range(260), 0)]
    assert open_files() - before <= 256


def test_sizes_are_numbers_that_index_like_an_array(tmp_path: Path) -> None:
    split = ShardedSplit(FolderStore(str(tmp_path)), write(tmp_path, [sample(number) for number in range(6)]))
    assert split.sizes.shape == (6, 2)
    assert np.array_equal(split.sizes.max(axis=0), [15, 20])


def test_a_folder_without_a_manifest_holds_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissingError):
        read_manifest(FolderStore(str(tmp_path)))


def test_a_manifest_of_another_version_says_to_make_it_again(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(DataError, match=r"manifest\.json is not a DatasetManifest of this version"):
        read_manifest(FolderStore(str(tmp_path)))
