"""The stage `register` as a KFP component."""

# pyright: reportUnknownParameterType=false
from typing import NamedTuple

from components.dsl import component


@component
def register(config: str, checkpoint: str, report: str, report_digest: str, out: str, attempt: str, code_version: str) -> NamedTuple(
    "Registered", model=str, version=str
):  # pyright: ignore[reportInvalidTypeForm]  # kfp's form
    """Register the model as a version, and move the alias if the gate is passed."""
    from components.stages import run_register

    inputs = {"config": config, "checkpoint": checkpoint, "report": report, "report_digest": report_digest}
    return run_register(**inputs, out=out, attempt=attempt, code_version=code_version)
