"""What stages leave behind."""

from pathlib import Path

import pytest

from components.records import StageRecord, keep, read_record, recall, stage_key

PARAMETERS = {"config": "{}", "out": "outputs", "attempt": "a", "code_version": "1"}


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_EVENTS", str(tmp_path / "runs/r/events.jsonl"))
    monkeypatch.setenv("SIGHTLINE_STAGES", str(tmp_path / "stages"))
    return tmp_path / "stages"


def record(**changes: object) -> StageRecord:
    return StageRecord.model_validate({"stage": "train", "state": "ran", "parameters": PARAMETERS, **changes})


def test_what_a_stage_does_is_named_by_its_parameters_but_not_by_the_attempt() -> None:
    assert stage_key("train", PARAMETERS) == stage_key("train", {**PARAMETERS, "attempt": "b"})
    assert stage_key("train", PARAMETERS) != stage_key("train", {**PARAMETERS, "code_version": "2"})
    assert stage_key("train", PARAMETERS) != stage_key("evaluate", PARAMETERS)


def test_a_stage_that_ran_is_recalled_by_its_parameters_in_any_later_run(memory: Path) -> None:
    keep(record(outputs={"checkpoint": "there"}))

    found = recall(memory, "train", {**PARAMETERS, "attempt": "another"})

    assert found is not None
    assert found.outputs == {"checkpoint": "there"}
    assert found.parameters["attempt"] == "a"


def test_the_record_lies_beside_the_events_too(memory: Path) -> None:
    keep(record(seconds=1.5))

    beside = read_record(memory.parent / "runs/r/stages/train.json")

    assert beside == record(seconds=1.5)


@pytest.mark.parametrize("state", ["started", "failed", "refused"])
def test_a_stage_that_did_not_run_to_a_good_end_is_not_recalled(state: str, memory: Path) -> None:
    keep(record(state=state))

    assert recall(memory, "train", PARAMETERS) is None
    assert read_record(memory.parent / "runs/r/stages/train.json") == record(state=state)


def test_nothing_is_written_where_the_environment_names_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SIGHTLINE_EVENTS", "SIGHTLINE_STAGES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)

    keep(record())

    assert list(tmp_path.iterdir()) == []
