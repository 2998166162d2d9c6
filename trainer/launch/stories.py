"""How a rank's end is told: a small file that the rank leaves, which says more than an exit code can."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import Self

from trainer.errors import ExitCode, SightlineError, is_worth_another_try
from trainer.reports import Report


class Story(Report):
    """Why a rank ended. `at` is the rank's wall clock, in seconds; it only orders ranks of one machine."""

    rank: int
    local_rank: int
    exit_code: int
    cause: str
    traceback: str
    at: float

    @classmethod
    def of(cls, error: BaseException) -> Self:
        known = isinstance(error, SightlineError)
        return cls(
            rank=int(os.environ.get("RANK", "0")),
            local_rank=int(os.environ.get("LOCAL_RANK", "0")),
            exit_code=error.exit_code if known else ExitCode.UNCLASSIFIED,
            cause=str(error) if known else f"{type(error).__name__}: {error}",
            traceback="".join(traceback.format_exception(error)),
            at=time.time(),
        )

    def leave(self, folder: Path) -> None:
        (folder / f"rank-{self.local_rank}.json").write_bytes(self.to_bytes())


def collect(folder: Path) -> list[Story]:
    """The stories of one round, taken out of the folder; the one to believe first.

    A fault of a rank's own comes before that of a peer that could not go on without it, the earlier before the later.
    """
    stories: list[Story] = []
    for file in sorted(folder.glob("rank-*.json")):
        stories.append(Story.from_bytes(file.read_bytes(), str(file)))
        file.unlink()
    return sorted(stories, key=lambda story: (is_worth_another_try(story.exit_code), story.at))
