"""What all sections are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from trainer.canonical import canonical_json

Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=63)]


class Section(BaseModel):
    """Base of every section: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The section from plain values, as they stand in documents; JSON's lists are tuples again."""
        return cls.model_validate_json(canonical_json(values))


def check_rising(**ranges: tuple[float, float]) -> None:
    """Raise ValueError for a range whose first value is above its second."""
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{name}=[{low}, {high}] is the wrong way round; write the smaller value first")
