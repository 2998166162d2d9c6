"""The stage `train` as a KFP component."""

# pyright: reportUnknownParameterType=false
from typing import NamedTuple

from components.dsl import component


@component
def train(config: str, dataset: str, data_digest: str, out: str, launcher: str, attempt: str, code_version: str) -> NamedTuple(
    "Trained", checkpoint=str, train_report_digest=str
):  # pyright: ignore[reportInvalidTypeForm]  # kfp's form
    """Hand the training to a launcher and wait for its report."""
    from components.stages import run_train

    inputs = {"config": config, "dataset": dataset, "data_digest": data_digest, "out": out}
    return run_train(**inputs, launcher=launcher, attempt=attempt, code_version=code_version)
