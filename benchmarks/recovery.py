"""A rank is killed: seconds until training goes on, against the seconds that the same command takes from its start to its first step."""

from __future__ import annotations

import json
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import IO, cast

from tests.processes import Launch
from tests.recipes import write_recipe
from trainer.prepare import prepare, source_digest
from trainer.recipe import load_config

KILLS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        recipe = write_recipe(Path(folder), schedule={"total_steps": 100_000, "warmup_steps": 2}, checkpoint={"every_steps": 5})
        config = load_config(str(recipe))
        dataset = prepare(config, source_digest=source_digest(config), out=folder).dataset
        begin = time.perf_counter()
        launch = Launch(recipe, dataset, folder, "--nproc-per-node", "2")
        lines = cast(IO[str], launch.process.stdout)
        _wait_for_a_step(lines)
        start = time.perf_counter() - begin
        recoveries = [_kill_and_wait(launch, lines) for _ in range(KILLS)]
        launch.process.kill()
        launch.process.wait()
    print(f"from the start to the first step   {start:6.1f} s")
    median, longest = statistics.median(recoveries), max(recoveries)
    print(f"from a kill to the next step       {median:6.1f} s (median of {KILLS}, longest {longest:.1f} s)")
    print(f"ratio recovery_to_start {median / start:.2f}")


def _kill_and_wait(launch: Launch, lines: IO[str]) -> float:
    for _ in range(20):  # somewhere between two saves
        _wait_for_a_step(lines)
    os.kill(launch.ranks()[0], signal.SIGKILL)
    begin = time.perf_counter()
    while "restarting" not in lines.readline():
        pass
    _wait_for_a_step(lines)
    return time.perf_counter() - begin


def _wait_for_a_step(lines: IO[str]) -> None:
    while True:
        line = lines.readline()
        if line.startswith("{") and json.loads(line)["event"] == "progress":
            return


if __name__ == "__main__":
    main()
