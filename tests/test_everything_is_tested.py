"""Every verb is called in a test, and every source and task has tests of its own.

Which lines run at all is told by `make coverage`, which ends with an error where no test reaches a verb, or raises an error.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipelines.cli.arguments import build_parser as sightline_parser
from trainer.cli import _parser as trainer_parser
from trainer.config import KINDS

TESTS = Path(__file__).parent


@cache
def arguments() -> frozenset[str]:
    """Every word that is passed to a call anywhere in the tests, or stands in a list or tuple."""
    nodes = [node for path in TESTS.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    places = [node.args for node in nodes if isinstance(node, ast.Call)] + [
        node.elts for node in nodes if isinstance(node, ast.List | ast.Tuple)
    ]
    constants = (element for elements in places for element in elements if isinstance(element, ast.Constant))
    return frozenset(constant.value for constant in constants if isinstance(constant.value, str))


def verbs(parser: argparse.ArgumentParser, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from verbs(inner, (*above, name)) if inner._subparsers else [(*above, name)]


@pytest.mark.parametrize("verb", [*verbs(sightline_parser()), *verbs(trainer_parser())], ids=" ".join)
def test_every_verb_is_called(verb: tuple[str, ...]) -> None:
    assert set(verb) <= arguments()


@pytest.mark.parametrize("source", KINDS["source"].sections)
def test_every_source_has_tests_of_its_own(source: str) -> None:
    assert (TESTS / f"data/test_source_{source}.py").exists()


@pytest.mark.parametrize("task", KINDS["task"].sections)
def test_every_task_has_tests_of_its_own(task: str) -> None:
    assert (TESTS / f"tasks/test_{task}.py").exists()
