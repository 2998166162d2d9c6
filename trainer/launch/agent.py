"""torch's elastic agent, in this process: it starts the ranks, watches them, and tells why they ended."""

# torch's elastic package is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false, reportIncompatibleVariableOverride=false, reportCallIssue=false

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

from trainer.cpus import usable_cpus
from trainer.errors import ExitCode, RankFailedError, is_worth_another_try
from trainer.launch.rank import Job, rank_main
from trainer.launch.stories import Story, collect
from trainer.telemetry.events import emit

_OUT_OF_REACH = 1_000_000  # restarts: what a try can mend is tried again, what it cannot ends the run at once
# Seconds. With torch's defaults (30, 5, 3) an agent that died is missed for 15 s and its round closes 30 s later.
_RENDEZVOUS = {"last_call_timeout": 1, "keep_alive_interval": 1, "keep_alive_max_attempt": 5, "read_timeout": 600, "join_timeout": 900}


@dataclass(frozen=True)
class Topology:
    """How many agents and ranks there are, and where they meet.

    Args:
        min_nodes, max_nodes: agents; the run goes on with any number between.
        endpoint: host:port of the rendezvous; empty for a single agent.
    """

    nproc_per_node: int
    min_nodes: int = 1
    max_nodes: int = 1
    endpoint: str = ""
    rendezvous_id: str = "sightline"


def launch(job: Job, topology: Topology) -> None:
    """Train to the end, restarting ranks as they fail.

    Raises:
        RankFailedError: a rank failed for good, the rendezvous was lost, or the agent was asked to end; carries the exit code.
    """
    _prepare_environment(topology)
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
        spec = _worker_spec(replace(job, stories=folder), topology)
        try:
            _Agent(spec, Path(folder)).run()
        except SignalException as ended:  # the rendezvous stays open: the others go on without this agent
            raise RankFailedError(f"ended by {signal.Signals(ended.sigval).name}; the same command continues", 128 + ended.sigval) from None
        except RendezvousError as error:
            raise RankFailedError(f"lost the rendezvous at {topology.endpoint}: {error}", ExitCode.RENDEZVOUS_LOST) from error
        except RankFailedError:
            spec.rdzv_handler.shutdown()
            raise
        spec.rdzv_handler.shutdown()


class _Agent(LocalElasticAgent):
    """Restarts what another try may mend, and ends with the first cause of what it cannot."""

    def __init__(self, spec: WorkerSpec, stories: Path) -> None:
        super().__init__(spec, DefaultLogsSpecs(), start_method="forkserver")
        self._stories = stories

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result = super()._monitor_workers(worker_group)
        if result.state in {WorkerState.FAILED, WorkerState.UNHEALTHY}:
            self._judge(result)
        return result

    def _judge(self, result: RunResult) -> None:
        """Return to have the ranks restarted, raise to end."""
        story = next(iter(collect(self._stories)), None) or _untold(result)
        text = f"rank {story.rank} ended with exit code {story.exit_code}: {story.cause}"
        if not is_worth_another_try(story.exit_code):
            sys.stderr.write(story.traceback)
            raise RankFailedError(text, story.exit_code)
        emit("notice", stage="train", text=f"{text}; restarting the ranks")
        sys.stderr.write(f"{text}; restarting the ranks\n")


def _untold(result: RunResult) -> Story:
    """The story of a rank that could leave none: it was killed."""
    rank, failure = min(result.failures.items())
    code = 128 - failure.exitcode if failure.exitcode < 0 else failure.exitcode
    cause = f"killed by {signal.Signals(-failure.exitcode).name}" if failure.exitcode < 0 else "it left no word"
    return Story(rank=rank, local_rank=failure.local_rank, exit_code=code, cause=cause, traceback="", at=0.0)


def _prepare_environment(topology: Topology) -> None:
    """What the fork server, and through it every rank, must find from its first line on."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cpus() // topology.nproc_per_node)))
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # with the shared store most jobs never come back after a kill
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # a failure is told once, by its story
    multiprocessing.set_forkserver_preload(["trainer.launch.preload"])


def _worker_spec(job: Job, topology: Topology) -> WorkerSpec:
    rendezvous = RendezvousParameters(
        backend="c10d",
        endpoint=topology.endpoint or "localhost:0",  # port 0: any free one, for an agent that is alone
        run_id=topology.rendezvous_id,
        min_nodes=topology.min_nodes,
        max_nodes=topology.max_nodes,
        local_addr="localhost" if not topology.endpoint else None,
        **_RENDEZVOUS,
    )
    return WorkerSpec(
        role="trainer",
        local_world_size=topology.nproc_per_node,
        entrypoint=rank_main,
        args=(job,),
        rdzv_handler=get_rendezvous_handler(rendezvous),
        max_restarts=_OUT_OF_REACH,
        monitor_interval=0.1,
        local_addr="localhost" if not topology.endpoint else None,
    )
