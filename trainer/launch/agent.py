"""torch's elastic agent, in this process: it starts the ranks, watches them, and tells why they ended."""

# torch's elastic package is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false, reportIncompatibleVariableOverride=false, reportPrivateUsage=false, reportOptionalMemberAccess=false, reportCallIssue=false

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.api import MultiprocessContext
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

from trainer.cpus import usable_cpus
from trainer.errors import ExitCode, RankFailedError, is_worth_another_try
from trainer.launch.rank import Job, rank_main
from trainer.launch.stories import Story, collect
from trainer.telemetry.events import emit

_OUT_OF_REACH = 1_000_000  # restarts: what a try can mend is tried again, what it cannot ends the run at once
_FAILURES_IN_PLACE = 3
_NOT_ITS_OWN = {128 + signal.SIGKILL, 128 + signal.SIGTERM, ExitCode.PEER_LOST}  # from outside, or a consequence
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


def launch(job: Job, topology: Topology, progress: Callable[[], object]) -> None:
    """Train to the end, restarting ranks as they fail.

    Args:
        progress: where the run stands, as far as it is saved; what fails again and again at one place is not tried for ever.

    Raises:
        RankFailedError: a rank failed for good, the rendezvous was lost, or the agent was asked to end; carries the exit code.
    """
    _prepare_environment(topology)
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
        spec = _worker_spec(replace(job, stories=folder), topology)
        try:
            _Agent(spec, Path(folder), progress).run()
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

    def __init__(self, spec: WorkerSpec, stories: Path, progress: Callable[[], object]) -> None:
        super().__init__(spec, DefaultLogsSpecs(), start_method="forkserver")
        self._stories, self._progress = stories, progress
        self._failed_at: list[object] = []  # where the run stood at each failure that was a rank's own

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result = super()._monitor_workers(worker_group)
        if result.state in {WorkerState.FAILED, WorkerState.UNHEALTHY}:
            self._judge(self._cause(worker_group, result))
        return result

    def _cause(self, worker_group: WorkerGroup, result: RunResult) -> Story:
        """The story to believe. All ranks have ended by now; one that was killed left none, and its peers tell only that it is gone."""
        told = next(iter(collect(self._stories)), None)
        if told and told.exit_code != ExitCode.PEER_LOST:
            return told
        codes = {local: process.exitcode for local, process in enumerate(cast(MultiprocessContext, self._pcontext)._pc.processes)}
        killed = next((local for local, code in codes.items() if code and code < 0 and code != -signal.SIGTERM), None)
        if killed is not None:
            return _killed(worker_group.workers[killed].global_rank, killed, -codes[killed])
        return told or _silent(result)

    def _judge(self, story: Story) -> None:
        """Return to have the ranks restarted, raise to end."""
        text = f"rank {story.rank} ended with exit code {story.exit_code}: {story.cause}"
        if not is_worth_another_try(story.exit_code):
            sys.stderr.write(story.traceback)
            raise RankFailedError(text, story.exit_code)
        if story.exit_code not in _NOT_ITS_OWN:
            self._failed_at = [*self._failed_at, self._progress()][-_FAILURES_IN_PLACE:]
            if len(self._failed_at) == _FAILURES_IN_PLACE and all(place == self._failed_at[0] for place in self._failed_at):
                raise RankFailedError(f"{text}; the {_FAILURES_IN_PLACE}rd failure without a new checkpoint", _hopeless(story.exit_code))
        emit("notice", stage="train", text=f"{text}; restarting the ranks")
        sys.stderr.write(f"{text}; restarting the ranks\n")


def _hopeless(exit_code: int) -> int:
    """The code of a crash loop; an unreachable store keeps its own, for a later try may find it."""
    return exit_code if exit_code == ExitCode.STORE_UNAVAILABLE else ExitCode.CRASH_LOOP


def _killed(rank: int, local_rank: int, number: int) -> Story:
    cause = f"killed by {signal.Signals(number).name}"
    return Story(rank=rank, local_rank=local_rank, exit_code=128 + number, cause=cause, traceback="", at=0.0)


def _silent(result: RunResult) -> Story:
    """Of a rank that ended by itself before it could tell anything."""
    rank, failure = min(result.failures.items())
    code = failure.exitcode if failure.exitcode > 0 else ExitCode.UNCLASSIFIED
    return Story(rank=rank, local_rank=failure.local_rank, exit_code=code, cause="it left no word", traceback="", at=0.0)


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
