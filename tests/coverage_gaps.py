"""`python -m tests.coverage_gaps coverage.json`: which verbs, sources and errors no test has run, from a coverage report."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

Lines = dict[str, set[int]]

VERBS = {"pipelines/cli/verbs.py": "", "trainer/cli.py": "_run_"}  # in which module, and how the functions' names begin
SOURCES = "trainer/data/sources/"
RAISED_BY_NAME = "trainer/errors.py"


def gaps(executed: Lines) -> Iterator[str]:
    """What was never run, as a line for people."""
    for file, prefix in VERBS.items():
        yield from (f"{file}: verb {name}" for name, lines in _functions(file) if name.startswith(prefix) and not lines & executed[file])
    for file in sorted(file for file in executed if file.startswith(SOURCES)):
        yield from (f"{file}: {name}" for name, lines in _functions(file) if name == "read" and not lines & executed[file])
    raised = {name for file in executed for name, line in _raises(file) if line in executed[file]}
    yield from (f"{RAISED_BY_NAME}: {name} is never raised" for name in sorted(_errors() - raised))


def _functions(file: str) -> Iterator[tuple[str, set[int]]]:
    """Each function with the lines of its body, its docstring and signature left out."""
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.FunctionDef):
            body = [
                statement for statement in node.body if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            ]
            if body:
                yield node.name, set(range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1))


def _raises(file: str) -> Iterator[tuple[str, int]]:
    """Every name that is called, or raised, with its line: errors are raised by others than those that make them, too."""
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, node.lineno
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            yield node.exc.id, node.lineno


def _errors() -> set[str]:
    """The classes that have none below them."""
    classes = [
        node for node in ast.parse(Path(RAISED_BY_NAME).read_text()).body if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    ]
    bases = {base.id for node in classes for base in node.bases if isinstance(base, ast.Name)}
    return {node.name for node in classes} - bases


def main(report: str) -> int:
    files = json.loads(Path(report).read_text())["files"]
    found = list(gaps({name: set(file["executed_lines"]) for name, file in files.items()}))
    print("\n".join(found) or "every verb, source and error has run")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
