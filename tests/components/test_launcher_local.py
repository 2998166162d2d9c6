"""The launcher for one machine, on a small program that stands for the launch command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import components
from components.launcher import TrainJob
from components.launcher.local import LocalLauncher
from components.launcher.workers import parse_workers
from tests.processes import wait_until
from trainer.cpus import usable_cpus
from trainer.errors import ExitCode, RankFailedError
from trainer.reports import TrainReport

REPORT: dict[str, Any] = {
    "completed": True,
    "checkpoint": "c",
    "samples_seen": 8,
    "steps": 2,
    "scores": {"miou": 0.5},
    "model_digest": "m",
    "generation": 0,
    "dataset": "d",
    "data_digest": "dd",
    "train_digest": "td",
    "config_digest": "cd",
    "code_version": "v",
    "git_commit": "",
    "world_size": 2,
    "precision": "float32",
    "parameters": 1,
    "images_per_second": 1.0,
    "seconds": 1.0,
    "attempts": 1,
    "sections": {},
    "command": "",
}
PREAMBLE = f"""
import json, os, pathlib, signal, sys, time
def finish():
    pathlib.Path(os.environ["SIGHTLINE_RESULT"]).write_text({json.dumps(json.dumps(REPORT))})
"""
JOB = TrainJob(config='{"schedule":{"total_steps":2}}', dataset="data", out="out")


def launcher(folder: Path, body: str, workers: str = "2") -> LocalLauncher:
    program = folder / "launch.py"
    program.write_text(PREAMBLE + body)
    return LocalLauncher(parse_workers(workers), command=(sys.executable, str(program)))


def test_the_launch_command_gets_workers_config_data_and_out_and_its_report_is_read(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    body = f"""
arguments = sys.argv[1:]
config = pathlib.Path(arguments[arguments.index("train") + 1])
pathlib.Path({str(told)!r}).write_text(json.dumps([arguments, config.suffix, config.read_text()]))
finish()
"""
    report = launcher(tmp_path, body).run(JOB)

    arguments, suffix, config = json.loads(told.read_text())
    assert report == TrainReport.from_bytes(json.dumps(REPORT).encode(), "test")
    assert arguments[:3] == ["--nproc-per-node", "2", "train"]
    assert arguments[4:] == ["--data", "data", "--out", "out"]
    assert (suffix, config) == (".yaml", JOB.config)


def test_a_fresh_job_hands_its_token_on() -> None:
    job = TrainJob("{}", "data", "out", fresh="fresh-1")

    assert job.arguments("c.yaml") == ["train", "c.yaml", "--data", "data", "--out", "out", "--fresh", "fresh-1"]


@pytest.mark.parametrize(
    ("body", "exit_code", "cause"),
    [
        ("print('warning', file=sys.stderr); print('trainer: loss is NaN', file=sys.stderr); sys.exit(30)", 30, "loss is NaN"),
        ("sys.exit(7)", 7, "it wrote nothing to stderr"),
        ("raise ValueError('odd')", 1, "ValueError: odd"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "the launch command was ended by SIGKILL"),
        ("pass", ExitCode.UNCLASSIFIED, "the launch command ended well but wrote no report"),
    ],
)
def test_a_launch_command_that_fails_is_told_with_its_exit_code_and_last_words(
    body: str, exit_code: int, cause: str, tmp_path: Path
) -> None:
    with pytest.raises(RankFailedError) as caught:
        launcher(tmp_path, body).run(JOB)

    assert (str(caught.value), caught.value.exit_code) == (cause, exit_code)


def test_what_the_launch_command_writes_to_stderr_goes_on_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    launcher(tmp_path, "print('rank 1 restarted', file=sys.stderr); finish()").run(JOB)

    assert "rank 1 restarted" in capfd.readouterr().err


def test_a_range_of_workers_is_an_agent_each_that_meet_at_one_address(tmp_path: Path) -> None:
    body = f"pathlib.Path({str(tmp_path)!r}, f'told-{{os.getpid()}}.json').write_text(json.dumps(sys.argv[1:])); finish()"
    launcher(tmp_path, body, workers="1:3").run(JOB)

    told = [json.loads(path.read_text()) for path in tmp_path.glob("told-*.json")]
    flags = [arguments[: arguments.index("train")] for arguments in told]
    assert len(flags) == 3
    assert flags[0] == flags[1] == flags[2]
    assert flags[0][:4] == ["--nnodes", "1:3", "--nproc-per-node", "1"]
    assert flags[0][4] == "--rdzv-endpoint"
    assert flags[0][5].startswith("127.0.0.1:")


def test_an_agent_that_is_lost_does_not_fail_a_training_that_another_completed(tmp_path: Path) -> None:
    body = f"""
try:
    pathlib.Path({str(tmp_path / "first")!r}).mkdir()
except FileExistsError:
    finish()
else:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert launcher(tmp_path, body, workers="1:2").run(JOB).completed


