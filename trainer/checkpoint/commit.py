"""How a save becomes a checkpoint, and how one is read back."""

from __future__ import annotations

from collections.abc import Mapping

from xxhash import xxh3_128_hexdigest

from trainer.checkpoint.documents import MANIFEST, CheckpointManifest, Position
from trainer.errors import CorruptObjectError, DataError, ObjectMissingError
from trainer.reports import FileDigest
from trainer.storage import Store


def commit(store: Store, position: Position, files: Mapping[str, bytes]) -> CheckpointManifest:
    """Write the files, then the manifest. A checkpoint exists when its manifest does.

    S3 replaces one object atomically but never two, and has no rename, so the last small object is the commit
    point. A process killed before it leaves rubbish, not a checkpoint.
    """
    for name, data in files.items():
        store.put(f"{position.folder}/{name}", data)
    manifest = CheckpointManifest(
        generation=position.generation,
        samples_seen=position.samples_seen,
        files=tuple(FileDigest(name=name, size=len(data), digest=_digest(data)) for name, data in sorted(files.items())),
    )
    store.put(f"{position.folder}/{MANIFEST}", manifest.to_bytes())
    return manifest


def read_checkpoint(store: Store, position: Position) -> dict[str, bytes]:
    """Every file of a checkpoint, each as its manifest says.

    Raises:
        CorruptObjectError: the manifest or a file is not what was written, or is missing.
    """
    folder = position.folder
    try:
        manifest = CheckpointManifest.from_bytes(store.get(f"{folder}/{MANIFEST}"), f"{store.uri}/{folder}/{MANIFEST}")
        if (manifest.generation, manifest.samples_seen) != (position.generation, position.samples_seen):
            raise CorruptObjectError(f"{store.uri}/{folder}/{MANIFEST} speaks of {manifest.generation:04d}-{manifest.samples_seen:012d}")
        return {file.name: read_verified(store, f"{folder}/{file.name}", file) for file in manifest.files}
    except (DataError, ObjectMissingError) as error:
        raise CorruptObjectError(str(error)) from error


def read_verified(store: Store, key: str, expected: FileDigest) -> bytes:
    """An object's bytes, if they are those that the document beside it names.

    Raises:
        CorruptObjectError: size or digest differ.
    """
    data = store.get(key)
    if len(data) != expected.size:
        raise CorruptObjectError(f"{store.uri}/{key} has {len(data)} bytes; its manifest says {expected.size}")
    if _digest(data) != expected.digest:
        raise CorruptObjectError(f"{store.uri}/{key} has the digest {_digest(data)}; its manifest says {expected.digest}")
    return data


def _digest(data: bytes) -> str:
    return f"xxh3:{xxh3_128_hexdigest(data)}"
