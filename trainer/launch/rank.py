"""What runs in each training process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.config import RunConfig
from trainer.errors import PeerLostError, SightlineError
from trainer.launch.stories import Story
from trainer.lifeline import die_with_parent
from trainer.reports import TrainReport

if TYPE_CHECKING:
    from trainer.world import World


@dataclass(frozen=True)
class Job:
    """What every rank of a launch does. `stories` is a folder of the agent's; `result` takes the report, where it is named."""

    config: RunConfig
    dataset: str
    out: str
    fresh: str
    stories: str
    result: str

    def hand_over(self, report: TrainReport) -> None:
        """Write the report to where it is wanted, whole or not at all."""
        if self.result:
            part = Path(f"{self.result}.part")
            part.write_bytes(report.to_bytes())
            part.replace(self.result)


def rank_main(job: Job) -> None:
    """Train as one rank; on an error leave its story and end with its exit code."""
    die_with_parent()  # the fork server, which dies with the agent
    os.setpgid(0, 0)  # a terminal's Ctrl-C goes to the agent alone, which hands it on: else it would come twice
    world: World | None = None
    try:
        from trainer.train import train  # loaded by the fork server already
        from trainer.world import join_world

        with join_world() as world:
            report = train(job.config, dataset=job.dataset, out=job.out, world=world, fresh=job.fresh)
            if world.is_main:
                job.hand_over(report)
    except Exception as error:  # noqa: BLE001  # the process's outermost frame: whatever it was, it is told
        unexplained = None if isinstance(error, SightlineError) else world
        _end(error, job, lost_a_peer=unexplained is not None and unexplained.has_lost_a_peer())


def _end(error: Exception, job: Job, *, lost_a_peer: bool) -> None:
    if lost_a_peer:
        error = PeerLostError(f"another rank ended while this one waited for it ({type(error).__name__})").with_traceback(
            error.__traceback__
        )
    story = Story.of(error)
    story.leave(Path(job.stories))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(story.exit_code)  # not sys.exit: the interpreter would wait for threads of a broken process group
