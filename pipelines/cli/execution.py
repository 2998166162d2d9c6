"""One run of a compiled pipeline, from its arguments to its exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from pipelines.cli.attempts import Plan
from pipelines.cli.ending import Misfortune, tell_ending
from pipelines.cli.events import EventTail
from pipelines.cli.processes import process_group, signals_noted, this_process
from pipelines.cli.render import Renderer, open_renderer
from pipelines.cli.runs import RunRecord, RunState, StageSummary
from pipelines.cli.workspace import Workspace, new_run_id
from pipelines.compiled import CompiledPipeline
from trainer import environment
from trainer.errors import ExitCode, MissingExtraError, StoreError
from trainer.storage import Patience, open_store

_POLL_SECONDS = 0.1
_INTERRUPTED = "interrupted: ending the stage; Ctrl-C again stops at once"
_ORPHANED = "the pipeline's runner is gone: ending the stage; Ctrl-C twice stops at once"
_HASTE = Patience(total_seconds=0.5, attempts=1, connect_seconds=0.5, read_seconds=0.5)  # with the store, for who stops at once


@dataclass(frozen=True)
class Request:
    """What is to run: a pipeline, from which recipe, by which command, where to, with how many workers; `as_json` as in the flag."""

    pipeline: CompiledPipeline
    recipe: str
    command: str
    out: str
    workers: str
    as_json: bool


@dataclass(frozen=True)
class Ended:
    """How the child ended: its exit code, the signals that ended it before its time, and whether it had to be killed."""

    exit_code: int
    signals: list[int]
    killed: bool

    @property
    def state(self) -> RunState:
        return "interrupted" if self.signals else "succeeded" if self.exit_code == 0 else "failed"


def require_kfp(purpose: str) -> None:
    """Fail before any work where kfp is missing; it is imported by the child."""
    if find_spec("kfp") is None:
        raise MissingExtraError("kfp", "pipelines", purpose)


def execute(request: Request, plan: Plan, workspace: Workspace) -> int:
    """Run it, tell about it, keep its record; returns the command's exit code."""
    record = _new_record(request, plan)
    workspace.save(record)
    _put_in_out(record, "run.json", record.to_bytes())  # from now on `gc` knows of it, wherever it is called
    begin = time.monotonic()
    stream = sys.stderr if request.as_json else sys.stdout
    with open_renderer(request.pipeline.stages, stream) as renderer:
        ended = _run_child(record, request.pipeline, workspace, renderer)
    record = record.finished(ended.state, round(time.monotonic() - begin, 3), workspace.stage_records(record.run), plan.expected)
    workspace.save(record)
    trouble = _copy_to_out(record, workspace, in_haste=len(ended.signals) > 1)
    tell_ending(record, workspace.run_folder(record.run) / "kfp.log", Misfortune(trouble, ended.killed), stream)
    if request.as_json:
        succeeded = ended.state == "succeeded" and not trouble  # for whoever waits, an interrupted run is one that failed
        print(json.dumps({**record.summary(), "state": "succeeded" if succeeded else "failed"}))
    return _exit_code(record, ended.signals) or (ExitCode.UNCLASSIFIED if trouble else ExitCode.OK)


def _new_record(request: Request, plan: Plan) -> RunRecord:
    return RunRecord(
        run=new_run_id(request.pipeline.name),
        pipeline=request.pipeline.name,
        recipe=request.recipe,
        state="running",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        out=request.out,
        workers=request.workers,
        command=request.command,
        parameters=plan.arguments,
        process=this_process(),
        order=request.pipeline.stages,
        stages={stage: StageSummary(state="not reached") for stage in request.pipeline.stages},
    )


def _run_child(record: RunRecord, pipeline: CompiledPipeline, workspace: Workspace, renderer: Renderer) -> Ended:
    """Run kfp in a process of its own, and tell what its stages tell."""
    folder = workspace.run_folder(record.run)
    events = EventTail(folder / "events.jsonl")
    command, variables = _child_command(record, pipeline, workspace), _child_environment(record, folder, workspace)
    with (
        signals_noted() as signals,
        (folder / "kfp.log").open("wb") as log,
        process_group(command, variables, log, is_urgent=lambda: len(signals) > 1) as group,
    ):
        while group.leader.poll() is None and not signals:
            renderer.show_all(events.new())
            time.sleep(_POLL_SECONDS)
        if signals or group.is_alive():
            renderer.write(_INTERRUPTED if signals else _ORPHANED)
    renderer.show_all(events.new())
    exit_code = group.leader.returncode
    renderer.end(succeeded=exit_code == 0)
    return Ended(exit_code, signals if exit_code else [], group.killed)  # a signal that came at the very end ended nothing


def _child_command(record: RunRecord, pipeline: CompiledPipeline, workspace: Workspace) -> list[str]:
    arguments = workspace.run_folder(record.run) / "arguments.json"
    arguments.write_text(json.dumps(record.parameters), encoding="utf-8")
    paths = (pipeline.path, arguments, workspace.kfp_root, workspace.kfp_cache)
    return [sys.executable, "-m", "pipelines.local", *map(str, paths)]


def _child_environment(record: RunRecord, folder: Path, workspace: Workspace) -> dict[str, str]:
    return {
        **os.environ,
        environment.RUN: record.run,
        environment.COMMAND: record.command,
        environment.EVENTS: str(folder / "events.jsonl"),
        environment.PARENT: str(os.getpid()),
        environment.STAGES: str(workspace.stages),
        environment.WORKERS: record.workers,
        "PYTHONUNBUFFERED": "1",  # so that the log is whole, and in order, whenever it is read
        "PYTHONSAFEPATH": "1",  # a folder `components` or `pipelines` in the working directory is not ours
    }


def _copy_to_out(record: RunRecord, workspace: Workspace, *, in_haste: bool) -> str:
    """Keep the run in OUT, its record last; returns why that failed, or nothing.

    Args:
        in_haste: the store gets half a second for each document, and the events, which may be long, stay here.
    """
    folder = workspace.run_folder(record.run)
    events = [] if in_haste else [folder / "events.jsonl"]
    try:
        for path in (*sorted(folder.glob("stages/*.json")), *events, folder / "run.json"):
            if path.exists():
                _put_in_out(record, path.relative_to(folder).as_posix(), path.read_bytes(), _HASTE if in_haste else None)
    except StoreError as error:
        return str(error)
    return ""


def _put_in_out(record: RunRecord, name: str, data: bytes, patience: Patience | None = None) -> None:
    open_store(record.out, patience).put(f"runs/{record.run}/{name}", data)


def _exit_code(record: RunRecord, signals: list[int]) -> int:
    if signals:
        return 128 + signal.Signals(signals[0])
    if record.state == "failed":
        wrong_config = any(stage.exit_code == ExitCode.USAGE for stage in record.stages.values())
        return ExitCode.USAGE if wrong_config else ExitCode.UNCLASSIFIED
    return ExitCode.GATE_NOT_PASSED if any(stage.state == "refused" for stage in record.stages.values()) else ExitCode.OK
