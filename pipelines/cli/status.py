"""`sightline status`: the runs of this folder, or the stages of one."""

from __future__ import annotations

import argparse
import json

from pipelines.cli.ending import model_line, nearby
from pipelines.cli.processes import is_alive
from pipelines.cli.render import duration, score_line
from pipelines.cli.runs import RunRecord, StageSummary, summaries
from pipelines.cli.workspace import Workspace
from trainer.errors import DataError

_INITIALS = {"ran": "✓", "cached": "=", "refused": "✗", "failed": "✗", "running": "…", "not reached": "·"}


def status(args: argparse.Namespace) -> int:
    """Print it; returns the exit code."""
    workspace = Workspace()
    if args.run:
        record = current(workspace.load(args.run), workspace)
        print(json.dumps(record.summary()) if args.json else "\n".join(_one_run(record)))
        return 0
    records, unreadable = _load_all(workspace)
    if args.json:
        told = [{"run": run, "state": "unreadable", "cause": cause} for run, cause in unreadable.items()]
        print(json.dumps([*(record.summary() for record in records), *told]))
    else:
        print("\n".join(_all_runs(records, unreadable)))
    return 0


def current(record: RunRecord, workspace: Workspace) -> RunRecord:
    """The record as of now: of a run that has not written its end, from what its stages have written."""
    if record.state != "running":
        return record
    state = "running" if is_alive(record.process) else "interrupted"
    stages = summaries(record.order, workspace.stage_records(record.run), {}, state)
    return record.model_copy(update={"state": state, "stages": stages})


def _load_all(workspace: Workspace) -> tuple[list[RunRecord], dict[str, str]]:
    """The runs, newest first, and those whose record cannot be read, each with the reason."""
    records: list[RunRecord] = []
    unreadable: dict[str, str] = {}
    for run in workspace.runs():
        try:
            records.append(current(workspace.load(run), workspace))
        except DataError as error:
            unreadable[run] = str(error)
    return records, unreadable


def _all_runs(records: list[RunRecord], unreadable: dict[str, str]) -> list[str]:
    if not records and not unreadable:
        return ["no runs yet; start one with: sightline run segmentation"]
    width = max(map(len, [*unreadable, *(record.run for record in records)]))
    header = f"{'run':<{width}}  {'state':<15}  {'stages':<6}  {'time':>12}  score"
    unread = [f"{run:<{width}}  {'unreadable':<15}  {cause}" for run, cause in unreadable.items()]
    return [header, *(_row(record, width) for record in records), *unread]


def _row(record: RunRecord, width: int) -> str:
    marks = "".join(_INITIALS[stage.state] for stage in record.stages.values())
    score = score_line(record.metrics).partition("  ")[0]  # the task's main one
    return f"{record.run:<{width}}  {_state(record):<15}  {marks:<6}  {duration(record.seconds):>12}  {score}".rstrip()


def _state(record: RunRecord) -> str:
    return "gate not passed" if record.was_refused else record.state


def _one_run(record: RunRecord) -> list[str]:
    lines = [f"{record.run}  {_state(record)}  {duration(record.seconds).strip()}", f"command   {record.command}"]
    lines += [_stage_row(name, stage) for name, stage in record.stages.items()]
    if record.report:
        lines.append(f"report    {nearby(record.report)}")
    if record.model:
        lines.append(f"model     {model_line(record.model)}")
    return lines


def _stage_row(name: str, stage: StageSummary) -> str:
    seconds = duration(stage.seconds) if stage.seconds is not None else ""
    parts = (score_line(stage.metrics), stage.cause, nearby(stage.report))
    return "  ".join([f"{name:<8}  {stage.state:<11}  {seconds:>12}", *filter(None, parts)]).rstrip()
