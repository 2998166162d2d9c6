"""A disk that takes no more: told by type, exit code and advice, and nothing half written stays behind.

Two ways to get there: a limit on the size of files, which anybody may set, and a small file system, which only root may mount.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faulty_server import Fault, FaultyServer
from tests.s3_server import rclone_server
from tests.store_writes import WRITES, Write, upload
from trainer.errors import ExitCode, StoreError
from trainer.reports import FileDigest
from trainer.storage import FolderStore, Patience, open_store

LIMITED = """
import resource, signal, sys
from pathlib import Path
from trainer.data.shard_files import fetch
from trainer.errors import StoreError
from trainer.reports import FileDigest
from trainer.storage import FolderStore, open_store
uri, cache = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write over the limit fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
store, data = open_store(uri), bytes(12 << 20)
try:
    {statement}
except StoreError as error:
    print(type(error).__name__, error.exit_code, error)
"""
WRITTEN = {
    "put": "store.put('a', data)",
    "put_if_absent": "store.put_if_absent('a', data)",
    "open_upload": "with store.open_upload('a') as file: file.write(data)",
    "many writes": "with store.open_upload('a') as file: [file.write(data[:1000]) for _ in range(2000)]",
}


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def said(statement: str, uri: str, cache: Path) -> str:
    """What a process says of the error that a statement raises in it, where no file may grow beyond 1 MiB."""
    block = statement.replace(": file", ":\n        file").replace(": [", ":\n        [")
    command = [sys.executable, "-B", "-c", LIMITED.replace("{statement}", block), uri, str(cache)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(cache)}).stdout


@pytest.mark.parametrize("statement", WRITTEN.values(), ids=WRITTEN)
def test_a_file_that_may_not_grow_is_told_and_nothing_half_stays_behind(tmp_path: Path, statement: str) -> None:
    FolderStore(str(tmp_path)).put("before", b"1")
    told = said(statement, str(tmp_path), tmp_path)
    assert told == f"StoreError 15 {tmp_path}/a was not written: File too large; free some space, or choose another folder\n"
    assert files(tmp_path) == ["before"]


def test_what_stood_there_before_still_stands(tmp_path: Path) -> None:
    FolderStore(str(tmp_path)).put("a", b"before")
    assert "StoreError 15" in said(WRITTEN["put"], str(tmp_path), tmp_path)
    assert FolderStore(str(tmp_path)).get("a") == b"before"


def test_an_upload_that_cannot_wait_on_the_disk_is_told(server: FaultyServer, bucket: str, tmp_path: Path) -> None:
    server.always_fail("?uploads", Fault(status=501))
    told = said(WRITTEN["open_upload"], bucket, tmp_path)
    assert told.startswith(f"StoreError 15 {bucket}/a cannot wait in {tmp_path} until it is whole: ")
    assert "File too large; make room, or set TMPDIR" in told
    assert [entry.key for entry in open_store(bucket).keys()] == ["there"]
    assert files(tmp_path) == []


def test_a_shard_that_the_cache_cannot_hold_is_told_and_nothing_half_is_kept(tmp_path: Path, bucket: str) -> None:
    shard = FileDigest(name="train/000000.tar", size=2 << 20, digest="xxh3:0123456789abcdef0123456789abcdef")
    open_store(bucket).put(shard.name, bytes(shard.size))
    told = said(f"fetch(store, FileDigest(**{shard.model_dump()!r}), Path(cache))", bucket, tmp_path)
    assert told.startswith(f"StoreError 15 {bucket}/train/000000.tar cannot be kept in the cache {tmp_path}: ")
    assert told.endswith("File too large; make room there\n")
    assert [Path(name).suffix for name in files(tmp_path)] == [".lock"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True, text=True)
    if mounting.returncode:
        pytest.skip(f"no tmpfs may be mounted here: {mounting.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_full_disk_is_told_and_nothing_half_stays_behind(full_disk: Path, write: Write) -> None:
    store = FolderStore(str(full_disk / "store"))
    store.put("before", b"1")
    with pytest.raises(StoreError, match="small/store/a was not written: No space left on device; free some space") as caught:
        write(store, bytes(4 << 20))
    assert caught.value.exit_code == ExitCode.STORE_FAILED
    assert files(full_disk) == ["store/before"]


def test_a_server_whose_disk_is_full_is_told_and_nothing_half_stays_behind(
    full_disk: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (full_disk / "bucket").mkdir()
    with rclone_server(full_disk) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        store = open_store("s3://bucket", Patience(attempts=1))
        store.put("before", b"1")
        for write in (lambda: store.put("a", bytes(4 << 20)), lambda: upload(store, bytes(12 << 20))):
            with pytest.raises(StoreError, match="s3://bucket/a"):
                write()
        assert [entry.key for entry in store.keys()] == ["before"]
    assert files(full_disk) == ["bucket/before"]


def test_a_disk_that_is_full_where_an_upload_waits_is_told(
    full_disk: Path, server: FaultyServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(full_disk))
    server.always_fail("?uploads", Fault(status=501))
    with pytest.raises(StoreError, match=r"/a cannot wait in .*small until it is whole.*No space left.*set TMPDIR"):
        upload(open_store(bucket), bytes(12 << 20))
    assert [entry.key for entry in open_store(bucket).keys()] == ["there"]
