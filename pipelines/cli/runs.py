"""A run, as `run.json` keeps it, and what became of each of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from components.records import StageRecord
from pipelines.cli.processes import Process
from trainer.errors import ExitCode
from trainer.reports import RegistrationReport, Report

RunState = Literal["running", "succeeded", "failed", "interrupted"]
StageState = Literal["running", "ran", "cached", "failed", "refused", "not reached"]
Records = Mapping[str, StageRecord]  # by stage

DONE: tuple[StageState, ...] = ("ran", "cached", "refused")
KILLED = "the stage's process ended without a word: it was killed, perhaps for want of memory"


class StageSummary(Report):
    """What became of a stage. `seconds` and `exit_code` are None where it has not run."""

    state: StageState
    seconds: float | None = None
    exit_code: int | None = None
    report: str = ""
    metrics: dict[str, float] = Field(default_factory=dict)
    cause: str = ""


class RunRecord(Report):
    """A run of a pipeline on this machine. `parameters` are the pipeline's arguments, the attempts included."""

    kind: Literal["run"] = "run"
    run: str
    pipeline: str
    recipe: str
    state: RunState
    started: str
    seconds: float = 0.0
    out: str
    workers: str
    command: str
    parameters: dict[str, str]
    process: Process
    order: tuple[str, ...]  # of the stages; JSON objects have none
    stages: dict[str, StageSummary] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    model: RegistrationReport | None = None
    report: str = ""

    def finished(self, state: RunState, seconds: float, records: Records, expected: Records) -> RunRecord:
        """The run at its end, from the records of its stages and of those that its cached stages were expected to repeat."""
        stages = summaries(self.order, records, expected, state)
        told = {**{name: record for name, record in expected.items() if stages[name].state == "cached"}, **records}
        evaluation, registration = told.get("evaluate"), told.get("register")
        changes = {
            "state": state,
            "seconds": seconds,
            "stages": stages,
            "metrics": evaluation.metrics if evaluation else {},
            "report": evaluation.page if evaluation else "",
            "model": registration.registration if registration else None,
        }
        return self.model_copy(update=changes)

    def in_order(self) -> RunRecord:
        """The record with its stages in the order in which they run."""
        return self.model_copy(update={"stages": {name: self.stages[name] for name in self.order}})

    @property
    def was_refused(self) -> bool:
        """Whether it came to its end, but its model did not pass the gate."""
        return self.state == "succeeded" and any(stage.state == "refused" for stage in self.stages.values())

    def summary(self) -> dict[str, Any]:
        """What `--json` prints."""
        model = self.model and self.model.model_dump(include={"name", "version", "number", "uri", "state", "reason"})
        stages = {name: stage.model_dump(include={"state", "seconds", "report", "exit_code"}) for name, stage in self.stages.items()}
        return {"run": self.run, "state": self.state, "stages": stages, "metrics": self.metrics, "model": model, "report": self.report}


def summaries(stages: Sequence[str], records: Records, expected: Records, run_state: RunState) -> dict[str, StageSummary]:
    """What became of each stage. One without a record was cached if the run got beyond it: stages run one after the other."""
    reached = max((place for place, stage in enumerate(stages) if stage in records), default=-1)
    if run_state == "succeeded":
        reached = len(stages)
    return {
        stage: _of_record(records[stage], run_state) if stage in records else _of_absent(expected.get(stage), was_passed=place < reached)
        for place, stage in enumerate(stages)
    }


def _of_record(record: StageRecord, run_state: RunState) -> StageSummary:
    if record.state != "started":
        told = record.model_dump(include={"seconds", "exit_code", "report", "metrics", "cause"})
        return StageSummary(state=record.state, **told)
    if run_state == "running":
        return StageSummary(state="running")
    return StageSummary(state="failed", exit_code=ExitCode.UNCLASSIFIED, cause=KILLED if run_state == "failed" else "it was interrupted")


def _of_absent(expected: StageRecord | None, *, was_passed: bool) -> StageSummary:
    if not was_passed:
        return StageSummary(state="not reached")
    told = expected.model_dump(include={"report", "metrics"}) if expected else {}
    return StageSummary(state="cached", seconds=0.0, exit_code=ExitCode.OK, **told)
