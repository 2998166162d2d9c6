"""What every store does. A folder and two S3 servers, one of which ignores conditional writes, run the same tests."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from trainer.errors import ConfigError, CorruptObjectError, ObjectExistsError, ObjectMissingError
from trainer.storage import Entry, Store, open_store

CLIMBING = ["../x", "a/../../x", "/etc/x", "a//b", "a/", "", ".", "a/./b", "a\\b", "a\0b"]


@pytest.fixture(params=["folder", "moto", "rclone"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "folder":
            return str(tmp_path / "store")
        case "moto":
            return request.getfixturevalue("bucket") + "/some/prefix"
        case _:
            return request.getfixturevalue("rclone_bucket") + "/some/prefix"


@pytest.fixture
def store(uri: str) -> Store:
    return open_store(uri)


def keys(store: Store, prefix: str = "") -> list[str]:
    return [entry.key for entry in store.keys(prefix)]


def break_off_upload(store: Store, error: Exception) -> None:
    with store.open_upload("a") as file:
        file.write(b"half")
        raise error


def test_what_was_put_is_read_back(store: Store) -> None:
    store.put("a/b.bin", b"content")
    assert store.get("a/b.bin") == b"content"


def test_a_put_replaces(store: Store) -> None:
    store.put("a", b"old and longer")
    store.put("a", b"new")
    assert store.get("a") == b"new"


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert [(entry.key, entry.size) for entry in store.keys("")] == [("empty", 0)]


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (0, 4, b"0123"), (4, 10, b"456789"), (9, 10, b"9"), (4, 4, b"")],
)
def test_a_range_holds_its_start_but_not_its_end(store: Store, start: int, end: int | None, wanted: bytes) -> None:
    store.put("digits", b"0123456789")
    assert store.get("digits", start, end) == wanted


@pytest.mark.parametrize(("start", "end"), [(0, 11), (8, 11), (10, 11), (50, 60), (10, None), (50, None)])
def test_an_object_that_ends_before_the_range_is_corrupt(store: Store, start: int, end: int | None) -> None:
    store.put("digits", b"0123456789")
    with pytest.raises(CorruptObjectError, match="digits ends"):
        store.get("digits", start, end)


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 5), (5, None), (3, 3)])
def test_a_missing_object_is_named_by_its_uri(store: Store, start: int, end: int | None) -> None:
    store.put("there", b"")
    with pytest.raises(ObjectMissingError, match=f"{store.uri}/a/b does not exist"):
        store.get("a/b", start, end)


def test_the_name_of_a_folder_is_no_object(store: Store) -> None:
    store.put("a/b", b"")
    assert store.stat("a") is None
    with pytest.raises(ObjectMissingError):
        store.get("a")


def test_stat_tells_the_size_or_that_there_is_none(store: Store) -> None:
    store.put("a", b"123")
    found = store.stat("a")
    assert found is not None
    assert (found.key, found.size) == ("a", 3)
    assert store.stat("b") is None
    assert store.stat("a/b") is None


def test_stat_and_the_listing_give_the_same_entries(store: Store) -> None:
    store.put("a/b", b"123")
    store.put("c", b"")
    assert list(store.keys()) == [store.stat("a/b"), store.stat("c")]


def test_the_listing_is_sorted_by_code_points_over_folders_too(store: Store) -> None:
    names = ["a/b", "a.txt", "a-b/c", "a0", "Z", "é/ü", "z", "a/b.c", "a/b-c/d"]
    for name in names:
        store.put(name, b"")
    assert keys(store) == sorted(names)


def test_a_prefix_is_the_beginning_of_a_key(store: Store) -> None:
    for name in ["a/b1", "a/b2/c", "a/c", "ab", "b"]:
        store.put(name, b"")
    assert keys(store, "a") == ["a/b1", "a/b2/c", "a/c", "ab"]
    assert keys(store, "a/") == ["a/b1", "a/b2/c", "a/c"]
    assert keys(store, "a/b") == ["a/b1", "a/b2/c"]
    assert keys(store, "a/b2/") == ["a/b2/c"]
    assert keys(store, "a/x") == keys(store, "x/y/") == keys(store, "b/") == []


def test_a_store_that_nobody_wrote_to_is_empty(store: Store) -> None:
    assert keys(store) == []


def test_put_if_absent_writes_where_there_is_none(store: Store) -> None:
    store.put_if_absent("a/b", b"first")
    assert store.get("a/b") == b"first"


def test_put_if_absent_leaves_what_is_there(store: Store) -> None:
    store.put("a", b"first")
    with pytest.raises(ObjectExistsError, match="a exists already"):
        store.put_if_absent("a", b"second")
    assert store.get("a") == b"first"
    assert keys(store) == ["a"]


def test_of_many_that_put_if_absent_at_once_exactly_one_wins(store: Store) -> None:
    def write(number: int) -> bool:
        try:
            store.put_if_absent("claim", str(number).encode())
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(write, range(16)))
    assert won.count(True) == 1
    assert store.get("claim") == str(won.index(True)).encode()


def test_an_upload_appears_whole_when_its_block_ends(store: Store) -> None:
    with store.open_upload("a/b") as file:
        file.write(b"first, ")
        assert store.stat("a/b") is None
        file.write(b"second")
    assert store.get("a/b") == b"first, second"


def test_an_upload_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        break_off_upload(store, RuntimeError("on purpose"))
    assert keys(store) == []


def test_an_upload_that_raises_leaves_what_was_there(store: Store) -> None:
    store.put("a", b"old")
    with pytest.raises(OSError, match="foreign"):  # not the store's: it comes out as it is
        break_off_upload(store, OSError("foreign"))
    assert store.get("a") == b"old"


def test_an_upload_of_many_parts_is_read_back(store: Store) -> None:
    data = os.urandom(20 << 20)
    with store.open_upload("big") as file:
        for start in range(0, len(data), 1 << 20):
            file.write(data[start : start + (1 << 20)])
    assert store.get("big") == data
    assert store.get("big", 9 << 20, (9 << 20) + 5) == data[9 << 20 : (9 << 20) + 5]


def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.put("a/b", b"")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/was")
    assert keys(store) == []


@pytest.mark.parametrize("key", CLIMBING)
def test_keys_that_climb_out_are_refused(store: Store, key: str) -> None:
    def upload() -> None:
        with store.open_upload(key):
            pass

    for use in (
        lambda: store.get(key),
        lambda: store.put(key, b""),
        lambda: store.put_if_absent(key, b""),
        lambda: store.stat(key),
        upload,
    ):
        with pytest.raises(ConfigError, match="is not a key"):
            use()
    with pytest.raises(ConfigError, match="is not a key"):
        store.delete(key)
    with pytest.raises(ConfigError, match="is not a key"):
        store.below(key)


@pytest.mark.parametrize("prefix", ["../", "/", "a//", "a/../b", "./a"])
def test_prefixes_that_climb_out_are_refused(store: Store, prefix: str) -> None:
    with pytest.raises(ConfigError, match="is not a key"):
        store.keys(prefix)


@pytest.mark.parametrize("key", ["größe/図 1.png", "a b/c+d%20e&f=g?h#i", "\U0001f600.bin", "..a/b..", "-x"])
def test_keys_may_hold_spaces_signs_and_every_letter(store: Store, key: str) -> None:
    store.put(key, b"1")
    assert store.get(key) == b"1"
    assert keys(store) == [key]


def test_below_is_the_same_store_with_another_root(store: Store) -> None:
    below = store.below("a/b")
    below.put("c", b"1")
    assert below.uri == f"{store.uri}/a/b"
    assert keys(store) == ["a/b/c"]
    assert keys(below) == keys(open_store(below.uri)) == ["c"]
    assert store.get("a/b/c") == below.get("c") == b"1"


def test_a_slash_at_the_end_of_the_uri_changes_nothing(uri: str) -> None:
    open_store(uri + "/").put("a", b"1")
    assert open_store(uri + "/").uri == uri
    assert open_store(uri).get("a") == b"1"


def test_a_pickled_store_is_the_same_store(store: Store) -> None:
    store.put("a", b"1")
    copy: Store = pickle.loads(pickle.dumps(store))
    assert copy.uri == store.uri
    assert copy.get("a") == b"1"


def read_and_write(store: Store) -> bytes:
    store.put("from-child", b"2")
    return store.get("a")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_that_was_used_works_in_a_child_process(store: Store, method: str) -> None:
    store.put("a", b"1")
    with get_context(method).Pool(1) as pool:
        assert pool.apply(read_and_write, (store,)) == b"1"
    assert store.get("from-child") == b"2"


def test_one_store_serves_many_threads(store: Store) -> None:
    def round_trip(number: int) -> bytes:
        store.put(f"{number}", str(number).encode() * 1000)
        return store.get(f"{number}")

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(round_trip, range(40))) == [str(number).encode() * 1000 for number in range(40)]


def test_entries_sort_by_key() -> None:
    assert sorted([Entry("b", 1), Entry("a", 2)]) == [Entry("a", 2), Entry("b", 1)]
