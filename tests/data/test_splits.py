from pathlib import Path

import pytest

from tests.mask_data import put
from trainer.data.sources.splits import assign_splits
from trainer.errors import ObjectMissingError
from trainer.storage import open_store

SPLITS, SHARES = ("train", "val", "test"), (0.7, 0.2, 0.1)


def fill(root: Path, names: list[str]) -> list[str]:
    for name in names:
        put(root / name, name.encode())
    return names


def split_of(assigned: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {key: split for split, keys in assigned.items() for key in keys}


def assign(root: Path, keys: list[str]) -> dict[str, tuple[str, ...]]:
    return assign_splits(open_store(str(root)), keys, SPLITS, SHARES)


def test_every_file_is_in_one_split_and_keys_are_sorted(tmp_path: Path) -> None:
    keys = fill(tmp_path, [f"images/{number}.png" for number in range(50)])

    assigned = assign(tmp_path, keys[::-1])

    assert list(assigned) == list(SPLITS)
    assert sorted(key for members in assigned.values() for key in members) == sorted(keys)
    assert all(list(members) == sorted(members) for members in assigned.values())


def test_splits_have_about_their_shares(tmp_path: Path) -> None:
    assigned = assign(tmp_path, fill(tmp_path, [f"{number}.png" for number in range(2000)]))

    sizes = [len(members) / 2000 for members in assigned.values()]
    assert sizes == pytest.approx(SHARES, abs=0.04)  # four standard deviations of a share of 0.7


def test_a_files_split_is_the_one_it_always_had(tmp_path: Path) -> None:
    """Fixed: another rule would move images of existing data between training and scoring."""
    assigned = assign(tmp_path, fill(tmp_path, [f"{number}.png" for number in range(8)]))

    assert assigned == {"train": ("0.png", "1.png", "2.png", "4.png", "6.png", "7.png"), "val": ("3.png",), "test": ("5.png",)}


def test_files_that_are_added_move_no_other(tmp_path: Path) -> None:
    first = fill(tmp_path, [f"{number}.png" for number in range(40)])
    before = split_of(assign(tmp_path, first))

    after = split_of(assign(tmp_path, first + fill(tmp_path, [f"new/{number}.png" for number in range(40)])))

    assert {key: after[key] for key in first} == before
    assert len(after) == 80


def test_equal_files_share_a_split_whatever_their_names(tmp_path: Path) -> None:
    for number in range(20):
        for folder in ("a", "b", "c d"):
            put(tmp_path / folder / f"{number}.png", b"content %d" % number)
    keys = [entry.key for entry in open_store(str(tmp_path)).keys()]

    found = split_of(assign(tmp_path, keys))

    assert len(set(found.values())) > 1
    assert all(found[f"a/{number}.png"] == found[f"b/{number}.png"] == found[f"c d/{number}.png"] for number in range(20))


def test_the_last_split_takes_what_rounded_shares_leave(tmp_path: Path) -> None:
    keys = fill(tmp_path, [f"{number}.png" for number in range(300)])

    assigned = assign_splits(open_store(str(tmp_path)), keys, ("train", "val"), (0.333333, 0.666666))

    assert sum(len(members) for members in assigned.values()) == 300


def test_no_files_give_empty_splits(tmp_path: Path) -> None:
    assert assign(tmp_path, []) == {"train": (), "val": (), "test": ()}


def test_a_file_that_has_gone_since_it_was_listed_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png"])
    with pytest.raises(ObjectMissingError, match=r"b\.png"):
        assign(tmp_path, ["a.png", "b.png"])
