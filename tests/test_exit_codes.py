"""docs/exit-codes.md and the tree in the docstring of trainer.errors say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import trainer.errors
from trainer.errors import ExitCode, SightlineError

PAGE = Path(__file__).parent.parent / "docs" / "exit-codes.md"
ROW = re.compile(r"^\| (\d+) \| ([A-Z_]+) \|([^|]*)\|", re.MULTILINE)
LEAF = re.compile(r"(\w+Error) .* (\d+)$", re.MULTILINE)  # a line of the tree that ends in a code


def test_the_page_lists_every_code_in_order() -> None:
    rows = [(int(code), name) for code, name, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))]

    assert rows == [(code.value, code.name) for code in sorted(ExitCode)]


def test_each_error_stands_in_the_row_of_its_code() -> None:
    told = {
        error: int(code) for code, _, errors in ROW.findall(PAGE.read_text(encoding="utf-8")) for error in re.findall(r"`(\w+)`", errors)
    }

    assert told == _codes_of_errors()


def test_the_tree_in_the_docstring_has_the_same_codes() -> None:
    told = {error: int(code) for error, code in LEAF.findall(trainer.errors.__doc__ or "")}

    assert told == {error: code for error, code in _codes_of_errors().items() if code != ExitCode.UNCLASSIFIED}


def _codes_of_errors() -> dict[str, int]:
    """The errors of `trainer.errors` by name; those that carry another process's code have none of their own."""
    errors = {name: kind for name, kind in vars(trainer.errors).items() if isinstance(kind, type) and issubclass(kind, SightlineError)}
    return {name: int(kind.exit_code) for name, kind in errors.items() if name != "RankFailedError"}
