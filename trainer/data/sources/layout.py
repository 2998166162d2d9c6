"""How a folder of images is laid out: list files or sub-folders for its splits, file stems for its pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from posixpath import splitext

from trainer.config.source import FilesSource
from trainer.data.sources.base import UnusableImageError
from trainer.data.sources.splits import assign_splits
from trainer.errors import ConfigError, DataError, ObjectMissingError
from trainer.storage import Entry, Store, open_store

IMAGE_EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")


@dataclass(frozen=True)
class Unusable:
    """An item that the listing already shows to be of no use; it is told when its turn comes, as others are."""

    name: str
    file: str
    reason: str


def open_data(section: FilesSource, source: str) -> Store:
    """Where a source's files are.

    Raises:
        ConfigError: the config does not say.
    """
    if not section.uri:
        raise ConfigError(f"source {source} needs data: pass --data URI")
    return open_store(section.uri)


def read_file(store: Store, key: str, file: str, if_missing: str) -> bytes:
    """The bytes of an object.

    Raises:
        UnusableImageError: there is none, which makes `file` unusable.
    """
    try:
        return store.get(key)
    except ObjectMissingError:
        raise UnusableImageError(file, if_missing) from None


def read_split_lists(store: Store, splits: Sequence[str], folder: str = "") -> dict[str, tuple[str, ...]]:
    """The stems of each split from `<split>.txt`, one a line; empty where no split has such a file.

    Raises:
        DataError: only some splits have one, a list is empty or not UTF-8, or a stem is listed twice.
    """
    missing = [split for split in splits if store.stat(list_file(split, folder)) is None]
    present = [split for split in splits if split not in missing]
    if present and missing:
        there, absent = list_files(present, folder), list_files(missing, folder)
        raise DataError(f"{store.uri} has {there} but not {absent}; add it, or take the split out of source.splits")
    lists = {split: _read_list(store, list_file(split, folder)) for split in present}
    _check_disjoint({list_file(split, folder): stems for split, stems in lists.items()}, store.uri)
    return lists


def list_file(split: str, folder: str = "") -> str:
    return f"{folder}{split}.txt"


def list_files(splits: Sequence[str], folder: str = "") -> str:
    """The names of several list files, to be told."""
    return ", ".join(list_file(split, folder) for split in splits)


def list_entries(store: Store, lists: Mapping[str, object], folder: str = "") -> Iterator[Entry]:
    """The list files that are used, in an order that does not depend on the config's."""
    yield from (entry for split in sorted(lists) if (entry := store.stat(list_file(split, folder))))


def draw_by_content(store: Store, section: FilesSource, key_of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The stems of each split by `source.split_shares`, in the order of their keys."""
    stem_of = {key: stem for stem, key in key_of.items()}
    drawn = assign_splits(store, tuple(stem_of), section.splits, section.split_shares)
    return {split: tuple(stem_of[key] for key in keys) for split, keys in drawn.items()}


def is_image(path: str) -> bool:
    """Whether a path is that of an image by its extension, and neither the file nor a folder of it is hidden."""
    return path.lower().endswith(IMAGE_EXTENSIONS) and not any(part.startswith(".") for part in path.split("/"))


def images_by_stem(store: Store, folder: str) -> dict[str, str]:
    """Every image below a folder: its path without extension → its extensions, several joined by spaces.

    Hidden files and files with other extensions are passed over.
    """
    extensions: dict[str, str] = {}
    for entry in store.keys(folder):
        if is_image(entry.key.removeprefix(folder)):
            stem, extension = splitext(entry.key.removeprefix(folder))
            extensions[stem] = f"{extensions[stem]} {extension}" if stem in extensions else extension
    return extensions


def stem_below(folder: str, key: str) -> str:
    """A file's path in a folder, without extension: what lists name it by."""
    return splitext(key.removeprefix(folder))[0]


def another_layout(store: Store, source: str, looked_for: str, advice: str) -> ConfigError:
    """The error of a source that does not find its files: what it looked for, what is there, and what to change."""
    return ConfigError(
        f"{store.uri} is not laid out as source {source} reads it: looked for {looked_for}; found {top_level(store)}. {advice}"
    )


def top_level(store: Store) -> str:
    """The names at the root, as far as the first few thousand objects tell."""
    keys = (entry.key for entry in islice(store.keys(), 5000))
    names = dict.fromkeys(key.partition("/")[0] + ("/" if "/" in key else "") for key in keys)
    return ", ".join(list(names)[:10]) or "nothing there"


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
    for file, stems in lists.items():
        for stem in stems:
            if stem in owner:
                where = " and ".join(dict.fromkeys((owner[stem], file)))
                raise DataError(f"{uri}: {stem!r} is listed twice, in {where}; keep one of the lines")
            owner[stem] = file
