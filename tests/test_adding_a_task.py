"""What a task touches: its own files, a line in each table, and no branch anywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from trainer.config import TASKS

ROOT = Path(__file__).parent.parent
PLACES = {
    "trainer/tasks/{task}.py": "what is learnt and how it is scored",
    "trainer/tasks/__init__.py": "a line in TASKS",
    "trainer/config/learning.py": "its section, and its place in the union TaskConfig",
    "trainer/config/tables.py": "a line in KINDS and one in TASKS",
    "trainer/config/__init__.py": "the section's name",
    "pipelines/{task}.py": "its pipeline, of the shared graph",
    "pipelines/compile.py": "the pipeline's name",
    "pipelines/compiled.py": "a line in RECIPES",
}
DEFAULTS = {"segmentation": {"trainer/config/run.py"}}  # the task of a config that names none
# the annotations of COCO have a key "segmentation"
COCO = {path.relative_to(ROOT).as_posix() for path in (ROOT / "trainer/data/sources").glob("coco*.py")}


def modules() -> list[Path]:
    found = [path for package in ("trainer", "components", "pipelines") for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if path.relative_to(ROOT).as_posix() not in COCO]


def words_of(tree: ast.AST) -> set[str]:
    """Every name, attribute, imported module and string constant but docstrings, in lower case."""
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as text) if node not in docstrings:
                words.add(text.lower())
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                words.add(name.lower())
            case ast.ImportFrom(module=str() as module):
                words.add(module.rpartition(".")[2].lower())
            case _:
                pass
    return words


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_known_in_these_places_and_in_no_other(task: str) -> None:
    known = {f"{task}", f"{task}config"}
    found = {path.relative_to(ROOT).as_posix() for path in modules() if known & words_of(ast.parse(path.read_text()))}

    assert found == {place.format(task=task) for place in PLACES} | DEFAULTS.get(task, set())


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_branch_asks_which_task_it_is(path: Path) -> None:
    asked = [
        words_of(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare | ast.Match) or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance")
    ]
    tasks = {name for task in TASKS for name in (task, f"{task}config")}

    assert not [words for words in asked if words & tasks]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_a_recipe_and_a_compiled_pipeline(task: str) -> None:
    from pipelines.compiled import RECIPES
    from trainer.recipe import load_config

    assert load_config(RECIPES[task]).task.name == task
    assert (ROOT / "pipelines" / f"{task}.yaml").exists()


def test_a_branch_on_a_task_would_be_seen() -> None:
    tree = ast.parse("if config.task.name == 'classification':\n    pass")
    compare = next(node for node in ast.walk(tree) if isinstance(node, ast.Compare))

    assert "classification" in words_of(compare)
