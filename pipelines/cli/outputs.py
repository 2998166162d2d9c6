"""The folders that stages write in OUT, as they lie there: how large they are, whether they are whole, and how one is deleted."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError
from trainer.storage import RESERVED, Entry, FolderStore, Store

KINDS = {"datasets": "prepared set", "training": "training", "evaluations": "evaluation"}
_LAST = {"datasets": "manifest.json", "training": "reports/", "evaluations": "evaluation.json"}  # what is written when all else is there
_FOLDER = re.compile(r"(datasets|training|evaluations)/[0-9a-f]{16}(?=/)")
_KEPT = ("models/", "runs/")
_OURS = (*(f"{kind}/" for kind in KINDS), *_KEPT)


@dataclass(frozen=True)
class Folder:
    """A prepared set, a training or an evaluation. Two looks that differ are of a folder that is being written.

    Args:
        objects: what a listing of the store shows.
        parts: files of a folder on disk that are being written, or that a killed process left; a bucket has none.
    """

    key: str
    objects: frozenset[Entry] = frozenset()
    parts: frozenset[Entry] = frozenset()

    @property
    def kind(self) -> str:
        return self.key.partition("/")[0]

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.objects | self.parts)

    @property
    def finished(self) -> bool:
        """Whether its stage has come to the end of it."""
        return any(_is_last(entry.key) for entry in self.objects)

    def told(self) -> dict[str, Any]:
        """As in the flag `--json`."""
        return {"key": self.key, "bytes": self.bytes, "objects": len(self.objects), "finished": self.finished}


def survey(store: Store) -> tuple[dict[str, Folder], list[str]]:
    """Every folder that a stage has written, by its key, and the names of what none has. Lists the whole store once.

    Raises:
        ConfigError: there is nothing, or nothing of ours.
    """
    objects: dict[str, set[Entry]] = defaultdict(set, {key: set[Entry]() for key in _on_disk(store)})
    unknown: set[str] = set()
    empty, ours = not objects, bool(objects)
    for entry in store.keys():
        empty = False
        ours = ours or entry.key.startswith(_OURS)
        if found := _FOLDER.match(entry.key):
            objects[found[0]].add(entry)
        elif not entry.key.startswith(_KEPT):
            unknown.add(_name_of_unknown(entry.key))
    if empty:
        raise ConfigError(f"there is nothing at {store.uri}; give what the runs were given as --out")
    if not ours:
        raise ConfigError(f"{store.uri} holds none of {', '.join(_OURS)}: it is no folder of runs; give what the runs were given as --out")
    return {key: Folder(key, frozenset(found), _parts(store, key)) for key, found in objects.items()}, sorted(unknown)


def look(store: Store, key: str) -> Folder:
    """One folder as it is now."""
    return Folder(key, frozenset(store.keys(f"{key}/")), _parts(store, key))


def delete(store: Store, folder: Folder) -> None:
    """Delete a folder. The documents by which its content counts go first: cut short, this leaves nothing that seems whole."""
    keys = sorted(entry.key for entry in folder.objects)
    for key in sorted(keys, key=lambda key: not (_is_last(key) or key.endswith("/manifest.json"))):  # a checkpoint has a manifest too
        store.delete(key)
    if isinstance(store, FolderStore):
        shutil.rmtree(store.root / folder.key)  # empty folders, and files that were never finished, which a store does not list


def _is_last(key: str) -> bool:
    kind, _, rest = key.partition("/")
    return rest.partition("/")[2].startswith(_LAST[kind])


def _on_disk(store: Store) -> Iterator[str]:
    """The folders of a store that is one, the empty ones among them."""
    if isinstance(store, FolderStore):
        keys = (f"{kind}/{path.name}" for kind in KINDS for path in (store.root / kind).glob("*/"))
        yield from (key for key in keys if _FOLDER.match(f"{key}/"))


def _parts(store: Store, key: str) -> frozenset[Entry]:
    if not isinstance(store, FolderStore):
        return frozenset()
    return frozenset(entry for path in (store.root / key).rglob(f"{RESERVED}*") for entry in _entry_of(path))


def _entry_of(path: Path) -> Iterator[Entry]:
    """Nothing, where the file has got its name meanwhile."""
    try:
        yield Entry(str(path), path.stat().st_size)
    except FileNotFoundError:
        return


def _name_of_unknown(key: str) -> str:
    parts = key.split("/")
    depth = 2 if parts[0] in KINDS else 1
    return "/".join(parts[:depth]) + ("/" if len(parts) > depth else "")
