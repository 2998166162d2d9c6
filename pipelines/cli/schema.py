"""The JSON Schema of recipes, by which editors complete and check them; draft 2020-12."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from trainer.config import KINDS, RunConfig


class _WithoutTitles(GenerateJsonSchema):
    """A key's title would be the key once more, in capitals."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def recipe_schema() -> str:
    """The schema as the text of a file."""
    schema = RunConfig.model_json_schema(schema_generator=_WithoutTitles)
    for kinds in KINDS.values():
        for section in list(kinds.sections.values())[1:]:  # the first kind is meant where none is named, so the others must be
            definition = schema["$defs"][section.__name__]
            definition["required"] = [kinds.key, *definition.get("required", [])]
    told = {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "A recipe of Sightline"}
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
