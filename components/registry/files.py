"""The files that make a model: what they are, and how they are copied without being changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from trainer.canonical import digest_of, sha256_digest
from trainer.errors import CorruptObjectError, ObjectMissingError
from trainer.reports import FileDigest, ModelSpec
from trainer.storage import Store

WEIGHTS = "model.safetensors"
SPEC = "model.json"
_BLOCK_BYTES = 16 << 20


def describe_model(source: Store, model_digest: str) -> tuple[FileDigest, ...]:
    """The files of the model in a folder. The weights, whose digest is known, are not read before they are copied.

    Raises:
        ObjectMissingError: a file is missing.
        DataError: `model.json` is not a model's description.
    """
    weights, spec = source.stat(WEIGHTS), source.get(SPEC)
    if weights is None:
        raise ObjectMissingError(f"{source.uri}/{WEIGHTS} does not exist, so there is no model to register")
    ModelSpec.from_bytes(spec, f"{source.uri}/{SPEC}")
    return (
        FileDigest(name=WEIGHTS, size=weights.size, digest=model_digest),
        FileDigest(name=SPEC, size=len(spec), digest=sha256_digest(spec)),
    )


def version_digest(files: Sequence[FileDigest]) -> str:
    """Names a version by its content, in whatever order the files stand."""
    return digest_of(sorted((file.name, file.size, file.digest) for file in files))


def copy_file(source: Store, target: Store, file: FileDigest) -> None:
    """Copy one file of any size, block by block. It appears only if its bytes are those that `file` describes.

    Raises:
        CorruptObjectError: they are not.
    """
    sha256 = hashlib.sha256()
    with target.open_upload(file.name) as upload:
        for start in range(0, file.size, _BLOCK_BYTES):
            block = source.get(file.name, start, min(start + _BLOCK_BYTES, file.size))
            sha256.update(block)
            upload.write(block)
        if (found := f"sha256:{sha256.hexdigest()}") != file.digest:
            raise CorruptObjectError(
                f"{source.uri}/{file.name} has the digest {found}; what was evaluated has {file.digest}. "
                "It was changed since: run the stages train and evaluate again"
            )
