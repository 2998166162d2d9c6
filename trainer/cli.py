"""The trainer's command: parse here, work there. `--help` is instant because torch is imported late."""

# argparse has no public name for the type of its sub-parsers
# pyright: reportPrivateUsage=false

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing

from trainer import environment
from trainer.config import SOURCES, RunConfig
from trainer.errors import ConfigError, DataError, ExitCode, SightlineError
from trainer.lifeline import die_with_named_parent
from trainer.recipe import load_config
from trainer.reports import Report

_EXAMPLES = """examples:
  python -m trainer prepare segmentation-digits --out outputs
  python -m trainer train segmentation-digits --data outputs/datasets/KEY --out outputs
  python -m trainer launch --nproc-per-node 2 train segmentation-digits --data outputs/datasets/KEY --out outputs
  python -m trainer evaluate segmentation-digits --checkpoint outputs/training/KEY/checkpoints/POSITION --data outputs/datasets/KEY
  python -m trainer predict outputs/training/KEY/checkpoints/POSITION photos --out predicted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (see `trainer.errors`)."""
    args = _parser().parse_args(arguments)
    try:
        args.run(args)
    except SightlineError as error:
        print(f"trainer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer",
        description="The stages of a Sightline run.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    _add_prepare(verbs)
    _add_train(verbs, run=_run_train)
    _add_launch(verbs)
    _add_evaluate(verbs)
    _add_predict(verbs)
    return parser


def _add_prepare(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("prepare", help="turn a source of images into shards; adopts what is there already")
    _add_recipe(parser)
    parser.add_argument("--data", metavar="URI", help="the images: a folder or s3://bucket/prefix")
    parser.add_argument("--source", metavar="FORMAT", help=f"how they are laid out: {', '.join(SOURCES)}")
    _add_out(parser)
    parser.set_defaults(run=_run_prepare)


def _add_train(verbs: argparse._SubParsersAction[argparse.ArgumentParser], run: object) -> None:
    parser = verbs.add_parser("train", help="train a model; continues the run's last checkpoint by itself")
    _add_recipe(parser)
    parser.add_argument("--data", metavar="URI", required=True, help="the prepared data set")
    parser.add_argument(
        "--fresh", metavar="TOKEN", default="", help="ignore the checkpoints that are there; a token seen before continues its own"
    )
    _add_out(parser)
    parser.set_defaults(run=run)


def _add_launch(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("launch", help="train on several ranks, restarting those that fail")
    parser.add_argument("--nproc-per-node", type=_positive, default=1, metavar="N", help="ranks of this agent (default 1)")
    parser.add_argument("--nnodes", type=_nodes, default=(1, 1), metavar="MIN:MAX", help="agents that train together (default 1)")
    parser.add_argument("--rdzv-endpoint", default="", metavar="HOST:PORT", help="where several agents meet")
    parser.add_argument("--rdzv-id", default="sightline", metavar="ID", help="the same for every agent of a run")
    _add_train(parser.add_subparsers(title="verbs", required=True, metavar="VERB"), run=_run_launch)


def _add_evaluate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("evaluate", help="score a checkpoint on a held-out split, and draw the report")
    _add_recipe(parser)
    parser.add_argument("--checkpoint", metavar="URI", required=True, help="the checkpoint's folder")
    parser.add_argument("--data", metavar="URI", required=True, help="the prepared data set")
    _add_out(parser)
    parser.set_defaults(run=_run_evaluate)


def _add_predict(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("predict", help="write what a model says of images")
    parser.add_argument("model", metavar="URI", help="a folder with model.safetensors and model.json")
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, folders or s3:// URIs of either")
    parser.add_argument("--device", metavar="NAME", default="auto", help="cpu, cuda or cuda:N (default: a GPU where there is one)")
    parser.add_argument("--out", metavar="URI", required=True, help="a folder or s3://bucket/prefix for what is written")
    parser.set_defaults(run=_run_predict)


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", help="a name in trainer/recipes, or the path of a YAML file")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value; may be repeated"
    )


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="URI", default="outputs", help="a folder or s3://bucket/prefix (default ./outputs)")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _nodes(text: str) -> tuple[int, int]:
    least, _, most = text.partition(":")
    low, high = _positive(least), _positive(most or least)
    if low > high:
        raise argparse.ArgumentTypeError(f"{text!r} has its minimum above its maximum")
    return low, high


def _run_prepare(args: argparse.Namespace) -> None:
    from trainer.prepare import prepare, source_digest
    from trainer.telemetry.sinks import choose_quiet_sink

    config = load_config(args.recipe, args.overrides, source=args.source, data=args.data)
    with closing(choose_quiet_sink("prepare", "images")) as sink:
        report = prepare(config, source_digest=source_digest(config), out=args.out, sink=sink)
    _tell(report)


def _run_train(args: argparse.Namespace) -> None:
    from trainer.train import train
    from trainer.world import join_world

    with join_world() as world:
        report = train(_config(args), dataset=args.data, out=args.out, world=world, fresh=args.fresh)
        if world.is_main:
            _tell(report)


def _run_launch(args: argparse.Namespace) -> None:
    die_with_named_parent()
    config = _config(args)
    least, most = args.nnodes
    if most > 1 and not args.rdzv_endpoint:
        raise ConfigError(f"--nnodes {least}:{most} needs --rdzv-endpoint HOST:PORT, where the agents meet")
    from trainer.checkpoint.listing import committed
    from trainer.launch.rank import Job
    from trainer.run import open_run

    job = Job(config, dataset=args.data, out=args.out, fresh=args.fresh, stories="", result=os.environ.get(environment.RESULT, ""))
    run = open_run(config, args.data, args.out, args.fresh)
    if report := run.finished():
        job.hand_over(report)
        return
    from trainer.launch.agent import Topology, launch

    topology = Topology(args.nproc_per_node, least, most, args.rdzv_endpoint, args.rdzv_id)
    launch(job, topology, progress=lambda: committed(run.store, run.generation)[-1:])


def _run_evaluate(args: argparse.Namespace) -> None:
    from trainer.evaluate import evaluate

    _tell(evaluate(_config(args), checkpoint=args.checkpoint, dataset=args.data, out=args.out))


def _run_predict(args: argparse.Namespace) -> None:
    from trainer.predict import Settings, predict

    report = predict(args.model, args.images, out=args.out, settings=Settings(device=args.device))
    _tell(report)
    if report.skipped:
        first = report.skipped[0]
        raise DataError(f"{len(report.skipped)} images could not be used, the first: {first.file} {first.reason}")


def _config(args: argparse.Namespace) -> RunConfig:
    return load_config(args.recipe, args.overrides, reads_source=False)


def _tell(report: Report) -> None:
    print(report.to_bytes().decode())
