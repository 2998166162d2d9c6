"""The command `sightline`: parse here, work in the modules beside this one, which are imported when they are called.

Exit codes: 0 done, 1 a stage failed, 2 wrong usage or config, 3 the gate was not passed, 128 + n ended by signal n.
"""

# argparse has no public name for the type of its sub-parsers
# pyright: reportPrivateUsage=false

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from trainer.errors import ExitCode, SightlineError

_DESCRIPTION = "Train vision models as Kubeflow pipelines, on this machine or on a cluster."


class Parser(argparse.ArgumentParser):
    """Errors are one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    args = _parser().parse_args(argv)
    try:
        return args.call(args)
    except SightlineError as error:
        print(f"{args.prog}: {error}", file=sys.stderr)
        return ExitCode.USAGE if error.exit_code == ExitCode.USAGE else ExitCode.UNCLASSIFIED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> Parser:
    parser = Parser(prog="sightline", description=_DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_rerun(commands)
    _add_status(commands)
    _add_config(commands)
    for name, command in commands.choices.items():
        command.set_defaults(prog=f"sightline {name}")
    return parser


def _add_run(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser("run", help="run a pipeline on this machine: prepare, train, evaluate, register", allow_abbrev=False)
    parser.add_argument("pipeline", metavar="PIPELINE", help="segmentation")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="a shipped recipe or a YAML file (default: the pipeline's own)")
    _add_config_flags(parser)
    parser.add_argument("--out", default="./outputs", metavar="URI", help="a folder or s3://bucket/prefix (default: %(default)s)")
    parser.add_argument("--workers", default="2", metavar="N|MIN:MAX", help="training processes (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="train anew; what there was is ignored, not deleted")
    _add_json(parser)
    parser.set_defaults(call=_run)


def _add_rerun(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser("rerun", help="repeat a run from the stage that failed, or from a named one", allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", help="a run's id, or last")
    parser.add_argument("--stage", help="repeat from this stage on")
    _add_json(parser)
    parser.set_defaults(call=_rerun)


def _add_status(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser("status", help="the runs of this folder, or the stages of one run", allow_abbrev=False)
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, or last")
    _add_json(parser)
    parser.set_defaults(call=_status)


def _add_config(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser("config", help="print a resolved recipe with its digests", allow_abbrev=False)
    parser.add_argument("recipe", metavar="RECIPE", help="a shipped recipe or a YAML file")
    _add_config_flags(parser)
    _add_json(parser)
    parser.set_defaults(call=_config)


def _add_config_flags(parser: Parser) -> None:
    parser.add_argument("--data", metavar="URI", help="the images: a folder or s3://bucket/prefix")
    parser.add_argument("--source", metavar="FORMAT", help="the format of the images: masks or digits (default: the recipe's)")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE",
        help="change one value, e.g. --set schedule.total_steps=100; may be repeated",
    )  # fmt: skip


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout; the rest goes to stderr")


def _run(args: argparse.Namespace) -> int:
    from pipelines.cli.run import run

    return run(args)


def _rerun(args: argparse.Namespace) -> int:
    from pipelines.cli.rerun import rerun

    return rerun(args)


def _status(args: argparse.Namespace) -> int:
    from pipelines.cli.status import status

    return status(args)


def _config(args: argparse.Namespace) -> int:
    from pipelines.cli.resolved import print_config

    return print_config(args)
