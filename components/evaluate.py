"""The stage `evaluate` as a KFP component."""

# pyright: reportUnknownParameterType=false
from typing import NamedTuple

from kfp import dsl

from components.dsl import component


@component
def evaluate(
    config: str,
    checkpoint: str,
    dataset: str,
    train_report_digest: str,
    out: str,
    attempt: str,
    code_version: str,
    metrics: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
    page: dsl.Output[dsl.HTML],
) -> NamedTuple("Evaluated", report=str, report_digest=str):  # pyright: ignore[reportInvalidTypeForm]  # kfp's form
    """Score a committed checkpoint on a held-out split."""
    from components.stages import run_evaluate

    inputs = {"config": config, "checkpoint": checkpoint, "dataset": dataset, "train_report_digest": train_report_digest, "out": out}
    return run_evaluate(metrics, confusion, page, **inputs, attempt=attempt, code_version=code_version)
