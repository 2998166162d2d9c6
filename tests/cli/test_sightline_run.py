"""`sightline run` and `rerun`, whole: the compiled pipeline, kfp's local runner, real stages, a tiny training."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sightline_process import COMMAND, Answer, environment, settings, sightline

from pipelines.cli.main import main
from tests.processes import wait_until

Foretell = Callable[..., dict[str, Any]]

TINY = settings(
    source__train_scenes=16, source__val_scenes=8, schedule__total_steps=2, schedule__warmup_steps=1, training__global_batch=4,
    training__evaluate_every_steps=0, model__channels=32, evaluation__examples=2, registration__minimum=0.0, registration__max_drop=1.0,
)  # fmt: skip
ALL_RAN = {"prepare": "ran", "train": "ran", "evaluate": "ran", "register": "ran"}
ALL_CACHED = {"prepare": "cached", "train": "cached", "evaluate": "cached", "register": "ran"}

pytestmark = pytest.mark.xdist_group("run")  # so that what is made once is made once


def run(folder: Path, *arguments: str) -> Answer:
    return sightline(folder, "run", "segmentation", "--json", "--workers", "1", *TINY, *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which the tiny run has been done; it has packages of its own that are named like ours."""
    folder = tmp_path_factory.mktemp("workspace")
    for package in ("trainer", "components", "pipelines"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise ImportError('the wrong package')")
    return folder


@pytest.fixture(scope="module")
def first(folder: Path) -> Answer:
    return run(folder)


def test_the_first_run_runs_every_stage_and_ends_with_one_line_of_json(first: Answer) -> None:
    assert (first.exit_code, first.states) == (0, ALL_RAN), first.err
    summary = first.summary
    assert summary["state"] == "succeeded"
    assert 0 <= summary["metrics"]["miou"] <= 1
    assert summary["model"]["name"] == "segmentation-digits"
    assert Path(summary["report"]).read_text().lstrip().lower().startswith("<!doctype html")
    for stage in summary["stages"].values():
        assert stage["seconds"] >= 0
        assert stage["exit_code"] == 0
        assert Path(stage["report"]).exists()


def test_what_a_person_sees_is_a_line_for_each_stage_then_the_report_and_the_model(first: Answer) -> None:
    lines = first.err.splitlines()

    assert [line.split()[1] for line in lines if line.startswith("✓")] == list(ALL_RAN)
    assert [line.split()[0] for line in lines[-2:]] == ["report", "model"]
    assert "\x1b" not in first.err


def test_the_run_is_kept_in_out_with_its_stages_and_events(first: Answer, folder: Path) -> None:
    kept = folder / "outputs/runs" / first.summary["run"]

    record = json.loads((kept / "run.json").read_text())
    assert (record["state"], record["pipeline"], record["workers"]) == ("succeeded", "segmentation", "1")
    assert record["parameters"]["launcher"] == "local"
    assert sorted(path.stem for path in (kept / "stages").iterdir()) == sorted(ALL_RAN)
    assert '"stage_finished"' in (kept / "events.jsonl").read_text()


def test_all_that_the_run_has_made_is_referred_to_by_the_run_and_by_its_alias(first: Answer, folder: Path, tmp_path: Path) -> None:
    def told() -> tuple[int, list[str]]:
        answer = sightline(tmp_path, "gc", str(folder / "outputs"), "--json").summary  # from where no run was started
        return answer["kept"], [found["key"].split("/")[0] for found in answer["unreferenced"]]

    assert told() == (3, [])
    (folder / "outputs/runs").rename(folder / "runs")
    assert told() == (3, [])
    (folder / "outputs/models").rename(folder / "models")
    try:
        assert told() == (0, ["datasets", "evaluations", "training"])
    finally:
        for name in ("runs", "models"):
            (folder / name).rename(folder / "outputs" / name)


@pytest.fixture
def foretell(first: Answer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Foretell:
    """The same run with `--dry-run`, in this process, which has torch already."""
    monkeypatch.chdir(folder)

    def foretell(*flags: str) -> dict[str, Any]:
        assert main(["run", "segmentation", "--json", "--workers", "1", *TINY, "--dry-run", *flags]) == 0
        return json.loads(capsys.readouterr().out)

    return foretell


def test_a_dry_run_tells_what_is_cached_and_what_is_adopted_and_writes_nothing(foretell: Foretell, folder: Path) -> None:
    def states(*flags: str) -> list[str]:
        return [stage["state"] for stage in foretell(*flags)["stages"].values()]

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    cached, changed, fresh = states(), states("--set", "evaluation.examples=1"), states("--fresh")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    assert cached == ["cached", "cached", "cached", "runs"]
    assert changed == ["cached", "cached", "runs", "runs"]
    assert fresh == ["cached", "runs", "runs", "runs"]
    (folder / ".sightline/stages").rename(folder / "stages")
    try:
        assert states() == ["adopts", "adopts", "runs", "runs"]
    finally:
        (folder / "stages").rename(folder / ".sightline/stages")


def test_a_dry_run_foretells_how_large_checkpoints_and_shards_are(foretell: Foretell, folder: Path) -> None:
    sizes = foretell()["sizes"]

    (checkpoint,) = folder.glob("outputs/training/*/checkpoints/*")
    assert sizes["checkpoint"] == pytest.approx(sum(path.stat().st_size for path in checkpoint.iterdir()), rel=0.1)
    assert sizes["prepared"] == pytest.approx(sum(path.stat().st_size for path in folder.glob("outputs/datasets/*/*.tar")), rel=0.3)


def test_the_same_run_again_is_cached_and_quick(first: Answer, folder: Path) -> None:
    begin = time.monotonic()
    again = run(folder)

    assert (again.exit_code, again.states) == (0, ALL_CACHED), again.err
    assert time.monotonic() - begin < 20
    for field in ("metrics", "report"):
        assert again.summary[field] == first.summary[field]
    assert again.summary["model"] == {**first.summary["model"], "state": "adopted", "reason": "it is champion already"}
    assert again.err.splitlines()[0].split() == ["✓", "prepare", "cached"]


def test_another_evaluation_setting_runs_evaluate_and_register_only(first: Answer, folder: Path) -> None:
    changed = run(folder, "--set", "evaluation.examples=1")

    assert changed.states == {"prepare": "cached", "train": "cached", "evaluate": "ran", "register": "ran"}, changed.err


def test_everything_runs_again_where_out_was_deleted(first: Answer, folder: Path) -> None:
    shutil.rmtree(folder / "outputs")

    again = run(folder)

    assert (again.exit_code, again.states) == (0, ALL_RAN), again.err
    assert again.summary["metrics"] == first.summary["metrics"]


def test_a_stage_that_failed_is_rerun_with_those_behind_it_only(first: Answer, folder: Path) -> None:
    evaluations = folder / "outputs/evaluations"
    shutil.rmtree(evaluations)
    evaluations.write_text("in the way of a folder")

    failed = run(folder)
    evaluations.unlink()
    rerun = sightline(folder, "rerun", "last", "--json")

    assert failed.exit_code == 1
    assert failed.states == {"prepare": "cached", "train": "cached", "evaluate": "failed", "register": "not reached"}
    assert failed.summary["stages"]["evaluate"]["exit_code"] not in {0, None}
    told = failed.err.splitlines()
    assert [line.split()[0] for line in told[-3:]] == ["cause", "log", "go"]
    assert f"sightline rerun {failed.summary['run']}" in told[-1]
    assert (rerun.exit_code, rerun.states) == (0, {"prepare": "cached", "train": "cached", "evaluate": "ran", "register": "ran"}), rerun.err


def test_a_run_that_did_not_fail_is_rerun_only_from_a_named_stage(first: Answer, folder: Path) -> None:
    name = first.summary["run"]

    refused = sightline(folder, "rerun", name)
    unknown = sightline(folder, "rerun", name, "--stage", "evaluat")
    named = sightline(folder, "rerun", name, "--stage", "register", "--json")

    assert (refused.exit_code, unknown.exit_code) == (2, 2)
    assert "name the stage to repeat from" in refused.err
    assert "has no stage 'evaluat'" in unknown.err
    assert named.states == ALL_CACHED, named.err


def test_a_gate_that_is_not_passed_is_no_failure_but_exit_code_3(first: Answer, folder: Path) -> None:
    refused = run(folder, *settings(registration__name="strict", registration__minimum=2.0))

    assert (refused.exit_code, refused.summary["state"]) == (3, "succeeded"), refused.err
    assert refused.states == {**ALL_CACHED, "register": "refused"}
    assert refused.summary["model"]["version"] == first.summary["model"]["version"]
    assert (refused.summary["model"]["state"], refused.summary["model"]["number"]) == ("refused", 1)
    assert "2.0000" in refused.summary["model"]["reason"]


def test_fresh_trains_anew_and_its_result_is_what_the_next_run_finds(first: Answer, folder: Path) -> None:
    fresh = run(folder, "--fresh")
    after = run(folder)

    assert fresh.states == {**ALL_RAN, "prepare": "cached"}, fresh.err
    assert after.states == ALL_CACHED
    assert after.summary["report"] == fresh.summary["report"]


def test_a_run_whose_record_out_does_not_take_has_not_succeeded(first: Answer, folder: Path) -> None:
    known = set(folder.glob("outputs/runs/*"))
    command = [*COMMAND, "run", "segmentation", "--json", "--workers", "1", *TINY]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_until(lambda: set(folder.glob("outputs/runs/*")) - known, 60)
        (kept,) = set(folder.glob("outputs/runs/*")) - known
        shutil.rmtree(kept)
        kept.write_text("in the way of a folder")
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()

    assert process.returncode == 1
    assert json.loads(out)["state"] == "failed"
    assert {stage["state"] for stage in json.loads(out)["stages"].values()} <= {"cached", "ran"}
    assert f"record   not kept in OUT: {kept}" in err
    kept.unlink()


def test_a_run_whose_out_cannot_be_written_does_not_begin(folder: Path) -> None:
    (folder / "file").write_text("in the way of a folder")

    refused = run(folder, "--out", "file")

    assert refused.exit_code == 1
    assert refused.out == ""
    assert refused.err.startswith("sightline run: ")


def test_a_setting_that_only_a_stage_can_judge_is_wrong_usage_too(first: Answer, folder: Path) -> None:
    refused = run(folder, "--set", "model.backbone=resnet_18")

    assert refused.exit_code == 2
    assert refused.states == {"prepare": "cached", "train": "failed", "evaluate": "not reached", "register": "not reached"}
    assert "model.backbone='resnet_18' is not a timm model" in refused.err
