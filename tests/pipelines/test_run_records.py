"""What becomes of a run and of its stages."""

from pathlib import Path
from typing import Any

import pytest

from components.records import StageRecord
from pipelines.cli.processes import Process, this_process
from pipelines.cli.runs import KILLED, RunRecord, StageSummary, summaries
from pipelines.cli.workspace import Workspace, new_run_id
from trainer.errors import ConfigError
from trainer.reports import RegistrationReport

ORDER = ("prepare", "train", "evaluate", "register")
REGISTRATION = RegistrationReport(
    state="promoted", reason="first", name="m", version="abc", number=1, uri="out/models/m", alias="champion", metrics={"miou": 0.5}
)


def stage(name: str, state: str = "ran", **changes: Any) -> StageRecord:
    return StageRecord.model_validate({"stage": name, "state": state, "parameters": {}, **changes})


def run(**changes: Any) -> RunRecord:
    stages = {name: StageSummary(state="not reached") for name in ORDER}
    values = {"run": "segmentation-20260101-000000-aaaa", "pipeline": "segmentation", "recipe": "segmentation-digits", "state": "running"}
    more = {"started": "2026-01-01T00:00:00+00:00", "out": "out", "workers": "2", "command": "sightline run", "parameters": {}}
    return RunRecord.model_validate({**values, **more, "process": this_process(), "order": ORDER, "stages": stages, **changes})


def states(records: dict[str, StageRecord], run_state: Any) -> list[str]:
    return [summary.state for summary in summaries(ORDER, records, {}, run_state).values()]


@pytest.mark.parametrize(
    ("records", "run_state", "expected"),
    [
        ([], "succeeded", ["cached", "cached", "cached", "cached"]),
        ([("register", "ran")], "succeeded", ["cached", "cached", "cached", "ran"]),
        ([("register", "refused")], "succeeded", ["cached", "cached", "cached", "refused"]),
        ([("prepare", "ran"), ("train", "failed")], "failed", ["ran", "failed", "not reached", "not reached"]),
        ([("train", "failed")], "failed", ["cached", "failed", "not reached", "not reached"]),
        ([("train", "started")], "failed", ["cached", "failed", "not reached", "not reached"]),
        ([("train", "started")], "interrupted", ["cached", "failed", "not reached", "not reached"]),
        ([("train", "started")], "running", ["cached", "running", "not reached", "not reached"]),
        ([], "failed", ["not reached"] * 4),
    ],
)
def test_the_records_of_a_run_tell_what_became_of_each_stage(records: list[tuple[str, str]], run_state: str, expected: list[str]) -> None:
    assert states({name: stage(name, state) for name, state in records}, run_state) == expected


def test_a_stage_that_was_killed_says_so() -> None:
    killed = summaries(ORDER, {"train": stage("train", "started")}, {}, "failed")["train"]

    assert (killed.exit_code, killed.cause) == (1, KILLED)


def test_a_cached_stage_repeats_the_report_and_the_metrics_of_when_it_ran() -> None:
    before = stage("evaluate", report="r", metrics={"miou": 0.5}, seconds=9.0)

    cached = summaries(ORDER, {"register": stage("register")}, {"evaluate": before}, "succeeded")["evaluate"]

    assert cached == StageSummary(state="cached", seconds=0.0, exit_code=0, report="r", metrics={"miou": 0.5})


def test_a_finished_run_takes_metrics_and_page_from_evaluate_cached_or_not_and_the_model_from_register() -> None:
    evaluated = stage("evaluate", page="page.html", metrics={"miou": 0.5})
    registered = stage("register", registration=REGISTRATION)

    ran = run().finished("succeeded", 2.0, {"evaluate": evaluated, "register": registered}, {})
    cached = run().finished("succeeded", 2.0, {"register": registered}, {"evaluate": evaluated})

    for record in (ran, cached):
        assert (record.metrics, record.report, record.model) == ({"miou": 0.5}, "page.html", REGISTRATION)


def test_a_run_that_failed_before_evaluate_has_no_metrics_though_they_were_expected() -> None:
    failed = run().finished("failed", 2.0, {"train": stage("train", "failed")}, {"evaluate": stage("evaluate", metrics={"miou": 0.5})})

    assert (failed.metrics, failed.report, failed.model) == ({}, "", None)


def test_the_summary_has_the_promised_shape() -> None:
    record = run().finished("succeeded", 2.0, {"register": stage("register", registration=REGISTRATION, seconds=0.5, report="u")}, {})

    summary = record.summary()

    assert list(summary) == ["run", "state", "stages", "metrics", "model", "report"]
    assert list(summary["stages"]) == list(ORDER)
    assert summary["stages"]["register"] == {"state": "ran", "seconds": 0.5, "report": "u", "exit_code": 0}
    told = {"name": "m", "version": "abc", "number": 1, "uri": "out/models/m", "state": "promoted", "reason": "first"}
    assert summary["model"] == told


def test_a_run_is_read_back_as_it_was_saved_its_stages_in_order(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / ".sightline")
    workspace.save(run())

    again = workspace.load(run().run)

    assert again == run()
    assert tuple(again.stages) == ORDER


def test_runs_are_listed_newest_first_whatever_their_pipeline(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("b-20260101-000000-aaaa", "a-20260301-000000-bbbb", "b-20260201-000000-cccc"):
        workspace.save(run(run=name))

    assert workspace.runs() == ["a-20260301-000000-bbbb", "b-20260201-000000-cccc", "b-20260101-000000-aaaa"]
    assert workspace.load("last").run == "a-20260301-000000-bbbb"


@pytest.mark.parametrize("name", ["last", "nope", "../../etc"])
def test_a_run_that_is_not_there_is_a_config_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run"):
        Workspace(tmp_path).load(name)


def test_a_run_id_holds_its_pipeline_and_no_two_are_alike() -> None:
    first, second = new_run_id("segmentation"), new_run_id("segmentation")

    assert first.startswith("segmentation-20")
    assert first != second


def test_a_process_that_took_over_a_process_id_is_not_the_one_that_had_it() -> None:
    from pipelines.cli.processes import is_alive

    here = this_process()

    assert is_alive(here)
    assert not is_alive(Process(pid=here.pid, started="1"))
