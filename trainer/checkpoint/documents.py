"""The JSON documents of a checkpoint, and where they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field

from trainer.errors import ConfigError
from trainer.reports import FileDigest, Report

MANIFEST = "manifest.json"
SCORES = "scores.json"
MODEL_FILE = "model.safetensors"
SPEC_FILE = "model.json"
OPTIMISER_FILE = "optimiser.safetensors"
STATE_FILE = "state.json"


class CheckpointManifest(Report):
    """The commit of a checkpoint: what belongs to it, and how each file must be."""

    format: Literal[1] = 1
    generation: int
    samples_seen: int
    files: tuple[FileDigest, ...]


class RunPosition(Report):
    """`state.json`: where the run was.

    `param_groups` are the optimiser's settings, without its parameters; `loss_scale` is empty where the precision needs none.
    """

    samples_seen: int
    global_batch: int
    param_groups: tuple[dict[str, Any], ...]
    loss_scale: dict[str, float] = Field(default_factory=dict[str, float])


class EvaluationScores(Report):
    """`scores.json`: what the checkpoint reached on the validation split."""

    scores: dict[str, float]


class Generation(Report):
    """Opened by `--fresh` with a token, so that a restarted rank or pod of the same attempt does not open another."""

    token: str


@dataclass(frozen=True, order=True)
class Position:
    """A checkpoint's name: its generation, then its samples."""

    generation: int
    samples_seen: int

    @property
    def folder(self) -> str:
        return f"checkpoints/{self}"

    def __str__(self) -> str:
        return f"{self.generation:04d}-{self.samples_seen:012d}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """The position that a folder's name says.

        Raises:
            ConfigError: it says none.
        """
        found = re.fullmatch(r"(\d{4,})-(\d{12,})", name)
        if not found:
            raise ConfigError(f"{name!r} is not the folder of a checkpoint; those are named like 0001-000000012800")
        return cls(int(found[1]), int(found[2]))
