"""The last lines of a run: where the report is, what became of the model, or why it failed and how to go on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO

from pipelines.cli.runs import RunRecord
from trainer.reports import RegistrationReport


def tell_ending(record: RunRecord, log: Path, trouble: str, stream: TextIO) -> None:
    """Print them; `trouble` is why the run's record could not be kept in OUT."""
    lines = _of_success(record) if record.state == "succeeded" else _of_failure(record, log)
    lines += [("record", f"not kept in OUT: {trouble}")] if trouble else []
    for label, text in lines:
        print(f"{label:<8} {text}", file=stream, flush=True)


def nearby(uri: str) -> str:
    """A path as seen from here, where it is below; any other URI as it is."""
    path = Path(uri)
    return os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else uri


def model_line(model: RegistrationReport) -> str:
    """`segmentation-digits version 3 is champion now`."""
    said = {
        "promoted": f"is {model.alias} now",
        "adopted": "was registered before",
        "refused": "is kept, but did not pass the gate",
    }
    return f"{model.name} version {model.number} ({model.version}) {said[model.state]}: {model.reason}"


def _of_success(record: RunRecord) -> list[tuple[str, str]]:
    lines = [("report", nearby(record.report))]
    return [*lines, ("model", model_line(record.model))] if record.model else lines


def _of_failure(record: RunRecord, log: Path) -> list[tuple[str, str]]:
    return [("cause", _cause(record)), ("log", nearby(str(log))), ("go on", f"sightline rerun {record.run}")]


def _cause(record: RunRecord) -> str:
    if record.state == "interrupted":
        return "the run was interrupted; what is committed is kept"
    causes = [f"{name}: {stage.cause}" for name, stage in record.stages.items() if stage.state == "failed"]
    return causes[0] if causes else "the pipeline's runner, before or between its stages"
