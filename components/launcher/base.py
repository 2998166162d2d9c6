"""What a launcher is: it hands a training job to whatever runs it, and waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trainer.reports import TrainReport


@dataclass(frozen=True)
class TrainJob:
    """A training to be done.

    Args:
        config: canonical JSON of the sections that train reads.
        dataset: URI of the prepared shards.
        out: URI below which the training keeps its folder.
        fresh: a token that asks for a new generation (the same token: the same generation); empty continues the newest one.
    """

    config: str
    dataset: str
    out: str
    fresh: str = ""

    def arguments(self, config_file: str) -> list[str]:
        """The train command, with the config in a file."""
        fresh = ["--fresh", self.fresh] if self.fresh else []
        return ["train", config_file, "--data", self.dataset, "--out", self.out, *fresh]


class Launcher(Protocol):
    """Runs a job to its end."""

    def run(self, job: TrainJob) -> TrainReport:
        """What train reported.

        Raises:
            RankFailedError: the job ended without success; it carries the exit code and the cause.
        """
        ...
