from pathlib import Path

import pytest

from tests.mask_data import mask_folder, masks_config
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.errors import ConfigError, DataError
from trainer.prepare import prepare, source_digest
from trainer.reports import DatasetReport
from trainer.storage import join, open_store


@pytest.fixture
def data(bucket: str, tmp_path: Path) -> str:
    """The mask folder, in the bucket."""
    uri, folder = join(bucket, "microscopy"), mask_folder(tmp_path / "data")
    store = open_store(uri)
    for path in folder.rglob("*.*"):
        store.put(str(path.relative_to(folder)), path.read_bytes())
    return uri


def prepared(uri: str | Path, out: str | Path, processes: int = 1, **source: object) -> DatasetReport:
    config = masks_config(uri, **source)
    return prepare(config, source_digest=source_digest(config), out=str(out), processes=processes)


def test_a_bucket_gives_the_data_set_that_a_folder_gives(data: str, bucket: str, tmp_path: Path) -> None:
    from_folder = prepared(tmp_path / "data", tmp_path / "out")
    from_bucket = prepared(data, join(bucket, "out"))
    assert from_bucket.data_digest == from_folder.data_digest
    assert from_bucket.dataset.startswith(join(bucket, "out", "datasets"))
    store = open_store(from_bucket.dataset)
    for path in Path(from_folder.dataset).iterdir():
        assert store.get(path.name) == path.read_bytes()


def test_worker_processes_read_the_bucket_too(data: str, tmp_path: Path) -> None:
    assert prepared(data, tmp_path / "two", processes=2).data_digest == prepared(data, tmp_path / "one").data_digest


def test_finished_work_in_a_bucket_is_adopted(data: str, bucket: str, tmp_path: Path) -> None:
    out = join(bucket, "out")
    first, second = prepared(data, out), prepared(data, out)
    assert (first.adopted, second.adopted) == (False, True)
    manifest = read_manifest(open_store(second.dataset))
    split = ShardedSplit(open_store(second.dataset), manifest.split("val"), tmp_path / "cache")
    assert split.read(0)[0] == (tmp_path / "data/images/v0.png").read_bytes()


def test_the_digest_of_a_bucket_follows_its_etags(data: str) -> None:
    before = source_digest(masks_config(data))
    assert source_digest(masks_config(data)) == before
    store = open_store(data)
    store.put("masks/t0.png", store.get("masks/t1.png"))
    assert source_digest(masks_config(data)) != before


def test_objects_that_are_missing_are_skipped_by_policy(data: str, tmp_path: Path) -> None:
    open_store(data).delete("masks/t2.png")
    report = prepared(data, tmp_path / "out", policy="skip")
    assert report.samples == {"train": 7, "val": 4}
    assert [skipped.file for skipped in report.skipped] == ["images/t2.png"]
    with pytest.raises(DataError, match=r"images/t2\.png has no mask masks/t2\.png"):
        prepared(data, tmp_path / "out")


def test_an_empty_prefix_is_told_what_was_looked_for(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"looked for train\.txt, val\.txt, .*; found nothing there"):
        prepared(join(bucket, "nowhere"), tmp_path)
