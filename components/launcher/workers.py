"""How many training processes: `2`, or `1:4` for as many as are alive between the two."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from trainer import environment
from trainer.errors import ConfigError

DEFAULT_WORKERS = "2"


@dataclass(frozen=True)
class Workers:
    """A fixed number of ranks under one agent, or between `fewest` and `most` agents of one rank each."""

    fewest: int
    most: int
    elastic: bool


def parse_workers(text: str) -> Workers:
    """Read `N` or `MIN:MAX`.

    Raises:
        ConfigError: it is neither, or the range is empty.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,3})(?::([1-9][0-9]{0,3}))?", text)
    if not found:
        raise ConfigError(f"workers={text!r} is neither a number from 1 nor MIN:MAX; write e.g. 2 or 1:4")
    fewest, most = int(found[1]), int(found[2] or found[1])
    if fewest > most:
        raise ConfigError(f"workers={text} has its smaller number, {most}, last; write {most}:{fewest}")
    return Workers(fewest, most, elastic=found[2] is not None)


def workers_from_environment() -> Workers:
    """What SIGHTLINE_WORKERS says; two ranks where it is not set."""
    return parse_workers(os.environ.get(environment.WORKERS, DEFAULT_WORKERS))
