"""The schema that editors check recipes against: `docs/recipe.schema.json`, and what a real validator makes of it."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipelines.cli.main import main
from tests.recipes import TINY, write_recipe
from trainer.config import KINDS, RunConfig
from trainer.recipe import load_config, read_yaml, recipe_names

FILE = Path(__file__).parents[2] / "docs" / "recipe.schema.json"


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["config", "--schema"]) == 0
    return json.loads(capsys.readouterr().out)


def problems(schema: dict[str, Any], recipe: dict[str, Any]) -> list[str]:
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(recipe)]


def test_the_committed_file_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "--schema"])

    assert capsys.readouterr().out == FILE.read_text(encoding="utf-8"), "run: make reference"


def test_it_is_a_schema_of_the_draft_that_it_names(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_is_shipped_is_valid(name: str, schema: dict[str, Any]) -> None:
    recipe = resources.files("trainer.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")

    assert problems(schema, read_yaml(recipe, name)) == []


def test_a_recipe_with_every_value_written_out_is_valid(schema: dict[str, Any]) -> None:
    assert problems(schema, RunConfig().model_dump(mode="json")) == []


def test_every_key_is_described(schema: dict[str, Any]) -> None:
    keys = {f"{name}.{key}": value for name, part in schema["$defs"].items() for key, value in part["properties"].items()}

    assert [key for key, value in keys.items() if "description" not in value] == []
    assert all("description" in part for part in schema["$defs"].values())


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sourse": {}}, "$"),
        ({"schedule": {"total_stpes": 3}}, "$.schedule"),
        ({"schedule": {"total_steps": "three"}}, "$.schedule"),
        ({"training": {"global_batch": 0}}, "$.training.global_batch"),
        ({"model": {"name": "semantic_fpm"}}, "$.model"),
        ({"source": {"format": "masks"}}, "$.source"),  # its classes must be given
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(change: dict[str, Any], place: str, schema: dict[str, Any]) -> None:
    assert problems(schema, change) == [place]


@pytest.mark.parametrize("section", KINDS)
def test_a_section_that_names_no_kind_is_of_the_first(section: str, schema: dict[str, Any]) -> None:
    assert problems(schema, {section: {}}) == []
    first = next(iter(KINDS[section].sections))
    assert problems(schema, {section: {KINDS[section].key: first}}) == []


def test_editor_and_loader_agree_on_a_recipe_without_kinds(schema: dict[str, Any], tmp_path: Path) -> None:
    recipe = {**TINY, "optimiser": {"weight_decay": 0.1}}

    assert load_config(str(write_recipe(tmp_path, **recipe))).optimiser.name == "adamw"
    assert problems(schema, recipe) == []
