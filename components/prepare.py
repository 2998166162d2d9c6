"""The stage `prepare` as a KFP component."""

# pyright: reportUnknownParameterType=false
from typing import NamedTuple

from components.dsl import component


@component
def prepare(config: str, source_digest: str, out: str, attempt: str, code_version: str) -> NamedTuple(
    "Prepared", dataset=str, data_digest=str
):  # pyright: ignore[reportInvalidTypeForm]  # kfp's form
    """Turn a source of images into shards with a manifest."""
    from components.stages import run_prepare

    return run_prepare(config=config, source_digest=source_digest, out=out, attempt=attempt, code_version=code_version)
