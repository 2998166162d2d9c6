"""The launcher for one machine: the launch command as a child, the very one that a pod runs."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from tempfile import TemporaryDirectory

from components.launcher.agent import Agent, signals_forwarded
from components.launcher.base import TrainJob
from components.launcher.workers import Workers, workers_from_environment
from trainer import environment
from trainer.errors import ExitCode, RankFailedError, is_worth_another_try
from trainer.reports import TrainReport

_MORE_TRIES = 2  # where the agent that held the rendezvous was lost: then all start again, as pods would
LAUNCH = (sys.executable, "-m", "trainer", "launch")


class LocalLauncher:
    """A fixed number of ranks is one agent; a range is one agent for each rank, any of which may be lost."""

    def __init__(self, workers: Workers, command: Sequence[str] = LAUNCH) -> None:
        self._workers = workers
        self._command = command

    def run(self, job: TrainJob) -> TrainReport:
        """Start the agents, wait for all of them, and read what train reported; see `Launcher`."""
        with TemporaryDirectory(prefix="sightline-") as folder:
            config, result = Path(folder, "config.yaml"), Path(folder, "result.json")
            config.write_text(job.config, encoding="utf-8")  # JSON is YAML
            arguments = job.arguments(str(config))
            agents: list[Agent] = []
            with signals_forwarded(agents) as signals:
                for _ in range(1 + _MORE_TRIES):
                    self._run_agents(agents, arguments, result, signals)
                    if signals or result.exists() or _failure(agents, signals).exit_code != ExitCode.RENDEZVOUS_LOST:
                        break
            if result.exists():
                return TrainReport.from_bytes(result.read_bytes(), "the result of the launch command")
            raise _failure(agents, signals)

    def _run_agents(self, agents: list[Agent], arguments: Sequence[str], result: Path, signals: Sequence[int]) -> None:
        """All agents, from their start to their end; none is started after a signal, of which it would not know."""
        variables = _environment(self._workers, result)
        agents.clear()
        for flags in _flags_of_each_agent(self._workers):
            if not signals:
                agents.append(Agent([*self._command, *flags, *arguments], variables))
                if signals:  # it came while this one was started, so it was not among those that were told
                    agents[-1].process.send_signal(signals[-1])
        for agent in agents:
            agent.wait()


def local_launcher() -> LocalLauncher:
    return LocalLauncher(workers_from_environment())


def _environment(workers: Workers, result: Path) -> dict[str, str]:
    """Ours, with a fair share of the processors (agents do not know of each other), and this stage as the parent to end with."""
    from trainer.cpus import usable_cpus

    share = max(1, usable_cpus() // workers.most)
    return {"OMP_NUM_THREADS": str(share), **os.environ, environment.PARENT: str(os.getpid()), environment.RESULT: str(result)}


def _flags_of_each_agent(workers: Workers) -> list[list[str]]:
    if not workers.elastic:
        return [["--nproc-per-node", str(workers.most)]]
    port = _free_port()
    nodes = ["--nnodes", f"{workers.fewest}:{workers.most}", "--nproc-per-node", "1"]
    return [[*nodes, "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", f"local-{port}"] for _ in range(workers.most)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _failure(agents: Sequence[Agent], signals: Sequence[int]) -> RankFailedError:
    """The error of the agent that tells most: one that failed by itself, rather than one that was killed."""
    failed = sorted((agent for agent in agents if agent.exit_code), key=_how_little_it_tells)
    if not failed and signals:
        return RankFailedError(f"ended by {Signals(signals[0]).name} before it had begun", 128 + signals[0])
    if not failed:
        return RankFailedError("the launch command ended well but wrote no report", ExitCode.UNCLASSIFIED)
    return RankFailedError(failed[0].cause, failed[0].exit_code)


def _how_little_it_tells(agent: Agent) -> tuple[bool, bool]:
    """A killed agent tells nothing, and one whose cause another try may mend often tells of another's end."""
    return agent.process.returncode < 0, is_worth_another_try(agent.exit_code)
