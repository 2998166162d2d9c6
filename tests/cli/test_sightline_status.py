"""`sightline status`, on records of runs as they lie in a folder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.records import StageRecord
from pipelines.cli.main import main
from pipelines.cli.processes import Process, this_process
from pipelines.cli.runs import RunRecord, StageSummary
from pipelines.cli.workspace import Workspace
from trainer.reports import RegistrationReport

ORDER = ("prepare", "train", "evaluate", "register")
PREPARED = StageSummary(state="cached", seconds=0.0, exit_code=0)
TRAINED = StageSummary(state="ran", seconds=42.1, exit_code=0, metrics={"miou": 0.6})


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace()


def save(workspace: Workspace, run: str, **changes: Any) -> None:
    stages = {"prepare": PREPARED, "train": TRAINED, "evaluate": TRAINED, "register": TRAINED}
    values = {"run": run, "pipeline": "segmentation", "recipe": "r", "started": "t", "out": "out", "workers": "2", "parameters": {}}
    more = {"command": "sightline run segmentation", "process": this_process(), "order": ORDER, "stages": stages, "state": "succeeded"}
    workspace.save(RunRecord.model_validate({**values, **more, "seconds": 61.0, "metrics": {"miou": 0.612}, **changes}))


def lines(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert main(["status", *argv]) == 0
    return capsys.readouterr().out.splitlines()


def test_where_nothing_ran_it_says_how_to_start(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys) == ["no runs yet; start one with: sightline run segmentation"]


def test_runs_are_rows_newest_first_with_stages_time_and_score(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save(workspace, "segmentation-20260101-000000-aaaa")
    save(workspace, "segmentation-20260102-000000-bbbb", state="failed", metrics={})

    header, newest, oldest = lines(capsys)

    assert header.split() == ["run", "state", "stages", "time", "score"]
    assert newest.split() == ["segmentation-20260102-000000-bbbb", "failed", "=✓✓✓", "1", "min", "01", "s"]
    assert oldest.split() == ["segmentation-20260101-000000-aaaa", "succeeded", "=✓✓✓", "1", "min", "01", "s", "miou", "0.612"]


def test_one_run_shows_each_stage_with_state_time_and_metrics(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save(workspace, "segmentation-20260101-000000-aaaa", report=str(Path.cwd() / "outputs/report.html"))

    told = lines(capsys, "last")

    assert told[0].split() == ["segmentation-20260101-000000-aaaa", "succeeded", "1", "min", "01", "s"]
    assert told[2].split() == ["prepare", "cached", "0.0", "s"]
    assert told[3].split() == ["train", "ran", "42.1", "s", "miou", "0.600"]
    assert told[-1] == "report    outputs/report.html"


def test_of_a_model_that_did_not_pass_the_gate_that_and_the_reason_are_told(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"state": "refused", "reason": "miou is too low", "name": "m", "version": "sha256:1", "number": 1, "uri": "out/models/m"}
    refused = RegistrationReport.model_validate({**told, "alias": "champion", "metrics": {}})
    run = "segmentation-20260101-000000-aaaa"
    save(
        workspace,
        run,
        stages={"prepare": PREPARED, "register": StageSummary(state="refused")},
        order=("prepare", "register"),
        model=refused,
    )

    assert lines(capsys)[1].startswith(f"{run}  gate not passed  =✗ ")
    assert lines(capsys, "last")[0].startswith(f"{run}  gate not passed  ")
    summary = json.loads(lines(capsys, "last", "--json")[0])
    assert (summary["state"], summary["model"]) == ("succeeded", told)


def test_json_is_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save(workspace, "segmentation-20260101-000000-aaaa")

    (one,) = lines(capsys, "last", "--json")
    (every,) = lines(capsys, "--json")

    assert json.loads(one)["stages"]["train"] == {"state": "ran", "seconds": 42.1, "report": "", "exit_code": 0}
    assert json.loads(every) == [json.loads(one)]


def test_a_run_in_progress_shows_what_its_stages_have_told(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    run = "segmentation-20260101-000000-aaaa"
    save(workspace, run, state="running", process=this_process())
    started = StageRecord(stage="train", state="started", parameters={})
    (workspace.run_folder(run) / "stages").mkdir()
    (workspace.run_folder(run) / "stages/train.json").write_bytes(started.to_bytes())

    assert lines(capsys)[1].split()[1:3] == ["running", "=…··"]


def test_a_run_whose_process_is_gone_was_interrupted(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    save(workspace, "segmentation-20260101-000000-aaaa", state="running", process=Process(pid=gone.pid, started="12345"))

    assert lines(capsys)[1].split()[1:3] == ["interrupted", "····"]


def test_a_record_that_cannot_be_read_is_told_and_hides_no_other(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save(workspace, "segmentation-20260101-000000-aaaa")
    for run in ("segmentation-20260102-000000-bbbb", "segmentation-20260103-000000-cccc"):
        save(workspace, run)
        (workspace.run_folder(run) / "run.json").write_text('{"of": "another version"}')

    _, readable, *unreadable = lines(capsys)
    (text,) = lines(capsys, "--json")

    assert readable.split()[:2] == ["segmentation-20260101-000000-aaaa", "succeeded"]
    assert [line.split()[:2] for line in unreadable] == [
        ["segmentation-20260103-000000-cccc", "unreadable"], ["segmentation-20260102-000000-bbbb", "unreadable"],
    ]  # fmt: skip
    assert "is not a RunRecord of this version" in unreadable[0]
    assert [run["state"] for run in json.loads(text)] == ["succeeded", "unreadable", "unreadable"]
    assert main(["status", "last"]) == 1


def test_where_no_record_can_be_read_it_does_not_say_that_there_are_none(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    save(workspace, "segmentation-20260101-000000-aaaa")
    (workspace.run_folder("segmentation-20260101-000000-aaaa") / "run.json").write_text("")

    header, row = lines(capsys)

    assert header.split()[0] == "run"
    assert row.split()[1] == "unreadable"
