"""`sightline gc`, on what runs, evaluations and a registry leave behind in a folder and in a bucket."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.records import StageRecord
from components.registry import StoreRegistry
from pipelines.cli.gc import Findings, delete_garbage, look_through
from pipelines.cli.main import main
from pipelines.cli.processes import Process, this_process
from pipelines.cli.references import ReferenceWatch
from pipelines.cli.runs import RunRecord, StageSummary
from pipelines.cli.workspace import Workspace
from tests.registry.models import SPEC
from tests.report_documents import evaluation
from trainer.canonical import canonical_json, sha256_digest, short
from trainer.config import RegistrationConfig, RunConfig
from trainer.reports import FileDigest
from trainer.storage import FolderStore, Store, join, open_store

SETS = {"used": "datasets/" + "a" * 16, "spare": "datasets/" + "b" * 16}
OTHER_TRAINING = "training/" + "c" * 16
WATCH = ("--watch", "1")
EVALUATIONS = {"used": "evaluations/" + "d" * 16, "spare": "evaluations/" + "e" * 16}


@dataclass(frozen=True)
class Outputs:
    """OUT, and what the command says of it."""

    uri: str
    capsys: pytest.CaptureFixture[str]

    @property
    def store(self) -> Store:
        return open_store(self.uri)

    def put(self, folder: str, **files: bytes) -> str:
        """Write `manifest_json=b"…"` as manifest.json."""
        for name, data in files.items():
            self.store.put(f"{folder}/{name.replace('__', '/').replace('_json', '.json')}", data)
        return join(self.uri, folder)

    def put_run(self, run: str, state: str = "succeeded", process: Process | None = None, **stages: StageRecord) -> RunRecord:
        values: dict[str, Any] = {"run": run, "pipeline": "segmentation", "recipe": "r", "started": "t", "out": self.uri, "workers": "2"}
        more = {"parameters": {}, "command": "", "process": process or this_process(), "order": tuple(stages), "state": state}
        summaries = {name: StageSummary(state="ran", report=stage.report) for name, stage in stages.items()}
        record = RunRecord.model_validate({**values, **more, "stages": summaries})
        self.store.put(f"runs/{run}/run.json", record.to_bytes())
        for name, stage in stages.items():
            self.store.put(f"runs/{run}/stages/{name}.json", stage.to_bytes())
        return record

    def gc(self, *flags: str) -> dict[str, Any]:
        assert main(["gc", self.uri, "--json", *WATCH, *flags]) == 0
        return json.loads(self.capsys.readouterr().out)

    def lines(self, *flags: str) -> list[str]:
        assert main(["gc", self.uri, *WATCH, *flags]) == 0
        return self.capsys.readouterr().out.splitlines()

    def folders(self) -> set[str]:
        return {"/".join(entry.key.split("/")[:2]) for entry in self.store.keys()}


@pytest.fixture(params=["folder", "s3"])
def out(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Outputs:
    monkeypatch.chdir(tmp_path)
    return Outputs("outputs" if request.param == "folder" else request.getfixturevalue("bucket") + "/out", capsys)


@pytest.fixture
def folder_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Outputs:
    monkeypatch.chdir(tmp_path)
    return Outputs("outputs", capsys)


def prepared(out: Outputs, folder: str) -> StageRecord:
    """A prepared set, and the record of the stage that made it."""
    uri = out.put(folder, train_0000=b"shard", manifest_json=b"{}")
    manifest = join(uri, "manifest.json")
    return StageRecord(stage="prepare", state="ran", parameters={}, outputs={"dataset": uri}, documents=(manifest,), report=manifest)


def trained_from(**values: Any) -> tuple[str, dict[str, str]]:
    """The folder of a training that has just begun, and the parameters of its stage."""
    config, data_digest = RunConfig.model_validate(values), "sha256:" + "1" * 64
    sections = config.sections("data", "model", "task", "optimiser", "schedule", "training", "loader", "checkpoint", "telemetry")
    return f"training/{short(config.train_digest(data_digest))}", {"config": canonical_json(sections), "data_digest": data_digest}


def unreferenced(told: dict[str, Any]) -> list[str]:
    return [folder["key"] for folder in told["unreferenced"]]


def spared(told: dict[str, Any]) -> dict[str, str]:
    return {folder["key"]: folder["spared"] for folder in told["unreferenced"] if folder["spared"]}


def delete_while(out: Outputs, act: Callable[[], object], *, trainings: bool = False) -> Findings:
    """Delete, with something happening after the first look."""
    watch = ReferenceWatch(out.store, Workspace())
    findings = look_through(out.store, watch, trainings=trainings)
    act()
    return delete_garbage(out.store, watch, findings, watched_since=time.monotonic(), watch_seconds=0.0)


def test_what_a_run_has_made_is_kept_and_the_rest_is_told_with_its_size(out: Outputs) -> None:
    out.put_run("segmentation-1", prepare=prepared(out, SETS["used"]))
    prepared(out, SETS["spare"])
    out.put(EVALUATIONS["spare"], pictures__1=b"1234")

    told = out.gc()

    assert told["unreferenced"] == [
        {"key": SETS["spare"], "bytes": 7, "objects": 2, "finished": True, "spared": ""},
        {"key": EVALUATIONS["spare"], "bytes": 4, "objects": 1, "finished": False, "spared": ""},
    ]
    assert (told["bytes"], told["kept"], told["deleted"]) == (11, 1, False)


def test_nothing_is_deleted_unless_it_is_asked_for(out: Outputs) -> None:
    out.put_run("segmentation-1", prepare=prepared(out, SETS["used"]))
    prepared(out, SETS["spare"])

    before = list(out.store.keys())
    out.gc()
    assert list(out.store.keys()) == before

    deleted = out.gc("--delete")
    assert (unreferenced(deleted), deleted["deleted"]) == ([SETS["spare"]], True)
    assert out.folders() == {SETS["used"], "runs/segmentation-1"}
    assert out.gc()["unreferenced"] == []


def test_a_cached_stage_has_no_record_of_its_own_but_the_run_names_its_report(out: Outputs) -> None:
    record = out.put_run("segmentation-1", prepare=prepared(out, SETS["used"]))
    out.store.delete("runs/segmentation-1/stages/prepare.json")

    assert record.stages["prepare"].report.startswith(out.uri)
    assert out.gc()["unreferenced"] == []


def test_a_run_of_another_version_still_keeps_what_it_names(out: Outputs) -> None:
    prepared(out, SETS["used"])
    out.put("runs/segmentation-1", run_json=canonical_json({"state": "succeeded", "new": f"s3://moved/{SETS['used']}/x"}).encode())

    assert out.gc()["unreferenced"] == []


@pytest.mark.parametrize("state", ["started", "failed"])
def test_a_training_that_did_not_end_is_kept_so_that_it_can_go_on(out: Outputs, state: Any) -> None:
    folder, parameters = trained_from(training={"seed": 7})
    out.put(folder, generations__0001_json=b"{}")
    out.put(OTHER_TRAINING, generations__0001_json=b"{}")
    out.put_run("segmentation-1", "interrupted", train=StageRecord(stage="train", state=state, parameters=parameters))

    assert unreferenced(out.gc()) == [OTHER_TRAINING]


def test_a_training_is_found_by_the_config_as_it_was_written_even_with_keys_of_another_version(out: Outputs) -> None:
    _, parameters = trained_from()
    sections = json.loads(parameters["config"])
    sections["model"]["of_another_version"] = 1
    parameters["config"] = canonical_json(sections)
    learnt = {name: sections[name] for name in ("data", "model", "task", "optimiser", "schedule", "training")}
    text = canonical_json({**learnt, "data_digest": parameters["data_digest"]})
    folder = f"training/{short(sha256_digest(text.encode()))}"
    out.put(folder, generations__0001_json=b"{}")
    out.put_run("segmentation-1", "interrupted", train=StageRecord(stage="train", state="started", parameters=parameters))

    assert out.gc()["unreferenced"] == []


def register(out: Outputs, weights: bytes, folders: dict[str, str]) -> None:
    """A version that takes the alias, made from a set, a training and an evaluation."""
    manifest = weights + b": data"
    out.put(folders["set"], manifest_json=manifest)
    source = open_store(out.put(folders["training"], reports__0001_json=b"{}"))
    source.put("model.safetensors", weights)
    source.put("model.json", SPEC.to_bytes())
    train_digest = "sha256:" + folders["training"].partition("/")[2].ljust(64, "0")
    report = evaluation(metrics={"miou": 0.9}, data_digest=sha256_digest(manifest), train_digest=train_digest)
    out.put(folders["evaluation"], evaluation_json=report.to_bytes())
    files = [("model.safetensors", weights), ("model.json", SPEC.to_bytes())]
    digests = tuple(FileDigest(name=name, size=len(data), digest=sha256_digest(data)) for name, data in files)
    registry = StoreRegistry(out.store, "toy")
    assert registry.promote(registry.register(source, digests, report), report, RegistrationConfig.of({})).state == "promoted"


def test_what_the_holder_of_an_alias_was_made_from_is_kept_and_of_others_only_the_version(out: Outputs) -> None:
    first = {"set": SETS["spare"], "training": OTHER_TRAINING, "evaluation": EVALUATIONS["spare"]}
    second = {"set": SETS["used"], "training": "training/" + "f" * 16, "evaluation": EVALUATIONS["used"]}
    register(out, b"one", first)
    register(out, b"two", second)

    deleted = out.gc("--delete", "--trainings")

    assert sorted(unreferenced(deleted)) == sorted(first.values())
    assert out.folders() == {*second.values(), "models/toy"}
    assert len(StoreRegistry(out.store, "toy").versions()) == 2


def test_what_no_stage_has_written_is_named_and_left_alone(out: Outputs) -> None:
    prepared(out, SETS["spare"])
    out.put("notes", a=b"1", b=b"2")
    out.put("datasets/mine", raw=b"1")
    out.store.put("datasets/list.txt", b"1")
    out.store.put("readme.txt", b"1")

    deleted = out.gc("--delete")

    assert deleted["unknown"] == ["datasets/list.txt", "datasets/mine/", "notes/", "readme.txt"]
    assert out.folders() == {"notes/a", "notes/b", "datasets/mine", "datasets/list.txt", "readme.txt"}


def test_nothing_is_deleted_while_a_run_is_on_its_way(out: Outputs) -> None:
    prepared(out, SETS["spare"])
    out.put_run("segmentation-1", "running")

    assert out.gc()["running"] == ["segmentation-1"]
    assert main(["gc", out.uri, "--delete"]) == 2
    assert "segmentation-1 is running" in out.capsys.readouterr().err
    assert SETS["spare"] in out.folders()


def test_a_run_that_was_killed_here_holds_nothing_up_and_keeps_what_its_stages_told_here(out: Outputs) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    record = out.put_run("segmentation-1", "running", Process(pid=gone.pid, started="12345"))
    workspace = Workspace()
    workspace.save(record)
    stages = FolderStore(str(workspace.run_folder(record.run) / "stages"))
    stages.put("prepare.json", prepared(out, SETS["used"]).to_bytes())
    prepared(out, SETS["spare"])

    assert unreferenced(out.gc("--delete")) == [SETS["spare"]]
    assert SETS["used"] in out.folders()


def test_a_run_that_is_alive_here_holds_deletion_up(out: Outputs) -> None:
    Workspace().save(out.put_run("segmentation-1", "running"))

    assert main(["gc", out.uri, "--delete"]) == 2


def test_a_document_that_cannot_be_read_ends_it_before_anything_is_deleted(out: Outputs) -> None:
    prepared(out, SETS["spare"])
    out.put("runs/segmentation-1", run_json=b'{"state": "succ')

    assert main(["gc", out.uri, "--delete"]) == 1
    assert "run.json is not JSON" in out.capsys.readouterr().err
    assert SETS["spare"] in out.folders()


def test_an_alias_whose_holder_is_missing_ends_it_before_anything_is_deleted(out: Outputs) -> None:
    register(out, b"one", {"set": SETS["used"], "training": OTHER_TRAINING, "evaluation": EVALUATIONS["used"]})
    for entry in list(out.store.keys("models/toy/versions/")):
        out.store.delete(entry.key)

    assert main(["gc", out.uri, "--delete"]) == 1
    assert "the holder of the alias champion is missing" in out.capsys.readouterr().err
    assert SETS["used"] in out.folders()


@pytest.mark.parametrize(
    ("folder", "commits"),
    [
        (SETS["spare"], {"manifest.json"}),
        (EVALUATIONS["spare"], {"evaluation.json"}),
        (OTHER_TRAINING, {"checkpoints/0001-000000000010/manifest.json", "reports/0001.json"}),
    ],
)
def test_deletion_that_is_cut_short_leaves_nothing_that_seems_whole(
    folder_out: Outputs, folder: str, commits: set[str], tmp_path: Path
) -> None:
    rest = {"a.tar", "checkpoints/0001-000000000010/a.safetensors", "generations/0001.json"}
    for key in {*commits, *rest}:
        folder_out.store.put(f"{folder}/{key}", b"1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"1")
    (Path("outputs") / folder / "0-link").symlink_to(elsewhere)  # nothing is deleted through it, so deletion stops there

    assert main(["gc", "outputs", "--delete", "--trainings", *WATCH]) == 1

    left = {entry.key.removeprefix(f"{folder}/") for entry in folder_out.store.keys()}
    assert left == {*rest, "0-link/file"}
    assert "symbolic link" in folder_out.capsys.readouterr().err


def test_a_stage_that_was_killed_before_its_first_file_was_whole_leaves_nothing_after_gc(folder_out: Outputs) -> None:
    folder = Path("outputs", SETS["spare"])
    folder.mkdir(parents=True)
    (folder / ".sightline-part-0123").write_bytes(b"12345")

    told = {"key": SETS["spare"], "bytes": 5, "objects": 0, "finished": False, "spared": ""}
    assert folder_out.gc("--delete")["unreferenced"] == [told]
    assert not folder.exists()


def test_a_person_is_told_a_row_each_the_total_and_how_to_go_on(folder_out: Outputs) -> None:
    folder_out.put_run("segmentation-1", prepare=prepared(folder_out, SETS["used"]))
    folder_out.put(SETS["spare"], train_0000=b"1" * 2_500_000)
    folder_out.put("notes", a=b"1")

    assert folder_out.lines() == [
        f"{SETS['spare']}        2.5 MB     1 file  prepared set, unfinished",
        "unreferenced: 1 folder, 2.5 MB; delete with: sightline gc outputs --delete",
        "kept: 1 folder, to which 1 run and 0 aliases refer",
        "not of Sightline, left alone: notes/",
    ]
    assert folder_out.lines("--delete")[1] == "deleted: 1 folder, 2.5 MB"
    assert folder_out.lines()[0] == (
        "there is nothing to delete; to let a run go, delete its folder outputs/runs/<id>, and .sightline/runs/<id> where it was started"
    )


def test_where_there_is_nothing_the_uri_is_wrong(folder_out: Outputs) -> None:
    assert main(["gc", "output"]) == 2
    assert "there is nothing at output" in folder_out.capsys.readouterr().err


def test_a_place_that_holds_nothing_of_ours_is_not_searched(out: Outputs) -> None:
    out.put("photos", a=b"1")

    assert main(["gc", out.uri]) == 2
    assert "holds none of datasets/, training/, evaluations/, models/, runs/" in out.capsys.readouterr().err

    out.put("runs/segmentation-1", run_json=b'{"state": "succeeded"}')
    assert out.gc()["unknown"] == ["photos/"]


def test_a_training_of_which_no_run_is_known_goes_only_with_a_flag_of_its_own_and_keeps_the_set_that_it_names(out: Outputs) -> None:
    used = out.put(SETS["used"], manifest_json=b"{}")
    prepared(out, SETS["spare"])
    out.put(OTHER_TRAINING, reports__0001_json=canonical_json({"dataset": used}).encode())

    told = out.gc("--delete")

    assert spared(told) == {
        SETS["used"]: f"{OTHER_TRAINING} may read it; --trainings lets both go",
        OTHER_TRAINING: "no run is known that made it; --trainings lets it go",
    }
    assert out.folders() == {SETS["used"], OTHER_TRAINING}

    out.gc("--delete", "--trainings")
    assert out.folders() == set()


def test_an_unfinished_training_of_which_no_run_is_known_keeps_every_prepared_set(out: Outputs) -> None:
    prepared(out, SETS["spare"])
    out.put(EVALUATIONS["spare"], evaluation_json=b"{}")
    out.put(OTHER_TRAINING, generations__0001_json=b"{}")

    assert set(spared(out.gc("--delete"))) == {SETS["spare"], OTHER_TRAINING}
    assert out.folders() == {SETS["spare"], OTHER_TRAINING}


def test_the_flag_and_its_reason_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["gc", "--help"])

    assert "no run is known that made them" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("folder", [SETS["spare"], OTHER_TRAINING])
def test_what_is_being_written_is_kept_and_told(folder: str, out: Outputs) -> None:
    out.put(folder, train_0000=b"shard")

    done = delete_while(out, lambda: out.put(folder, train_0001=b"shard"), trainings=True)

    assert done.spared == {folder: "it has changed while it was watched, so somebody is writing it"}
    assert (done.bytes, out.folders()) == (0, {folder})


def test_a_file_that_grows_on_disk_before_it_has_its_name_is_being_written_too(folder_out: Outputs) -> None:
    part = Path("outputs", SETS["spare"], ".sightline-part-0123")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"1")

    done = delete_while(folder_out, lambda: part.write_bytes(b"12"))

    assert list(done.spared) == [SETS["spare"]]
    assert part.read_bytes() == b"12"


@pytest.mark.parametrize(("finished", "waits"), [(False, True), (True, False)])
def test_between_the_looks_at_what_is_unfinished_lies_the_time_that_was_asked_for(finished: bool, waits: bool, folder_out: Outputs) -> None:
    folder_out.put(SETS["spare"], **{"manifest_json" if finished else "train_0000": b"1"})
    begin = time.monotonic()

    folder_out.gc("--delete", "--watch", "3")

    assert (time.monotonic() - begin >= 3) == waits


def test_a_run_that_has_begun_since_the_first_look_holds_all_up(out: Outputs) -> None:
    prepared(out, SETS["spare"])
    out.put(EVALUATIONS["spare"], pictures__1=b"1")

    done = delete_while(out, lambda: out.put_run("segmentation-1", "running"))

    assert set(done.spared.values()) == {"segmentation-1 is running, and may come to need it"}
    assert done.references.running == ("segmentation-1",)
    assert out.folders() == {SETS["spare"], EVALUATIONS["spare"], "runs/segmentation-1"}


def test_what_a_run_that_came_and_went_since_the_first_look_has_adopted_is_kept(out: Outputs) -> None:
    adopted = prepared(out, SETS["used"])
    prepared(out, SETS["spare"])

    done = delete_while(out, lambda: out.put_run("segmentation-1", prepare=adopted))

    assert done.spared == {SETS["used"]: "it is referred to by now"}
    assert out.folders() == {SETS["used"], "runs/segmentation-1"}


class StoreWhereARunBegins(FolderStore):
    """A run begins as soon as something is deleted."""

    def delete(self, key: str) -> None:
        super().delete(key)
        self.put("runs/segmentation-1/run.json", b'{"state": "running"}')


def test_a_run_that_begins_between_two_deletions_keeps_what_was_still_to_go(folder_out: Outputs) -> None:
    prepared(folder_out, SETS["used"])
    prepared(folder_out, SETS["spare"])
    store = StoreWhereARunBegins("outputs")
    watch = ReferenceWatch(store, Workspace())

    done = delete_garbage(store, watch, look_through(store, watch, trainings=False), watched_since=0.0, watch_seconds=0.0)

    assert [folder.key for folder in done.garbage] == [SETS["used"]]
    assert folder_out.folders() == {SETS["spare"], "runs/segmentation-1"}


@pytest.mark.parametrize("is_of_this_store", [True, False])
def test_a_run_of_here_whose_documents_never_reached_out_keeps_its_training(is_of_this_store: bool, out: Outputs) -> None:
    folder, parameters = trained_from()
    out.put(folder, generations__0001_json=b"{}")
    record = out.put_run("segmentation-1", "interrupted")
    out.store.delete("runs/segmentation-1/run.json")
    here = out.uri if "://" in out.uri else str(Path(out.uri).absolute())
    Workspace().save(record.model_copy(update={"out": here if is_of_this_store else f"{here}/other"}))
    stages = FolderStore(str(Workspace().run_folder(record.run) / "stages"))
    stages.put("train.json", StageRecord(stage="train", state="started", parameters=parameters).to_bytes())

    assert unreferenced(out.gc()) == ([] if is_of_this_store else [folder])
