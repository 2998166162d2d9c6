"""The last lines of a run: where the report is, what became of the model, or why it failed and how to go on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pipelines.cli.runs import RunRecord
from trainer.reports import RegistrationReport


@dataclass(frozen=True)
class Misfortune:
    """What went wrong besides the stages: `not_kept` is why the run's record is not in OUT; `killed` where a process had to be."""

    not_kept: str = ""
    killed: bool = False


def tell_ending(record: RunRecord, log: Path, misfortune: Misfortune, stream: TextIO) -> None:
    """Print them."""
    lines = _of_success(record) if record.state == "succeeded" else _of_failure(record, log, misfortune)
    lines += [("record", f"not kept in OUT: {misfortune.not_kept}")] if misfortune.not_kept else []
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


def _of_failure(record: RunRecord, log: Path, misfortune: Misfortune) -> list[tuple[str, str]]:
    return [("cause", _cause(record, misfortune)), ("log", nearby(str(log))), ("go on", f"sightline rerun {record.run}")]


def _cause(record: RunRecord, misfortune: Misfortune) -> str:
    if record.state == "interrupted":
        how = "killed before its stage had ended, which may have been saving" if misfortune.killed else "interrupted"
        return f"the run was {how}; what is committed is kept"
    causes = [f"{name}: {stage.cause}" for name, stage in record.stages.items() if stage.state == "failed"]
    return causes[0] if causes else "the pipeline's runner, before or between its stages"
