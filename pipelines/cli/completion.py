"""`sightline completion`: the script by which a shell completes the command, made from the parser itself."""

# argparse has no public way to the arguments of a parser
# pyright: reportPrivateUsage=false

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import cast

from pipelines.cli.arguments import build_parser
from pipelines.compiled import RECIPES
from trainer.config import SOURCES
from trainer.errors import MissingExtraError
from trainer.recipe import recipe_names

_WORDS: dict[str, Callable[[], Iterable[str]]] = {"pipeline": lambda: RECIPES, "recipe": recipe_names, "source": lambda: SOURCES}
_FOLDERS = ("data", "out", "uri", "registry", "store")  # or a bucket, which a shell cannot look into


def print_completion(args: argparse.Namespace) -> int:
    """Print it; returns the exit code."""
    if find_spec("shtab") is None:
        raise MissingExtraError("shtab", "pipelines", "sightline completion")
    import shtab

    parser = build_parser()
    for action in _arguments(parser):
        if action.dest in _WORDS:
            action.choices = tuple(_WORDS[action.dest]())
        elif action.dest in _FOLDERS:
            action.complete = shtab.DIRECTORY  # pyright: ignore[reportAttributeAccessIssue]  # shtab's way to say it
    print(shtab.complete(parser, args.shell))
    return 0


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser, and of those for its verbs."""
    for action in parser._actions:
        if action.nargs == argparse.PARSER:
            for verb in cast("dict[str, argparse.ArgumentParser]", action.choices).values():
                yield from _arguments(verb)
        else:
            yield action
