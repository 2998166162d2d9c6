"""Images that a person names: files, folders and buckets' prefixes, with a name of its own for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from trainer.data.sources.layout import IMAGE_EXTENSIONS
from trainer.errors import ConfigError
from trainer.storage import Store, join, open_store, split_uri


@dataclass(frozen=True)
class Picture:
    """An image: where it is, and the name of what is made from it, a relative path without the extension."""

    store: Store
    key: str
    name: str

    @property
    def uri(self) -> str:
        return join(self.store.uri, self.key)

    def read(self) -> bytes:
        return self.store.get(self.key)


def find_pictures(places: Sequence[str], out: str) -> list[Picture]:
    """The images at some places, each once, in the order of the places; those of a folder by key.

    Their names are their paths below the deepest folder that holds all places, with the extension where two differ in it alone.

    Args:
        places: URIs of files, which may have any name, and of folders, of which every image is taken.
        out: where something will be written; what is written must not be found the next time.

    Raises:
        ConfigError: a place holds no image, or holds `out`.
    """
    found = {location: picture for place in places for location, picture in _at(place, out)}
    shared = len(_common([_folder_of(place) for place in places]))
    named = [replace(picture, name="/".join(location[shared:])) for location, picture in found.items()]
    bare = [str(PurePosixPath(picture.name).with_suffix("")) for picture in named]
    if max(Counter(bare).values()) > 1:
        return named
    return [replace(picture, name=name) for picture, name in zip(named, bare, strict=True)]


def _at(place: str, out: str) -> Iterator[tuple[tuple[str, ...], Picture]]:
    if file := _file(place):
        yield _parts(place), file
        return
    if _parts(out)[: len(_parts(place))] == _parts(place):
        raise ConfigError(f"--out {out} lies in {place}: the next time, what is written there would be taken for images; choose another")
    store = open_store(place)
    keys = [entry.key for entry in store.keys() if _is_image(entry.key)]
    if not keys:
        raise ConfigError(f"there is no image at {place}; a folder's images end in {', '.join(IMAGE_EXTENSIONS)}")
    for key in keys:
        yield (*_parts(place), *key.split("/")), Picture(store, key, key)


def _file(place: str) -> Picture | None:
    """The image of that very name, where there is such a file."""
    if not place or place.endswith("/") or len(_parts(place)) < 2 or (place.startswith("s3://") and place.count("/") < 3):
        return None
    folder, key = split_uri(place) if "/" in place else (".", place)
    store = open_store(folder or "/")
    return Picture(store, key, key) if key not in {".", ".."} and store.stat(key) else None


def _is_image(key: str) -> bool:
    path = PurePosixPath(key)
    return path.suffix.lower() in IMAGE_EXTENSIONS and not any(part.startswith(".") for part in path.parts)


def _folder_of(place: str) -> tuple[str, ...]:
    return _parts(place)[:-1] if _file(place) else _parts(place)


def _parts(place: str) -> tuple[str, ...]:
    """A place as one path: a bucket's begins with `s3:`, a file's is absolute."""
    if place.startswith("s3://"):
        return ("s3:", *place.removeprefix("s3://").strip("/").split("/"))
    return Path(place.removeprefix("file://")).absolute().resolve().parts


def _common(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The leading parts that all paths share."""
    return list(takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False)))
