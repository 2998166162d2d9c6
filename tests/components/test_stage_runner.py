"""One runner for all stages: records, events, errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.records import StageRecord, read_record, recall
from components.stages import Outcome, run_stage
from trainer.canonical import canonical_json
from trainer.config import RunConfig
from trainer.errors import ConfigError, DataError, ExitCode

PARAMETERS = {"config": canonical_json({"evaluation": {"examples": 3}}), "out": "outputs", "attempt": "a", "code_version": "1"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SIGHTLINE_PARENT", raising=False)
    monkeypatch.setenv("SIGHTLINE_EVENTS", str(tmp_path / "events.jsonl"))
    monkeypatch.setenv("SIGHTLINE_STAGES", str(tmp_path / "memory"))
    return tmp_path


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def record_of(folder: Path) -> StageRecord:
    record = read_record(folder / "stages/evaluate.json")
    assert record is not None
    return record


def succeed(config: RunConfig) -> Outcome:
    return Outcome({"report": f"{config.evaluation.examples} examples"}, documents=("a",), report="r", metrics={"miou": 0.5})


def test_the_work_gets_the_parsed_config_and_its_outputs_are_handed_on(folder: Path) -> None:
    assert run_stage("evaluate", PARAMETERS, succeed) == {"report": "3 examples"}


def test_success_is_told_by_events_and_by_the_record(folder: Path) -> None:
    run_stage("evaluate", PARAMETERS, succeed)

    started, finished = events(folder)
    assert (started["event"], started["stage"]) == ("stage_started", "evaluate")
    assert (finished["event"], finished["state"], finished["metrics"], finished["report"]) == ("stage_finished", "ran", {"miou": 0.5}, "r")
    record = record_of(folder)
    assert (record.state, record.exit_code, record.parameters, record.documents) == ("ran", 0, PARAMETERS, ("a",))
    assert recall(folder / "memory", "evaluate", PARAMETERS) == record


def test_a_stage_is_recorded_as_started_before_its_work_so_that_a_killed_one_is_seen(folder: Path) -> None:
    seen: list[str] = []

    def look(config: RunConfig) -> Outcome:
        seen.append(record_of(folder).state)
        return succeed(config)

    run_stage("evaluate", PARAMETERS, look)

    assert seen == ["started"]


@pytest.mark.parametrize(
    ("error", "exit_code", "cause"),
    [
        (DataError("mask 7.png\nholds 300"), ExitCode.DATA, "mask 7.png holds 300"),
        (ConfigError("no"), ExitCode.USAGE, "no"),
        (ZeroDivisionError("division by zero"), ExitCode.UNCLASSIFIED, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_failure_is_told_on_one_line_with_its_exit_code_and_goes_on_to_kfp(
    error: Exception, exit_code: int, cause: str, folder: Path
) -> None:
    def fail(_config: RunConfig) -> Outcome:
        raise error

    with pytest.raises(type(error)):
        run_stage("evaluate", PARAMETERS, fail)

    failed = events(folder)[-1]
    assert (failed["event"], failed["exit_code"], failed["cause"]) == ("stage_failed", exit_code, cause)
    record = record_of(folder)
    assert (record.state, record.exit_code, record.cause) == ("failed", exit_code, cause)
    assert recall(folder / "memory", "evaluate", PARAMETERS) is None


def test_a_config_that_cannot_be_read_fails_the_stage_like_any_other_error(folder: Path) -> None:
    with pytest.raises(ConfigError):
        run_stage("evaluate", {**PARAMETERS, "config": '{"evaluation": {"exampels": 1}}'}, succeed)

    assert record_of(folder).exit_code == ExitCode.USAGE


def test_a_gate_that_was_not_passed_is_no_failure(folder: Path) -> None:
    outcome = Outcome({}, (), "r", state="refused", exit_code=ExitCode.GATE_NOT_PASSED)

    run_stage("evaluate", PARAMETERS, lambda _config: outcome)

    assert (record_of(folder).state, record_of(folder).exit_code) == ("refused", 3)
    assert events(folder)[-1]["state"] == "refused"


def test_on_a_full_disk_the_first_cause_is_told_and_what_could_not_be_kept_is_noted(folder: Path) -> None:
    def fill_the_disk(_config: RunConfig) -> Outcome:
        shutil.rmtree(folder / "stages")
        (folder / "stages").write_bytes(b"")  # so no record can be written
        (folder / "events.jsonl").unlink()
        (folder / "events.jsonl").symlink_to("/dev/full")  # the kernel's own full disk
        raise DataError("mask 7.png holds 300")

    with pytest.raises(DataError, match=r"mask 7\.png holds 300") as caught:
        run_stage("evaluate", PARAMETERS, fill_the_disk)

    of_record, of_event = caught.value.__notes__
    assert "stages" in of_record
    assert "No space left on device" in of_event


def test_where_only_the_record_cannot_be_kept_the_event_still_tells_the_cause(folder: Path) -> None:
    def fail(_config: RunConfig) -> Outcome:
        shutil.rmtree(folder / "stages")
        (folder / "stages").write_bytes(b"")
        raise DataError("mask 7.png holds 300")

    with pytest.raises(DataError):
        run_stage("evaluate", PARAMETERS, fail)

    assert events(folder)[-1]["cause"] == "mask 7.png holds 300"
