"""The command line: every verb, its flags, and examples of it."""

# argparse has no public name for the type of its sub-parsers
# pyright: reportPrivateUsage=false

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from pipelines.cli import verbs
from trainer.errors import ExitCode

_CHANGES = ("--set", "--recipe", "--source", "--data", "--out", "--workers", "--fresh")  # flags of `run` by which a run would be another
_DESCRIPTION = "Train vision models as Kubeflow pipelines, on this machine or on a cluster."


class Parser(argparse.ArgumentParser):
    """Errors are one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


class _RefuseChange(argparse.Action):
    """A flag of `run` that somebody gives to `rerun`."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, values: object, option_string: str | None = None) -> NoReturn:
        parser.error(f"a rerun repeats a run as it was and takes no changes; for {option_string}, start a new one with sightline run")


def build_parser() -> Parser:
    """The whole command line. Each verb sets `call`, and ends its help with examples."""
    parser = Parser(prog="sightline", description=_DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_rerun(commands)
    _add_status(commands)
    _add_config(commands)
    _add_predict(commands)
    _add_data(commands)
    _add_gc(commands)
    _add_doctor(commands)
    _add_completion(commands)
    return parser


def _verb(
    commands: argparse._SubParsersAction[Parser], name: str, summary: str, call: Callable[[argparse.Namespace], int], *examples: str
) -> Parser:
    """A verb: what it does, in a line; the function that does it; command lines to start from, without `sightline`."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[:1].upper() + summary[1:] + ".",
        epilog="\n".join(["examples:", *(f"  sightline {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(call=call, prog=parser.prog)
    return parser


def _add_run(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "run", "run a pipeline on this machine: prepare, train, evaluate, register", verbs.run,
        "run segmentation",
        "run segmentation --recipe segmentation-microscopy --source masks --data ./images --dry-run",
        "run segmentation --set schedule.total_steps=200 --workers 1:4 --out s3://bucket/out",
    )  # fmt: skip
    parser.add_argument("pipeline", metavar="PIPELINE", help="segmentation or classification")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="a shipped recipe or a YAML file (default: the pipeline's own)")
    _add_config_flags(parser)
    parser.add_argument("--out", default="./outputs", metavar="URI", help="a folder or s3://bucket/prefix (default: %(default)s)")
    parser.add_argument("--workers", default="2", metavar="N|MIN:MAX", help="training processes (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="train anew; what there was is ignored, not deleted")
    parser.add_argument("--dry-run", action="store_true", help="tell what would run, what is there already, and how large; write nothing")
    _add_json(parser)


def _add_rerun(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "rerun", "repeat a run from the stage that failed, or from a named one", verbs.rerun,
        "rerun last",
        "rerun last --stage evaluate",
    )  # fmt: skip
    parser.add_argument("run", metavar="RUN", help="a run's id, or last")
    parser.add_argument("--stage", help="repeat from this stage on")
    parser.add_argument(*_CHANGES, action=_RefuseChange, nargs="?", help=argparse.SUPPRESS)
    _add_json(parser)


def _add_status(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(commands, "status", "tell the runs of this folder, or the stages of one run", verbs.status, "status", "status last")
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, or last")
    _add_json(parser)


def _add_config(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "config", "print a resolved recipe with its digests", verbs.config,
        "config segmentation-digits --set model.backbone=resnet18",
        "config --schema > recipe.schema.json",
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("recipe", nargs="?", metavar="RECIPE", help="a shipped recipe or a YAML file")
    what.add_argument("--schema", action="store_true", help="print the JSON Schema of recipes, by which editors complete and check them")
    _add_config_flags(parser)
    _add_json(parser)


def _add_predict(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "predict", "write what a model says of images: masks or labels, overlays, and an index of them", verbs.predict,
        "predict segmentation-digits@champion photos --out predicted",
        "predict segmentation-digits:3 a.jpg b.jpg --out predicted --registry s3://bucket/out",
        "predict ./model s3://bucket/photos --out s3://bucket/predicted",
    )  # fmt: skip
    parser.add_argument(
        "model", metavar="MODEL", help="NAME@ALIAS, NAME:NUMBER, NAME@DIGEST, or a folder with model.safetensors and model.json"
    )
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, folders or s3:// URIs of either")
    parser.add_argument("--out", required=True, metavar="URI", help="a folder or s3://bucket/prefix for what is written")
    parser.add_argument(
        "--registry", default="./outputs", metavar="URI", help="the --out of the runs that registered it (default: %(default)s)"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: a GPU where there is one)")
    parser.add_argument("--batch", type=_positive, metavar="N", help="images of one size that are predicted at once (default: 16)")
    parser.add_argument(
        "--pass-pixels", type=_positive, metavar="N", help="largest image that is seen whole, not in tiles (default: 2073600)"
    )
    parser.add_argument(
        "--passes", type=_positive, metavar="N", help="most passes over an image's tiles; 1 is quick, less exact (default: 12)"
    )
    _add_json(parser)


def _add_data(commands: argparse._SubParsersAction[Parser]) -> None:
    data = commands.add_parser("data", help="look at data sets", description="Look at data sets.", allow_abbrev=False)
    parser = _verb(
        data.add_subparsers(title="commands", metavar="COMMAND", required=True),
        "inspect", "tell what a data set holds: splits, classes, sizes, examples, and what is left out", verbs.inspect_data,
        "data inspect outputs/datasets/0123456789abcdef --html data.html",
        "data inspect ./images --source masks --set 'source.classes=[background, cell]'",
        "data inspect s3://bucket/images --recipe segmentation-microscopy --json",
    )  # fmt: skip
    parser.add_argument("uri", nargs="?", metavar="URI", help="a prepared data set, or images as a source reads them")
    parser.add_argument("--source", metavar="FORMAT", help="the format of the images, where they are not prepared")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="a recipe whose section source says how the images are laid out")
    _add_set(parser)
    parser.add_argument(
        "--sample", type=_positive, default=100, metavar="N", help="images of each split to read, if not prepared (default: %(default)s)"
    )
    parser.add_argument("--html", metavar="FILE", help="write a page that shows it, with examples")
    _add_json(parser)


def _add_gc(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "gc", "tell, or delete, what no run and no alias refers to: prepared sets, trainings, evaluations", verbs.gc,
        "gc ./outputs",
        "gc s3://bucket/out --delete --watch 60",
        "gc ./outputs --delete --trainings",
    )  # fmt: skip
    parser.add_argument("out", metavar="OUT", help="the folder or s3://bucket/prefix that runs were given as --out")
    parser.add_argument("--delete", action="store_true", help="delete it, but for trainings; without this flag it is only told")
    parser.add_argument(
        "--trainings", action="store_true",
        help="also trainings, and the prepared sets that they may read: no run is known that made them, so be sure that nobody is at work",
    )  # fmt: skip
    parser.add_argument(
        "--watch", type=_positive, default=10, metavar="SECONDS",
        help="keep what is unfinished and changes within this time; for a bucket longer than an upload (default: %(default)s)",
    )  # fmt: skip
    _add_json(parser)


def _add_doctor(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "doctor",
        "try what a store can do: reach, write, read, delete, conditional writes, ranges, multipart, speed", verbs.doctor,
        "doctor --store s3://bucket/out",
        "doctor --store ./outputs --json",
    )  # fmt: skip
    parser.add_argument("--store", required=True, metavar="URI", help="a folder or s3://bucket/prefix; nothing stays behind in it")
    _add_json(parser)


def _add_completion(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = _verb(
        commands, "completion", "print a script by which the shell completes this command", verbs.completion,
        "completion bash > ~/.local/share/bash-completion/completions/sightline",
        "completion zsh > ~/.zsh/functions/_sightline",
    )  # fmt: skip
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh")


def _add_config_flags(parser: Parser) -> None:
    parser.add_argument("--data", metavar="URI", help="the images: a folder or s3://bucket/prefix")
    parser.add_argument("--source", metavar="FORMAT", help="their format: digits, masks, coco, voc or folders (default: the recipe's)")
    _add_set(parser)


def _add_set(parser: Parser) -> None:
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE",
        help="change one value, e.g. --set schedule.total_steps=100; may be repeated",
    )  # fmt: skip


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on stdout; the rest goes to stderr")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)
