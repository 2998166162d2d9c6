"""What a stage leaves behind on the machine that started it: what it was given, what it handed on, how it ended.

Two local folders, each only where an environment variable names it (`sightline run` does; on Kubeflow the run's
page shows the same): beside the events, what each stage of *this* run did, where a stage without a record was
answered from the cache; and what stages did in *any* run, by their parameters, which KFP's cache is checked against.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from trainer import environment
from trainer.canonical import digest_of, short
from trainer.errors import DataError
from trainer.reports import RegistrationReport, Report
from trainer.storage import FolderStore

FRESH = "fresh-"  # an attempt of train that starts with this asks for a new generation


class StageRecord(Report):
    """One execution of a stage.

    `documents` are the URIs that must still exist for the outputs to be of use; `report` is the one for machines,
    `page` the one for people. A record that stays `started` is of a stage that was killed.
    """

    kind: Literal["stage"] = "stage"
    stage: str
    state: Literal["started", "ran", "refused", "failed"]
    parameters: dict[str, str]
    outputs: dict[str, str] = Field(default_factory=dict)
    documents: tuple[str, ...] = ()
    report: str = ""
    page: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    registration: RegistrationReport | None = None
    seconds: float = 0.0
    exit_code: int = 0
    cause: str = ""


def stage_key(stage: str, parameters: Mapping[str, str]) -> str:
    """Names what a stage does: its parameters but `attempt`, which only says that it is to be done again."""
    meaning = {name: value for name, value in parameters.items() if name != "attempt"}
    return short(digest_of({"stage": stage, "parameters": meaning}))


def keep(record: StageRecord) -> None:
    """Write the record to the folders that the environment names."""
    if events := os.environ.get(environment.EVENTS):
        FolderStore(str(Path(events).parent)).put(f"stages/{record.stage}.json", record.to_bytes())
    if (memory := os.environ.get(environment.STAGES)) and record.state == "ran":
        FolderStore(memory).put(f"{stage_key(record.stage, record.parameters)}.json", record.to_bytes())


def recall(memory: Path, stage: str, parameters: Mapping[str, str]) -> StageRecord | None:
    """The last time that a stage ran to its end with these parameters, whatever the attempt."""
    return read_record(memory / f"{stage_key(stage, parameters)}.json")


def read_record(path: Path) -> StageRecord | None:
    """The record at a path; None where there is none that can be read, so that the stage is done again."""
    try:
        return StageRecord.from_bytes(path.read_bytes(), str(path))
    except (FileNotFoundError, DataError):
        return None
