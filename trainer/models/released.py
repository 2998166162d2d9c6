"""A model from its files alone, `model.safetensors` and `model.json`; checked where a document beside them names their digests."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from xxhash import xxh3_128_hexdigest

from trainer.canonical import sha256_digest
from trainer.checkpoint.documents import MANIFEST, MODEL_FILE, SPEC_FILE, CheckpointManifest
from trainer.checkpoint.snapshot import restore_model
from trainer.config import RunConfig
from trainer.errors import CorruptObjectError, DataError
from trainer.models import ImageModel, build_model
from trainer.reports import VERSION_FILE, FileDigest, ModelSpec, ModelVersion
from trainer.storage import Store


@dataclass(frozen=True)
class Released:
    """A model that is ready to be asked. `version` is None where it was never registered."""

    model: ImageModel
    spec: ModelSpec
    config: RunConfig  # with the sections of the spec
    model_digest: str
    version: ModelVersion | None


def load_released(store: Store, device: torch.device) -> Released:
    """The model in a folder: a registered version, a checkpoint, or a copy of the two files.

    Raises:
        ObjectMissingError: one of the two is missing.
        CorruptObjectError: a file is not what its version or checkpoint says.
        DataError: `model.json` is of another version.
        CheckpointMismatchError: the weights are not of the model that `model.json` describes.
    """
    data, spec_data = store.get(MODEL_FILE), store.get(SPEC_FILE)
    version = ModelVersion.from_bytes(store.get(VERSION_FILE), f"{store.uri}/{VERSION_FILE}") if store.stat(VERSION_FILE) else None
    named = {file.name: file for file in (version.files if version else _files_of_checkpoint(store))}
    for name, content in ((MODEL_FILE, data), (SPEC_FILE, spec_data)):
        if name in named:
            _check(content, named[name], store)
    spec = ModelSpec.from_bytes(spec_data, f"{store.uri}/{SPEC_FILE}")
    config, model = _config_of(spec, store), build_model(spec)
    try:
        restore_model(model, data, store.uri)
    except SafetensorError as error:
        raise CorruptObjectError(f"{store.uri}/{MODEL_FILE} is not a file of weights: {error}; copy it again") from None
    return Released(model.to(device).eval(), spec, config, sha256_digest(data), version)


def _config_of(spec: ModelSpec, store: Store) -> RunConfig:
    try:
        return RunConfig.of({"model": spec.model, "task": spec.task, "data": spec.data})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{store.uri}/{SPEC_FILE} describes a model that this version does not know: {place}: {first['msg']}") from None


def _files_of_checkpoint(store: Store) -> tuple[FileDigest, ...]:
    if not store.stat(MANIFEST):
        return ()
    return CheckpointManifest.from_bytes(store.get(MANIFEST), f"{store.uri}/{MANIFEST}").files


def _check(data: bytes, file: FileDigest, store: Store) -> None:
    found = f"xxh3:{xxh3_128_hexdigest(data)}" if file.digest.startswith("xxh3:") else sha256_digest(data)
    if found != file.digest:
        raise CorruptObjectError(
            f"{store.uri}/{file.name} has the digest {found}; the document beside it says {file.digest}. Copy the files again"
        )
