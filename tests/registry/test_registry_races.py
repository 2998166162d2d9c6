"""Registering that is cut short, and many that register at once."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from components.registry import StoreRegistry, register
from components.registry.files import copy_file, describe_model, version_digest
from components.registry.store import AliasHolder
from tests.fakes import FailingStore
from tests.registry.models import Evaluated, config, evaluated
from trainer.canonical import short
from trainer.errors import CorruptObjectError, StoreUnavailableError
from trainer.reports import FileDigest, ModelVersion, RegistrationReport
from trainer.storage import FolderStore, Store, open_store

WRITERS = 8


@pytest.fixture(params=["folder", "moto", "rclone"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """rclone's server ignores `If-None-Match`."""
    match request.param:
        case "folder":
            return str(tmp_path)
        case "moto":
            return request.getfixturevalue("bucket") + "/out"
        case _:
            return request.getfixturevalue("rclone_bucket") + "/out"


def register_one(out: str, model: Evaluated) -> RegistrationReport:
    return register(config(), **model.inputs, out=out)


def register_at_once(out: str, models: list[Evaluated]) -> list[RegistrationReport]:
    with ProcessPoolExecutor(WRITERS, get_context("fork")) as pool:
        return [future.result() for future in [pool.submit(register_one, out, model) for model in models]]


def commit(store: Store, model: Evaluated) -> ModelVersion:
    source = open_store(model.checkpoint)
    return StoreRegistry(store, "toy").register(source, describe_model(source, model.evaluation.model_digest), model.evaluation)


def holders(out: str) -> list[AliasHolder]:
    """Everyone who has held the alias, in turn."""
    store = open_store(out).below("models/toy/aliases/champion")
    return [AliasHolder.from_bytes(store.get(entry.key), entry.key) for entry in store.keys("")]


def test_many_that_register_at_once_lose_no_version_and_no_number(out: str) -> None:
    models = [evaluated(out, f"weights-{number}", 0.5 + (number * 5 % WRITERS) / 100) for number in range(WRITERS)]
    reports = register_at_once(out, models)
    assert sorted(report.number for report in reports) == list(range(1, WRITERS + 1))
    versions = StoreRegistry(open_store(out), "toy").versions()
    assert [(v.number, v.metrics["miou"]) for v in versions] == sorted((r.number, r.metrics["miou"]) for r in reports)


def test_of_many_that_register_at_once_the_best_is_champion_at_the_end(out: str) -> None:
    models = [evaluated(out, f"weights-{number}", 0.5 + (number * 5 % WRITERS) / 100) for number in range(WRITERS)]
    reports = register_at_once(out, models)
    scores = [holder.metrics["miou"] for holder in holders(out)]
    assert scores[-1] == max(model.evaluation.metrics["miou"] for model in models)
    assert scores == sorted(scores)  # max_drop is 0: each was judged against the one before it
    assert sorted(report.metrics["miou"] for report in reports if report.state == "promoted") == scores


def test_two_that_register_at_the_same_moment_end_with_both_versions_and_one_owner_of_the_alias(out: str) -> None:
    reports = register_at_once(out, [evaluated(out, "a", 0.6), evaluated(out, "b", 0.7)])
    registry = StoreRegistry(open_store(out), "toy")
    assert {short(version.version) for version in registry.versions()} == {report.version for report in reports}
    assert sorted(report.number for report in reports) == [1, 2]
    owner = registry.champion("champion")
    assert owner is not None
    assert owner.metrics["miou"] == 0.7


def test_one_model_that_many_register_at_once_is_one_version(out: str) -> None:
    reports = register_at_once(out, [evaluated(out, "a", 0.6)] * WRITERS)
    assert {report.number for report in reports} == {1}
    assert [version.number for version in StoreRegistry(open_store(out), "toy").versions()] == [1]
    assert len(holders(out)) == 1


@pytest.mark.parametrize("dies_at", ["model.safetensors", "model.json", "000001.json", "version.json"])
def test_registering_that_is_cut_short_leaves_no_version_and_a_retry_completes_it(out: str, dies_at: str) -> None:
    store, model = FailingStore(open_store(out)), evaluated(out, "a", 0.6)
    store.fail_on(dies_at)
    with pytest.raises(StoreUnavailableError):
        commit(store, model)
    assert StoreRegistry(store, "toy").versions() == []

    store.recover()
    assert commit(store, model).number == 1
    assert [version.number for version in StoreRegistry(store, "toy").versions()] == [1]


def test_a_number_that_was_claimed_by_a_crash_stays_with_its_version(out: str) -> None:
    store, crashed = FailingStore(open_store(out)), evaluated(out, "a", 0.6)
    store.fail_on("version.json")
    with pytest.raises(StoreUnavailableError):
        commit(store, crashed)

    store.recover()
    assert commit(store, evaluated(out, "b", 0.6)).number == 2
    assert commit(store, crashed).number == 1


def test_a_model_that_lost_the_alias_in_between_is_judged_against_the_new_holder(out: str) -> None:
    registry = StoreRegistry(open_store(out), "toy")
    weaker, stronger = evaluated(out, "a", 0.6), evaluated(out, "b", 0.7)
    version = commit(open_store(out), weaker)
    register_one(out, stronger)
    decision = registry.promote(version, weaker.evaluation, config().registration)
    assert decision.state == "refused"
    assert [holder.metrics["miou"] for holder in holders(out)] == [0.7]


def test_a_version_folder_that_describes_another_version_is_told(out: str) -> None:
    model = evaluated(out, "a", 0.6)
    version = commit(open_store(out), model)
    other = version.model_copy(update={"version": "sha256:" + "0" * 64})
    open_store(out).put(f"models/toy/versions/{version.version[7:23]}/version.json", other.to_bytes())
    with pytest.raises(CorruptObjectError, match="describes sha256:0000"):
        commit(open_store(out), model)


def test_a_version_is_named_by_its_files_in_any_order() -> None:
    one, two = FileDigest(name="a", size=1, digest="sha256:1"), FileDigest(name="b", size=2, digest="sha256:2")
    assert version_digest([one, two]) == version_digest([two, one])
    assert version_digest([one, two]) != version_digest([one, two.model_copy(update={"size": 3})])
    assert version_digest([one, two]) != version_digest([one, two.model_copy(update={"digest": "sha256:3"})])


def test_a_copy_of_many_blocks_is_whole(tmp_path: Path) -> None:
    import hashlib
    import os

    data = os.urandom((16 << 20) + 5)
    source, target = FolderStore(str(tmp_path / "a")), FolderStore(str(tmp_path / "b"))
    source.put("x", data)
    copy_file(source, target, FileDigest(name="x", size=len(data), digest="sha256:" + hashlib.sha256(data).hexdigest()))
    assert target.get("x") == data
