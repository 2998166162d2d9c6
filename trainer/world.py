"""The processes that train together, as one value. At size 1 the same code runs without a process group."""

# torch.distributed is only partly typed
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.errors import PeerLostError
from trainer.telemetry.events import emit

T = TypeVar("T")

COLLECTIVE_TIMEOUT = timedelta(minutes=10)
_PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class World:
    """This process's place among all, and what they can agree on.

    Every method is a collective: all ranks call it, in the same order. `control` is a gloo group of its own,
    for objects and decisions, so that they never wait behind gradients; `probe` is for `has_lost_a_peer` alone.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    control: dist.ProcessGroup | None = None
    probe: dist.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor added up over ranks; the argument is left alone."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.size == 1:
            return flag
        raised = torch.tensor([int(flag)])
        dist.all_reduce(raised, op=dist.ReduceOp.MAX, group=self.control)
        return bool(raised)

    def decide(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, on every rank; only rank 0 calls `make`. Pickled between our own processes, never stored."""
        if self.size == 1:
            return make()
        holder: list[T | None] = [make() if self.is_main else None]
        dist.broadcast_object_list(cast("list[Any]", holder), src=0, group=self.control)
        return cast(T, holder[0])

    def share(self, tensor: Tensor) -> None:
        """Rank 0's tensor, in place, on every rank."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)

    def gather(self, value: T) -> list[T]:
        """Every rank's value, in the order of ranks, on every rank."""
        if self.size == 1:
            return [value]
        values: list[T | None] = [None] * self.size
        dist.all_gather_object(cast("list[Any]", values), value, group=self.control)
        return cast("list[T]", values)

    def barrier(self) -> None:
        """Wait until every rank is here; raises after COLLECTIVE_TIMEOUT."""
        if self.size > 1:
            dist.barrier(group=self.control)

    def has_lost_a_peer(self) -> bool:
        """Whether another rank's process is gone. Call it after an error, to tell its cause; waits two seconds at most.

        A dead process closes its connections, so a collective with it fails at once; one with a rank that is
        only busy elsewhere stays open. gloo and NCCL raise a plain RuntimeError for both a lost peer and a
        fault of our own, so the error itself does not tell.
        """
        if self.size == 1:
            return False
        work = dist.all_reduce(torch.zeros(1), group=self.probe, async_op=True)
        deadline = time.monotonic() + _PROBE_SECONDS
        while not work.is_completed():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        try:
            work.wait()
        except RuntimeError:
            return True
        return False


@contextmanager
def join_world() -> Generator[World]:
    """The world that the environment describes (RANK, WORLD_SIZE, … as the elastic agent sets them); alone without it.

    The group is only taken down in order when the block ends well: after an error the peers may be gone.

    Raises:
        PeerLostError: the ranks did not all come.
    """
    device = _device(int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if "WORLD_SIZE" not in os.environ:
        yield World(device=device)
        return
    try:
        world = _join(device)
    except RuntimeError as error:  # torch's DistError is one
        raise PeerLostError(f"the ranks did not come together: {error}") from error
    yield world
    dist.destroy_process_group()


def _join(device: torch.device) -> World:
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=COLLECTIVE_TIMEOUT)
    return World(
        rank=dist.get_rank(),
        size=dist.get_world_size(),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        local_size=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        device=device,
        control=_gloo_group(),
        probe=_gloo_group(),
    )


def _gloo_group() -> dist.ProcessGroup:
    return cast(dist.ProcessGroup, dist.new_group(backend="gloo", timeout=COLLECTIVE_TIMEOUT))


def _device(local_rank: int, local_size: int) -> torch.device:
    """A GPU of its own for each rank of this machine. Where there are too few, no rank takes one, and that is told."""
    gpus = torch.cuda.device_count()
    if gpus < local_size:
        if gpus and local_rank == 0:
            emit(
                "notice",
                stage="train",
                text=f"{local_size} ranks but {gpus} GPU: trains on the CPU; start as many workers as GPUs to use them",
            )
        return torch.device("cpu")
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
