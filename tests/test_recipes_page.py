"""docs/recipes.md lists every setting with its default."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic.fields import FieldInfo

from trainer.config import OPTIMISERS, SOURCES, RunConfig
from trainer.recipe import recipe_names

PAGE = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
HEADING = re.compile(r"^##+ `(\w+)`(?: of (?:format|kind) (\w+))?$", re.MULTILINE)
RECIPE = re.compile(r"^\| `([a-z]+-[a-z-]+)` \|", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \|", re.MULTILINE)


def test_every_setting_stands_on_the_page_with_its_default() -> None:
    headings, bodies = list(HEADING.finditer(PAGE)), HEADING.split(PAGE)[3::3]
    told = {heading[2] or heading[1]: ROW.findall(body) for heading, body in zip(headings, bodies, strict=True)}
    kinds = SOURCES | OPTIMISERS
    sections = {name: field.annotation for name, field in RunConfig.model_fields.items() if name not in {"source", "optimiser"}} | kinds

    assert told == {"source": [], "optimiser": []} | {
        name: [(key, _default(field)) for key, field in section.model_fields.items()] for name, section in sections.items()
    }


def test_every_recipe_that_is_shipped_is_named() -> None:
    assert RECIPE.findall(PAGE) == recipe_names()


def _default(field: FieldInfo) -> str:
    return "must be given" if field.is_required() else f"`{json.dumps(field.default)}`"
