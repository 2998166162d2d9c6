"""What is a folder's own: durability, links, names, permissions."""

from __future__ import annotations

import os
import platform
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.errors import ConfigError, CorruptObjectError, ObjectMissingError, StoreDeniedError, StoreError
from trainer.storage import Dialect, FolderStore, open_store


def upload(store: FolderStore, key: str) -> None:
    with store.open_upload(key) as file:
        file.write(b"1")


Write = Callable[[FolderStore, str], None]
WRITES: dict[str, Write] = {
    "put": lambda store, key: store.put(key, b"1"),
    "put_if_absent": lambda store, key: store.put_if_absent(key, b"1"),
    "open_upload": upload,
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "store"))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def keys(store: FolderStore) -> list[str]:
    return [entry.key for entry in store.keys("")]


def test_opening_does_not_make_the_folder_but_writing_does(store: FolderStore) -> None:
    assert not store.root.exists()
    store.put("a", b"")
    assert store.root.is_dir()


def test_a_write_leaves_no_other_file(store: FolderStore) -> None:
    store.put("a", b"1")
    store.put_if_absent("b", b"1")
    with store.open_upload("c") as file:
        file.write(b"1")
    assert files(store.root) == ["a", "b", "c"]


def test_a_write_that_is_killed_half_way_is_not_listed(store: FolderStore) -> None:
    code = f"""
import os
from trainer.storage import FolderStore
with FolderStore({str(store.root)!r}).open_upload("a/b") as file:
    file.write(b"half")
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(files(store.root)) == 1  # what was left
    assert list(store.keys()) == list(store.keys("a/")) == list(store.keys("a/.")) == []
    store.put("a/b", b"whole")
    assert keys(store) == ["a/b"]


def test_the_name_of_an_unfinished_file_is_not_a_key(store: FolderStore) -> None:
    with pytest.raises(ConfigError, match="the store's own"):
        store.put("a/.sightline-part-x", b"")


def test_others_may_read_what_was_written(store: FolderStore) -> None:
    store.put("a", b"")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((store.root / "a").stat().st_mode) == 0o666 & ~mask


def test_the_uri_is_as_given_and_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FolderStore("./out/")
    monkeypatch.chdir("/")
    store.put("a", b"1")
    assert store.uri == "./out"
    assert store.below("b").uri == "./out/b"
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


def test_below_stays_where_the_store_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FolderStore("out")
    monkeypatch.chdir("/")
    assert store.below("a").root == tmp_path / "out" / "a"


@pytest.mark.parametrize(("uri", "root"), [("file:///data/a%20b", "/data/a b"), ("/data/a%20b", "/data/a%20b"), ("/", "/")])
def test_a_file_uri_is_an_absolute_path(uri: str, root: str) -> None:
    store = open_store(uri)
    assert isinstance(store, FolderStore)
    assert store.root == Path(root)


@pytest.mark.parametrize(
    ("uri", "message"),
    [("file://host/x", "names a host"), ("file://", "names a host"), ("", "names no folder"), ("gs://b/x", "unknown scheme gs://")],
)
def test_a_uri_that_names_no_store_is_refused(uri: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_store(uri)


def test_links_are_followed_to_read_and_to_list(store: FolderStore, tmp_path: Path) -> None:
    elsewhere = FolderStore(str(tmp_path / "elsewhere"))
    elsewhere.put("images/1.png", b"1")
    store.put("2.png", b"2")
    (store.root / "images").symlink_to(elsewhere.root / "images")
    (store.root / "one.png").symlink_to(elsewhere.root / "images" / "1.png")
    assert keys(store) == ["2.png", "images/1.png", "one.png"]
    assert store.get("images/1.png") == store.get("one.png") == b"1"


def test_nothing_is_changed_through_a_link_that_leads_out(store: FolderStore, tmp_path: Path) -> None:
    elsewhere = FolderStore(str(tmp_path / "elsewhere"))
    elsewhere.put("a", b"1")
    store.put("x", b"")
    (store.root / "link").symlink_to(elsewhere.root)
    for change in (lambda: store.put("link/a", b"2"), lambda: store.put_if_absent("link/b", b"2"), lambda: store.delete("link/a")):
        with pytest.raises(StoreDeniedError, match="leads out of the store"):
            change()
    assert files(elsewhere.root) == ["a"]
    assert elsewhere.get("a") == b"1"


def test_a_store_below_a_link_that_leads_out_is_not_changed(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    store.put("x", b"")
    (store.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreDeniedError, match="leads out of the store"):
        store.below("link").put("a", b"")
    assert files(tmp_path / "elsewhere") == []


def test_a_put_replaces_a_link_and_not_what_it_leads_to(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"1")
    store.put("x", b"")
    (store.root / "a").symlink_to(tmp_path / "precious")
    store.put("a", b"2")
    assert (tmp_path / "precious").read_bytes() == b"1"
    assert store.get("a") == b"2"


def test_a_link_to_a_folder_that_holds_it_is_told(store: FolderStore) -> None:
    store.put("a/b", b"")
    (store.root / "a" / "loop").symlink_to(store.root)
    with pytest.raises(StoreError, match=r"a/loop.* is a symbolic link to a folder that holds it"):
        list(store.keys())


def test_a_broken_link_is_no_object(store: FolderStore) -> None:
    store.put("a", b"")
    (store.root / "broken").symlink_to(store.root / "nowhere")
    assert keys(store) == ["a"]
    assert store.stat("broken") is None


def test_a_prefix_that_names_a_folder_looks_nowhere_else(store: FolderStore) -> None:
    store.put("a/b", b"")
    (store.root / "c").mkdir()
    (store.root / "c" / "loop").symlink_to(store.root)  # would be an error if it were seen
    assert [entry.key for entry in store.keys("a/")] == ["a/b"]


def test_a_listing_is_read_as_far_as_it_is_used(store: FolderStore) -> None:
    store.put("a/b", b"")
    store.put("z/b", b"")
    (store.root / "z" / "loop").symlink_to(store.root)
    assert next(iter(store.keys())).key == "a/b"


def test_a_cut_file_is_noticed_by_its_length(store: FolderStore) -> None:
    store.put("a", b"0123456789")
    os.truncate(store.root / "a", 4)
    with pytest.raises(CorruptObjectError, match=r"a ends at byte 4; bytes \[0, 10\)"):
        store.get("a", 0, 10)


def test_a_file_where_a_folder_must_be_is_told(store: FolderStore) -> None:
    store.put("a", b"1")
    with pytest.raises(StoreError, match="a/b"):
        store.put("a/b", b"2")
    store.put("c/d", b"1")
    with pytest.raises(StoreError, match="c"):
        store.put("c", b"2")
    assert files(store.root) == ["a", "c/d"]


LONG_NAME = "x" * 256


@pytest.mark.parametrize("key", [LONG_NAME, f"{LONG_NAME}/a", f"a/{LONG_NAME}", "/".join(["x" * 200] * 30)], ids=range(4))
def test_a_name_that_is_too_long_for_the_file_system_names_nothing(store: FolderStore, key: str) -> None:
    store.put("a/b", b"1")
    with pytest.raises(ObjectMissingError, match=r"x does not exist|x/a does not exist"):
        store.get(key)
    assert store.stat(key) is None
    assert list(store.keys(key)) == list(store.keys(f"{key}/")) == []
    store.delete(key)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_name_that_is_too_long_for_the_file_system_is_told_when_it_is_written(store: FolderStore, write: Write) -> None:
    with pytest.raises(StoreError, match=r"store/a/x+ was not written: no name .* is that long.* shorten it"):
        write(store, f"a/{LONG_NAME}")
    assert keys(store) == []


def test_a_link_to_itself_is_no_object(store: FolderStore) -> None:
    store.put("b", b"")
    (store.root / "a").symlink_to(store.root / "a")
    assert keys(store) == ["b"]
    assert store.stat("a") is None
    with pytest.raises(ObjectMissingError):
        store.get("a")


WITHOUT_HARD_LINKS = """
import ctypes, struct, errno
def refuse(*numbers):  # a seccomp filter, since a file system without hard links is not at hand everywhere
    load, allow, deny = (0x20, 0, 0, 0), (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | errno.EPERM)
    tests = [(0x15, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    code = b"".join(struct.pack("HBBI", *each) for each in [load, *tests, allow, deny])
    filter = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(filter)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
refuse(86, 265)  # link, linkat
"""
no_hard_links = pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter knows the system calls of x86-64")


@no_hard_links
def test_without_hard_links_put_if_absent_writes_once_all_the_same(store: FolderStore) -> None:
    code = f"""{WITHOUT_HARD_LINKS}
import os
from concurrent.futures import ThreadPoolExecutor
from trainer.errors import ObjectExistsError
from trainer.storage import FolderStore
store = FolderStore({str(store.root)!r})
assert not store.dialect().conditional_writes
children = [os.fork() for _ in range(4)]
def write(number):
    try:
        store.put_if_absent("a", f"{{os.getpid()}}-{{number}}".encode())
    except ObjectExistsError:
        return
    store.put(f"won-{{os.getpid()}}-{{number}}", b"")
with ThreadPoolExecutor(4) as threads:
    list(threads.map(write, range(4)))
if all(children):
    for child in children:
        os.waitpid(child, 0)
else:
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert keys(store) == ["a", f"won-{store.get('a').decode()}"]


@no_hard_links
def test_a_writer_that_dies_with_the_lock_holds_nobody_up(store: FolderStore) -> None:
    code = f"""{WITHOUT_HARD_LINKS}
import fcntl, os
from trainer.storage import FolderStore
store = FolderStore({str(store.root)!r})
store.put_if_absent("a", b"1")
if os.fork() == 0:
    lock = open({str(store.root / ".sightline-lock")!r}, "ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os._exit(9)
os.wait()
store.put_if_absent("b", b"2")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
    assert keys(store) == ["a", "b"]


def test_with_hard_links_the_dialect_is_whole_and_nothing_stays_behind(store: FolderStore) -> None:
    store.put("a", b"")
    assert store.dialect() == Dialect(conditional_writes=True, ranges=True, multipart=True, sorted_listing=True)
    assert files(store.root) == ["a"]


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that even root may not write to, as Linux's sysfs")
def test_a_folder_that_may_not_be_written_is_denied() -> None:
    with pytest.raises(StoreDeniedError, match=r"/sys/kernel/a: .*check who owns the folder"):
        FolderStore("/sys/kernel").put("a", b"")
