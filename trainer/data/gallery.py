"""Images that a person names: files, folders and buckets' prefixes, with a name of its own for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from trainer.data.sources.layout import IMAGE_EXTENSIONS
from trainer.errors import ConfigError
from trainer.storage import Store, join, open_store, split_uri

Location = tuple[str, ...]  # `file:` and the parts of an absolute path, or `s3:`, the bucket and the parts of a key


@dataclass(frozen=True)
class Picture:
    """An image: where it is, and the name of what is made from it, a relative path."""

    store: Store
    key: str
    name: str

    @property
    def uri(self) -> str:
        return join(self.store.uri, self.key)

    def read(self) -> bytes:
        return self.store.get(self.key)


class _Place(NamedTuple):
    """The images of a folder, or one of them."""

    folder: Location
    store: Store
    keys: list[str]


def find_pictures(places: Sequence[str], out: str) -> list[Picture]:
    """The images at some places, each once, in the order of the places; those of a folder by key.

    Their names are their paths below the deepest folder that holds all places; without extensions, unless two differ in them alone.

    Args:
        places: URIs of files, which may have any name, and of folders, of which every image is taken.
        out: where something will be written; what is written must not be found the next time.

    Raises:
        ConfigError: a place holds no image, or holds `out`.
    """
    looked = [_at(place, out) for place in places]
    shared = _shared([place.folder for place in looked])
    found = {(*place.folder, *key.split("/")): (place.store, key) for place in looked for key in place.keys}
    names = ["/".join(location[shared:]) for location in found]
    bare = [str(PurePosixPath(name).with_suffix("")) for name in names]
    chosen = bare if len(set(bare)) == len(bare) else names
    return [Picture(store, key, name) for (store, key), name in zip(found.values(), chosen, strict=True)]


def _at(place: str, out: str) -> _Place:
    location = _location(place)
    if file := _file(place, location):
        return file
    if _location(out)[: len(location)] == location:
        raise ConfigError(f"--out {out} lies in {place}: the next time, what is written there would be taken for images; choose another")
    store = open_store(place)
    keys = [entry.key for entry in store.keys() if _is_image(entry.key)]
    if not keys:
        raise ConfigError(f"there is no image at {place}; a folder's images end in {', '.join(IMAGE_EXTENSIONS)}")
    return _Place(location, store, keys)


def _file(place: str, location: Location) -> _Place | None:
    """The image of that very name, where there is such a file."""
    least = 3 if location[0] == "s3:" else 2  # a bucket, and the root, are no files
    if len(location) < least or place.endswith(("/", ".")):
        return None
    folder, key = split_uri(place) if "/" in place else (".", place)
    store = open_store(folder or "/")
    return _Place(location[:-1], store, [key]) if store.stat(key) else None


def _is_image(key: str) -> bool:
    path = PurePosixPath(key)
    return path.suffix.lower() in IMAGE_EXTENSIONS and not any(part.startswith(".") for part in path.parts)


def _location(uri: str) -> Location:
    if uri.startswith("s3://"):
        return ("s3:", *uri.removeprefix("s3://").strip("/").split("/"))
    path = Path(unquote(uri.removeprefix("file://"))) if uri.startswith("file://") else Path(uri)
    return ("file:", *Path(os.path.normpath(path.absolute())).parts[1:])


def _shared(locations: Sequence[Location]) -> int:
    """How many parts all of them begin with."""
    return len(list(takewhile(lambda level: len(set(level)) == 1, zip(*locations, strict=False))))
