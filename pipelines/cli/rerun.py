"""`sightline rerun`: repeat a run with its recorded parameters, from the stage that failed or from a named one."""

from __future__ import annotations

import argparse

from components.records import FRESH
from pipelines.cli.attempts import plan_attempts
from pipelines.cli.execution import Request, execute, require_kfp
from pipelines.cli.runs import DONE, RunRecord
from pipelines.cli.status import current
from pipelines.cli.workspace import Workspace
from pipelines.compiled import open_pipeline
from trainer.errors import ConfigError


def rerun(args: argparse.Namespace) -> int:
    """Returns the command's exit code; see `pipelines.cli.main`."""
    require_kfp("sightline rerun")
    workspace = Workspace()
    record = current(workspace.load(args.run), workspace)
    pipeline = open_pipeline(record.pipeline)
    stage = _first_stage(record, args.stage)
    arguments = {name: value for name, value in record.parameters.items() if not name.endswith("_attempt")}
    plan = plan_attempts(pipeline, arguments, workspace.stages, rerun_from=stage, fresh=_unfinished_generation(record))
    return execute(Request(pipeline, record.recipe, record.command, record.out, record.workers, args.json), plan, workspace)


def _first_stage(record: RunRecord, named: str | None) -> str:
    """The stage to repeat from.

    Raises:
        ConfigError: no such stage, the run has not ended, or nothing in it failed.
    """
    if record.state == "running":
        raise ConfigError(f"{record.run} is still running, as process {record.process.pid}; wait for it, or end it")
    if named is not None and named not in record.stages:
        raise ConfigError(f"{record.run} has no stage {named!r}; it has: {', '.join(record.stages)}")
    unfinished = [name for name, stage in record.stages.items() if stage.state not in DONE]
    if named is None and not unfinished:
        raise ConfigError(f"nothing of {record.run} failed; name the stage to repeat from, e.g. --stage {next(reversed(record.stages))}")
    return named or unfinished[0]


def _unfinished_generation(record: RunRecord) -> str:
    """The attempt of a `--fresh` training that did not end: it is continued."""
    attempt = record.parameters["train_attempt"]
    return attempt if attempt.startswith(FRESH) and record.stages["train"].state not in DONE else ""