def test_the_agent_that_failed_by_itself_tells_the_cause_not_the_one_that_was_killed(tmp_path: Path) -> None:
    body = f"""
try:
    pathlib.Path({str(tmp_path / "first")!r}).mkdir()
except FileExistsError:
    print("trainer: out of data", file=sys.stderr); sys.exit(10)
else:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(RankFailedError, match="out of data") as caught:
        launcher(tmp_path, body, workers="1:2").run(JOB)

    assert caught.value.exit_code == ExitCode.DATA


def test_agents_name_the_stage_as_their_parent_so_that_they_end_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_PARENT", "1")
    told = tmp_path / "parent"
    launcher(tmp_path, f"pathlib.Path({str(told)!r}).write_text(os.environ['SIGHTLINE_PARENT']); finish()").run(JOB)

    assert told.read_text() == str(os.getpid())


@pytest.mark.parametrize("workers", ["64", "1:4"])
def test_ranks_share_the_processors_whether_under_one_agent_or_several(
    workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "threads"
    body = f"pathlib.Path({str(told)!r}).write_text(os.environ['OMP_NUM_THREADS']); finish()"

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    launcher(tmp_path, body, workers).run(JOB)
    assert int(told.read_text()) == max(1, usable_cpus() // parse_workers(workers).most)

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    launcher(tmp_path, body, workers).run(JOB)
    assert told.read_text() == "7"


STAGE = """
import sys
from components.launcher import TrainJob
from components.launcher.local import LocalLauncher
from components.launcher.workers import parse_workers
from trainer.errors import RankFailedError
try:
    LocalLauncher(parse_workers("1:2"), command=(sys.executable, sys.argv[1])).run(TrainJob("{}", "data", "out"))
except RankFailedError as error:
    sys.exit(error.exit_code)
"""


def run_stage_and_signal(folder: Path, number: int, on_signal: str) -> int:
    """A stage whose two agents wait, and on a signal note it and do `on_signal`; returns its exit code."""
    program = folder / "launch.py"
    program.write_text(f"""{PREAMBLE}
def note(number, frame):
    with open({str(folder)!r} + f"/noted-{{os.getpid()}}", "a") as file:
        file.write(f"{{number}}\\n")
    {on_signal}
signal.signal(signal.SIGTERM, note)
signal.signal(signal.SIGINT, note)
pathlib.Path({str(folder)!r}, f"ready-{{os.getpid()}}").touch()
time.sleep(60)
""")
    environment = {**os.environ, "PYTHONPATH": str(Path(components.__file__).parent.parent)}
    stage = subprocess.Popen([sys.executable, "-c", STAGE, str(program)], env=environment, cwd=folder)
    try:
        assert wait_until(lambda: len(list(folder.glob("ready-*"))) == 2, 20)
        stage.send_signal(number)
        return stage.wait(timeout=20)
    finally:
        stage.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_agent_once_and_they_are_waited_for(number: int, tmp_path: Path) -> None:
    as_long_as_the_last_save = "time.sleep(0.2); sys.exit(128 + number)"

    assert run_stage_and_signal(tmp_path, number, as_long_as_the_last_save) == 128 + number

    assert [path.read_text() for path in tmp_path.glob("noted-*")] == [f"{number}\n"] * 2


def test_after_a_signal_a_rendezvous_that_is_lost_is_not_sought_again(tmp_path: Path) -> None:
    lost = int(ExitCode.RENDEZVOUS_LOST)

    assert run_stage_and_signal(tmp_path, signal.SIGINT, f"sys.exit({lost})") == lost

    assert len(list(tmp_path.glob("ready-*"))) == 2


def test_where_the_agent_that_held_the_rendezvous_is_lost_all_start_again(tmp_path: Path) -> None:
    body = f"""
starts = pathlib.Path({str(tmp_path)!r}, "starts")
count = len(starts.read_text()) if starts.exists() else 0
starts.write_text("x" * (count + 1))
finish() if count else sys.exit({int(ExitCode.RENDEZVOUS_LOST)})
"""
    report = launcher(tmp_path, body).run(JOB)

    assert report.completed
    assert (tmp_path / "starts").read_text() == "xx"


def test_a_rendezvous_that_is_lost_each_time_ends_the_stage(tmp_path: Path) -> None:
    with pytest.raises(RankFailedError) as caught:
        launcher(tmp_path, f"sys.exit({int(ExitCode.RENDEZVOUS_LOST)})").run(JOB)

    assert caught.value.exit_code == ExitCode.RENDEZVOUS_LOST


def test_a_fault_of_one_agent_is_told_before_what_it_did_to_the_others(tmp_path: Path) -> None:
    body = f"""
mine = pathlib.Path({str(tmp_path)!r}, "first")
try:
    mine.open("x").close()
except FileExistsError:
    print("trainer: shard 3 is broken", file=sys.stderr); sys.exit(13)
print("trainer: lost the rendezvous", file=sys.stderr); sys.exit({int(ExitCode.RENDEZVOUS_LOST)})
"""
    with pytest.raises(RankFailedError) as caught:
        launcher(tmp_path, body, workers="2:2").run(JOB)

    assert (str(caught.value), caught.value.exit_code) == ("shard 3 is broken", 13)
