"""`python -m pipelines.reference`: the tables of docs/recipes.md, from the config's own words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from pydantic.fields import FieldInfo

from trainer.config import KINDS, RunConfig, Section

PAGE = Path(__file__).parent.parent / "docs" / "recipes.md"
MARK = "<!-- from here on made by `make reference` -->\n"


def reference() -> str:
    """Every section with its keys, their defaults and meanings, as Markdown."""
    return "\n".join(line for name in RunConfig.model_fields for line in _section(name))


def _section(name: str) -> Iterator[str]:
    yield f"## `{name}`\n"
    if name not in KINDS:
        yield from _table(cast("type[Section]", RunConfig.model_fields[name].annotation))
        return
    key, kinds = KINDS[name]
    yield f"`{key}` says which: {', '.join(f'`{kind}`' for kind in kinds)}. The first is taken where none is named.\n"
    for kind, section in kinds.items():
        yield f"### `{name}` of {key} {kind}\n"
        yield from _table(section)


def _table(section: type[Section]) -> Iterator[str]:
    yield f"{inspect.cleandoc(section.__doc__ or '')}\n"
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    yield from (f"| `{name}` | {_default(field)} | {field.description} |" for name, field in section.model_fields.items())
    yield ""


def _default(field: FieldInfo) -> str:
    return "must be given" if field.is_required() else f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + reference(), encoding="utf-8")
