"""docs/recipes.md says what the config says."""

from __future__ import annotations

import re

import pytest

from pipelines.reference import MARK, PAGE, reference
from trainer.config import KINDS, RunConfig
from trainer.recipe import recipe_names

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = [
    section
    for name, field in RunConfig.model_fields.items()
    for section in (KINDS[name].sections.values() if name in KINDS else [field.annotation])
]


def test_the_reference_is_what_the_code_says() -> None:
    assert TEXT.partition(MARK)[2].strip() == reference().strip()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_setting_has_a_meaning_and_every_section_a_line(section: type) -> None:
    assert [name for name, field in section.model_fields.items() if not field.description] == []
    assert section.__doc__


def test_every_setting_stands_in_a_table_with_its_default() -> None:
    assert "| `warmup_steps` | `100` |" in reference()
    assert "| `classes` | must be given |" in reference()
    assert reference().count("| `weight_decay` |") == 2


def test_every_recipe_that_is_shipped_is_named() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", TEXT.partition(MARK)[0], re.MULTILINE) == recipe_names()
