from __future__ import annotations

import json

import torch

from tests.processes import run_ranks
from trainer.world import World, join_world

COLLECTIVES = """
import json, torch
from trainer.world import join_world
with join_world() as world:
    mine = torch.tensor([float(world.rank + 1)])
    shared = torch.tensor([float(world.rank)])
    world.share(shared)
    print(json.dumps({
        "rank": world.rank, "size": world.size, "local": [world.local_rank, world.local_size], "main": world.is_main,
        "sum": world.sum(mine).tolist(), "mine": mine.tolist(), "shared": shared.tolist(),
        "any": [world.any(world.rank == 1), world.any(False)],
        "broadcast": world.decide(lambda: {"from": world.rank}), "gather": world.gather(world.rank * 10),
        "lost": world.has_lost_a_peer(),
    }))
    world.barrier()
"""
PEER_DIES = """
import os, signal, torch
from trainer.world import join_world
with join_world() as world:
    world.barrier()
    if world.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        while True:
            world.sum(torch.ones(3))
    except RuntimeError:
        print(world.has_lost_a_peer(), flush=True)
        os._exit(0)
"""
OWN_FAULT = """
import os
from trainer.world import join_world
with join_world() as world:
    world.barrier()
    if world.rank == 0:
        print(world.has_lost_a_peer(), flush=True)
        os._exit(0)
    try:
        world.any(flag=False)  # where a rank waits for the others, step by step
    except RuntimeError:
        print(world.has_lost_a_peer(), flush=True)
    os._exit(0)
"""
DISAGREE = """
import torch
from tests.toys import state_of
from trainer.errors import RanksDisagreeError
from trainer.resume import check_ranks_agree
from trainer.world import join_world
with join_world() as world:
    state = state_of(world)
    check_ranks_agree(state)
    if world.rank == 1:
        state.module.weights.weight.data[0, 0] += 1e-15
    try:
        check_ranks_agree(state)
    except RanksDisagreeError as error:
        print(error)
"""


def test_all_ranks_agree() -> None:
    ended = run_ranks(COLLECTIVES, size=3)

    assert [rank.code for rank in ended] == [0, 0, 0], ended[0].err
    told = [json.loads(rank.out) for rank in ended]
    assert [(one["rank"], one["size"], one["main"], one["local"]) for one in told] == [
        (0, 3, True, [0, 3]),
        (1, 3, False, [1, 3]),
        (2, 3, False, [2, 3]),
    ]
    for rank, one in enumerate(told):
        assert one["sum"] == [6.0]
        assert one["mine"] == [rank + 1.0]
        assert one["shared"] == [0.0]
        assert one["any"] == [True, False]
        assert one["broadcast"] == {"from": 0}
        assert one["gather"] == [0, 10, 20]
        assert one["lost"] is False


def test_a_killed_peer_is_told_from_a_fault_of_ones_own() -> None:
    survivor, killed = run_ranks(PEER_DIES, size=2)
    assert (survivor.out, killed.code) == ("True\n", -9), survivor.err

    faulty, waiting = run_ranks(OWN_FAULT, size=2)
    assert (faulty.out, waiting.out) == ("False\n", "True\n"), waiting.err


def test_one_bit_of_difference_between_ranks_is_told_on_each() -> None:
    ended = run_ranks(DISAGREE, size=2)

    assert all("the ranks hold different weights at the start" in rank.out for rank in ended), ended[0].err


def test_alone_the_same_calls_need_no_process_group() -> None:
    with join_world() as world:
        assert world.size == 1
        assert world.is_main
        assert world.sum(torch.ones(2)).tolist() == [1.0, 1.0]
        assert world.decide(lambda: "x") == "x"
        assert world.gather(5) == [5]
        assert world.any(flag=True)
        assert not World().any(flag=False)
        assert not world.has_lost_a_peer()
        world.barrier()
    assert not torch.distributed.is_initialized()
