"""The help of each verb: short, and with examples that can be typed."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

import pytest

from pipelines.cli.arguments import Parser, build_parser


def verbs(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every parser that takes no further verb, by the verbs that lead to it."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in below:
        for verb, verbs_parser in action.choices.items():
            yield from verbs(verbs_parser, f"{name} {verb}".strip())
    if not below:
        yield name, parser


VERBS = dict(verbs(build_parser()))


def examples(verb: str) -> list[str]:
    return [line.strip() for line in (VERBS[verb].epilog or "").splitlines() if line.startswith("  sightline ")]


def test_these_are_the_verbs() -> None:
    assert {"run", "rerun", "status", "config", "gc", "completion"} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_that_the_command_line_takes(verb: str) -> None:
    assert examples(verb)
    for example in examples(verb):
        words = shlex.split(example.partition(" > ")[0])
        assert words[: 1 + len(verb.split())] == ["sightline", *verb.split()]
        assert build_parser().parse_args(words[1:]).prog == f"sightline {verb}"


@pytest.mark.parametrize("verb", VERBS)
def test_help_succeeds_and_shows_the_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build_parser().parse_args([*verb.split(), "--help"])

    assert end.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: sightline {verb}")
    assert all(example in told for example in examples(verb))


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_takes_shortened_flags(verb: str) -> None:
    assert isinstance(VERBS[verb], Parser)
    assert VERBS[verb].allow_abbrev is False
