"""Wrong usage: one clear line on stderr, and exit code 2."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sightline_process import COMMAND, environment, sightline

from pipelines.cli.main import main


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def exit_code(argv: list[str]) -> int:
    try:
        return main(argv)
    except SystemExit as end:
        return int(end.code or 0)


RUN = ["run", "segmentation"]
SET = [*RUN, "--set"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "COMMAND"),
        (["rum"], "invalid choice: 'rum'"),
        (["run"], "PIPELINE"),
        (
            ["run", "segmentaton"],
            "no pipeline 'segmentaton' (did you mean segmentation?); there are: segmentation, classification",
        ),
        ([*RUN, "--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        ([*RUN, "--rec", "segmentation-digits"], "unrecognized arguments: --rec"),
        ([*RUN, "--workers"], "expected one argument"),
        ([*RUN, "--workers", "0"], "workers='0' is neither a number from 1 nor MIN:MAX"),
        ([*RUN, "--workers", "4:2"], "write 2:4"),
        ([*RUN, "--data", "images"], "give --recipe, one of segmentation, segmentation-digits, segmentation-microscopy, or a .yaml file"),
        ([*RUN, "--data", "images"], "of your own, begun with: sightline config segmentation > my.yaml"),
        (["run", "classification", "--data", "images"], "classification-digits, or a .yaml file of your own"),
        ([*RUN, "--recipe", "segmentation-digit"], "did you mean segmentation-digits?"),
        ([*RUN, "--recipe", "none.yaml"], "there is no file none.yaml"),
        ([*RUN, "--recipe", "segmentation-digits", "--data", "images"], "add --source masks"),
        ([*RUN, "--source", "mask"], "did you mean masks?"),
        ([*RUN, "--out", "gs://bucket/x"], "unknown scheme gs://"),
        ([*SET, "schedule.total_stpes=3"], "did you mean total_steps?"),
        ([*SET, "schedule.totl=3"], "there is no schedule.totl; schedule of cosine has: peak_lr"),
        ([*SET, "schedule.total_steps=ten"], "schedule.total_steps='ten'"),
        ([*SET, "schedule.total_steps=-1"], "schedule.total_steps=-1"),
        ([*SET, "schedule.total_steps=10"], "warmup_steps=50 is not below total_steps=10"),
        ([*SET, "schedule"], "is not of the form section.key=value"),
        ([*SET, "registration.metric=top1"], "registration.metric=top1 is not a metric of task segmentation"),
        (["rerun", "last"], "there is no run last"),
        (["rerun", "nope"], "there is no run nope"),
        (["rerun"], "RUN"),
        (
            ["rerun", "last", "--set", "training.seed=1"],
            "no changes; for --set, start a new one with sightline run; see sightline rerun --help",
        ),
        (["rerun", "last", "--fresh"], "takes no changes; for --fresh"),
        (["status", "nope"], "there is no run nope"),
        (["config", "nope"], "there is no recipe 'nope'"),
        (["config"], "RECIPE"),
        (["config", "segmentation-digits", "--schema"], "--schema: not allowed with argument RECIPE"),
        (["gc"], "OUT"),
        (["gc", "gs://bucket"], "unknown scheme gs://"),
        (["completion"], "SHELL"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(argv: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert exit_code(argv) == 2

    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_several_wrong_keys_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code([*SET, "data.flap=1", "--set", "model.nome=x"]) == 2

    first, second = capsys.readouterr().err.splitlines()
    assert "data.flap" in first
    assert "model.nome" in second


def test_help_succeeds_and_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--help"]) == 0
    assert "usage: sightline" in capsys.readouterr().out


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_stdout_is_one_line_and_exit_code_1(unbuffered: str) -> None:
    variables = {**environment(), "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "status"], env=variables, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "sightline status: [Errno 28] No space left on device\n")


def test_a_reader_that_has_read_enough_is_told_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "status"], env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".sightline").write_text("in the way of a folder")

    told = sightline(tmp_path, *RUN, "--out", str(tmp_path / "out"))

    assert told.exit_code == 1
    assert told.err.startswith("sightline run: ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("argv", [RUN, ["rerun", "last"]])
def test_a_missing_extra_is_told_with_the_command_that_installs_it(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kfp", None)  # as if it were not installed

    assert exit_code(argv) == 2
    assert "pip install 'sightline[pipelines]'" in capsys.readouterr().err
