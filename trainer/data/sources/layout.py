"""How a folder of images is laid out: list files or sub-folders for its splits, file stems for its pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import PurePosixPath

from trainer.errors import ConfigError, DataError
from trainer.storage import Store

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def read_split_lists(store: Store, splits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The stems of each split from `<split>.txt`, one a line; empty where no split has such a file.

    Raises:
        DataError: only some splits have one, a list is empty or not UTF-8, or a stem is listed twice.
    """
    missing = [split for split in splits if store.stat(list_file(split)) is None]
    present = [split for split in splits if split not in missing]
    if present and missing:
        raise DataError(f"{store.uri} has {_files(present)} but not {_files(missing)}; add it, or take the split out of source.splits")
    lists = {split: _read_list(store, list_file(split)) for split in present}
    _check_disjoint(lists, store.uri)
    return lists


def list_file(split: str) -> str:
    return f"{split}.txt"


def images_by_stem(store: Store, folder: str) -> dict[str, str]:
    """Every image below a folder: its path without extension → its extensions, several joined by spaces.

    Hidden files and files with other extensions are passed over.
    """
    extensions: dict[str, str] = {}
    for entry in store.keys(folder):
        path = PurePosixPath(entry.key.removeprefix(folder))
        if path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.startswith("."):
            stem = str(path.with_suffix(""))
            extensions[stem] = f"{extensions[stem]} {path.suffix}" if stem in extensions else path.suffix
    return extensions


def require_folders(store: Store, splits: Sequence[str]) -> None:
    """Check that every split has its sub-folder of images.

    Raises:
        ConfigError: one has none, so the data has neither of the two layouts.
    """
    lacking = [f"images/{split}/" for split in splits if next(iter(store.keys(f"images/{split}/")), None) is None]
    if lacking:
        raise ConfigError(
            f"{store.uri} is not laid out as source masks reads it: looked for {_files(splits)}, or else for images/<split>/; "
            f"there is no {', '.join(lacking)}; found {_top_level(store)}. Add the files, or name other splits in source.splits"
        )


def _files(splits: Sequence[str]) -> str:
    return ", ".join(list_file(split) for split in splits)


def _read_list(store: Store, key: str) -> tuple[str, ...]:
    try:
        lines = store.get(key).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{store.uri}/{key} is not UTF-8 text: {error}") from None
    stems = tuple(line.strip() for line in lines if line.strip())
    if not stems:
        raise DataError(f"{store.uri}/{key} lists nothing; write one file stem a line")
    return stems


def _check_disjoint(lists: dict[str, tuple[str, ...]], uri: str) -> None:
    """A stem in two splits would be trained on and scored on."""
    owner: dict[str, str] = {}
    for split, stems in lists.items():
        for stem in stems:
            if stem in owner:
                where = " and ".join(dict.fromkeys((list_file(owner[stem]), list_file(split))))
                raise DataError(f"{uri}: {stem!r} is listed twice, in {where}; keep one of the lines")
            owner[stem] = split


def _top_level(store: Store) -> str:
    """The names at the root, as far as the first few thousand objects tell."""
    keys = (entry.key for entry in islice(store.keys(), 5000))
    names = dict.fromkeys(key.partition("/")[0] + ("/" if "/" in key else "") for key in keys)
    return ", ".join(list(names)[:10]) or "nothing there"
