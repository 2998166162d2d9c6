"""Every verb, source, task and error has a test that names it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipelines.cli.arguments import build_parser as sightline_parser
from trainer.cli import _parser as trainer_parser
from trainer.config import KINDS
from trainer.errors import ExitCode, SightlineError

TESTS = Path(__file__).parent
BASES = {"SightlineError", "CheckpointError", "StoreError"}  # what is caught is one of their kinds


@cache
def words(pattern: str) -> frozenset[str]:
    """Every word of the tests whose path matches."""
    files = [path for path in TESTS.glob(pattern) if path.name != Path(__file__).name]
    return frozenset(word for path in files for word in re.findall(r"\w+", path.read_text()))


def verbs(parser: argparse.ArgumentParser, above: str = "") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from verbs(inner, f"{above} {name}".strip()) if inner._subparsers else [f"{above} {name}".strip()]


def errors(base: type[SightlineError]) -> Iterator[type[SightlineError]]:
    for kind in base.__subclasses__():
        yield from (kind, *errors(kind))


@pytest.mark.parametrize("verb", list(verbs(sightline_parser())))
def test_every_verb_of_sightline_is_called_in_a_process(verb: str) -> None:
    assert set(verb.split()) <= words("cli/*.py") | words("storage/test_doctor.py")


@pytest.mark.parametrize("verb", list(verbs(trainer_parser())))
def test_every_verb_of_the_trainer_is_called(verb: str) -> None:
    assert set(verb.split()) <= words("**/*.py")


@pytest.mark.parametrize("source", KINDS["source"].sections)
def test_every_source_has_tests_of_its_own(source: str) -> None:
    assert (TESTS / f"data/test_source_{source}.py").exists()


@pytest.mark.parametrize("task", KINDS["task"].sections)
def test_every_task_has_tests_of_its_own(task: str) -> None:
    assert (TESTS / f"tasks/test_{task}.py").exists()


@pytest.mark.parametrize("error", [kind for kind in errors(SightlineError) if kind.__name__ not in BASES], ids=lambda kind: kind.__name__)
def test_every_error_is_expected_in_a_test_by_its_class_or_its_code(error: type[SightlineError]) -> None:
    code = error.exit_code.name if isinstance(getattr(error, "exit_code", None), ExitCode) else error.__name__

    assert {error.__name__, code} & words("**/*.py")
