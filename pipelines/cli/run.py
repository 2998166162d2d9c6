"""`sightline run`: resolve the recipe, look at the source, and run the compiled pipeline on this machine."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from components.launcher.workers import parse_workers
from pipelines.cli.attempts import new_generation, plan_attempts
from pipelines.cli.dry_run import dry_run
from pipelines.cli.execution import Request, execute, require_kfp
from pipelines.cli.workspace import Workspace
from pipelines.compiled import RECIPES, CompiledPipeline, open_pipeline
from trainer.config import RunConfig
from trainer.errors import ConfigError
from trainer.recipe import load_config, recipes_for, stage_config
from trainer.storage import open_store


def run(args: argparse.Namespace) -> int:
    """Returns the command's exit code; see `pipelines.cli.main`."""
    if not args.dry_run:
        require_kfp("sightline run")
    pipeline, workspace = open_pipeline(args.pipeline), Workspace()
    parse_workers(args.workers)
    recipe = _recipe(args.pipeline, args.recipe, args.data)
    config = load_config(recipe, args.overrides, source=args.source, data=args.data)
    _require_task(config, args.pipeline, recipe)
    out = _absolute(args.out)
    open_store(out)  # an unknown scheme is told before any work
    fresh = new_generation() if args.fresh else ""
    plan = plan_attempts(pipeline, pipeline_arguments(pipeline, config, out), workspace.stages, fresh=fresh)
    request = Request(pipeline, recipe, command_line(), out, args.workers, args.json)
    return dry_run(request, plan, config) if args.dry_run else execute(request, plan, workspace)


def pipeline_arguments(pipeline: CompiledPipeline, config: RunConfig, out: str) -> dict[str, str]:
    """The arguments of a run on this machine, but the attempts."""
    from trainer.code_version import code_version
    from trainer.prepare import source_digest

    configs = {f"{stage}_config": stage_config(config, stage) for stage in pipeline.stages}
    return {**configs, "source_digest": source_digest(config), "out": out, "launcher": "local", "code_version": code_version()}


def command_line() -> str:
    """The command as it can be given again."""
    return shlex.join(["sightline", *sys.argv[1:]])


def _recipe(pipeline: str, recipe: str | None, data: str | None) -> str:
    if recipe is None and data is not None:
        known = recipes_for(pipeline)
        raise ConfigError(
            f"--data {data} needs a recipe, which says what its classes are: give --recipe, one of {', '.join(known)}, or a .yaml file of "
            f"your own, begun with: sightline config {known[0]} > my.yaml"
        )
    return recipe or RECIPES[pipeline]


def _require_task(config: RunConfig, pipeline: str, recipe: str) -> None:
    if config.task.name != pipeline:
        raise ConfigError(
            f"recipe {recipe} is for {config.task.name}, but the pipeline is {pipeline}; write sightline run {config.task.name}, "
            "or take another recipe"
        )


def _absolute(out: str) -> str:
    return out.rstrip("/") if "://" in out else str(Path(out).absolute())
