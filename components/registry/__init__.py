"""Registries: where a model that was evaluated gets a version, and perhaps the alias."""

from __future__ import annotations

from components.registry.files import describe_model
from components.registry.gate import metric_of
from components.registry.store import StoreRegistry
from trainer.canonical import short
from trainer.config import RunConfig
from trainer.errors import DataError
from trainer.reports import EvaluationReport, RegistrationReport
from trainer.storage import open_store, split_uri

__all__ = ["StoreRegistry", "register"]


def register(config: RunConfig, *, checkpoint: str, report: str, report_digest: str, out: str, run: str = "") -> RegistrationReport:
    """Register the model of a checkpoint, and move the alias to it if its evaluation passes the gate.

    Args:
        config: the section `registration` is read.
        checkpoint: the URI of the folder that holds `model.safetensors` and `model.json`.
        report: the URI of its EvaluationReport.
        report_digest: the digest of that report, as the evaluation handed it on.
        out: the URI below which the registry lies.
        run: the id of the run, for the record.

    Raises:
        ConfigError: the evaluation has no such metric as the gate asks for.
        DataError: the report is not the one that was handed on.
        CorruptObjectError: the weights are not those that were evaluated.
    """
    section = config.registration
    evaluation = _read_report(report, report_digest)
    metric_of(evaluation.metrics, section.metric, report)  # a gate that cannot judge must not leave a version behind
    source = open_store(checkpoint)
    registry = StoreRegistry(open_store(out), section.name)
    version = registry.register(source, describe_model(source, evaluation.model_digest), evaluation, run)
    state, reason = registry.promote(version, evaluation, section)
    return RegistrationReport(
        state=state,
        reason=reason,
        name=section.name,
        version=short(version.version),
        number=version.number,
        uri=registry.uri(version),
        alias=section.alias,
        metrics=evaluation.metrics,
    )


def _read_report(uri: str, digest: str) -> EvaluationReport:
    folder, name = split_uri(uri)
    report = EvaluationReport.from_bytes(open_store(folder).get(name), uri)
    if report.digest != digest:
        raise DataError(f"{uri} has the digest {report.digest}; the stage evaluate handed on {digest}. Run that stage again")
    return report
