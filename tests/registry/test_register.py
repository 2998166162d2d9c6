"""Registering models, one after the other, on a folder and on a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.registry import StoreRegistry, register
from tests.registry.models import SPEC, config, evaluated
from trainer.canonical import short
from trainer.errors import ConfigError, CorruptObjectError, DataError, ObjectMissingError
from trainer.storage import join, open_store


@pytest.fixture(params=["folder", "s3"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue("bucket") + "/out"


@pytest.fixture
def registry(out: str) -> StoreRegistry:
    return StoreRegistry(open_store(out), "toy")


def holder(registry: StoreRegistry) -> int:
    """The number of the champion."""
    champion = registry.champion("champion")
    assert champion is not None
    return champion.number


def test_the_first_good_model_becomes_champion(out: str, registry: StoreRegistry) -> None:
    report = register(config(), **evaluated(out, "a", 0.6).inputs, out=out)
    assert (report.state, report.number, report.name, report.alias) == ("promoted", 1, "toy", "champion")
    assert report.metrics == {"miou": 0.6, "pixel_accuracy": 0.9}
    assert holder(registry) == 1


def test_a_version_holds_the_files_and_says_what_they_were_made_from(out: str, registry: StoreRegistry) -> None:
    model = evaluated(out, "a", 0.6)
    report = register(config(), **model.inputs, out=out, run="segmentation-1")
    (version,) = registry.versions()
    assert report.version == short(version.version)
    assert report.uri == join(out, "models/toy/versions", report.version)
    assert (version.number, version.run, version.metrics) == (1, "segmentation-1", model.evaluation.metrics)
    for name in ("data_digest", "train_digest", "config_digest", "code_version"):
        assert getattr(version, name) == getattr(model.evaluation, name)
    assert version.report_digest == model.evaluation.digest
    assert [(file.name, file.size) for file in version.files] == [("model.safetensors", 1000), ("model.json", len(SPEC.to_bytes()))]
    assert open_store(report.uri).get("model.safetensors") == b"a" * 1000
    assert open_store(report.uri).get("model.json") == SPEC.to_bytes()


def test_the_same_model_twice_is_one_version(out: str, registry: StoreRegistry) -> None:
    model = evaluated(out, "a", 0.6)
    first = register(config(), **model.inputs, out=out, run="one")
    second = register(config(), **model.inputs, out=out, run="two")
    assert (second.state, second.reason) == ("adopted", "it is champion already")
    assert (second.number, second.version, second.uri) == (first.number, first.version, first.uri)
    assert [version.run for version in registry.versions()] == ["one"]


def test_the_same_weights_from_another_folder_are_the_same_version(out: str, registry: StoreRegistry) -> None:
    first, second = evaluated(out, "a", 0.6), evaluated(join(out, "elsewhere"), "a", 0.6)
    register(config(), **first.inputs, out=out)
    assert register(config(), **second.inputs, out=out).state == "adopted"
    assert len(registry.versions()) == 1


def test_numbers_go_on_by_one(out: str, registry: StoreRegistry) -> None:
    numbers = [register(config(), **evaluated(out, name, 0.6).inputs, out=out).number for name in ("a", "b", "a", "c")]
    assert numbers == [1, 2, 1, 3]
    assert [version.number for version in registry.versions()] == [1, 2, 3]


def test_each_name_counts_for_itself(out: str) -> None:
    register(config(), **evaluated(out, "a", 0.6).inputs, out=out)
    report = register(config(name="other"), **evaluated(out, "b", 0.6).inputs, out=out)
    assert (report.number, report.state) == (1, "promoted")


def test_a_refused_model_is_kept_and_the_alias_stays(out: str, registry: StoreRegistry) -> None:
    register(config(), **evaluated(out, "a", 0.6).inputs, out=out)
    report = register(config(), **evaluated(out, "b", 0.59).inputs, out=out)
    assert (report.state, report.number) == ("refused", 2)
    assert "below the champion's 0.6000" in report.reason
    assert [version.number for version in registry.versions()] == [1, 2]
    assert holder(registry) == 1


def test_a_model_below_the_minimum_is_no_first_champion(out: str, registry: StoreRegistry) -> None:
    report = register(config(), **evaluated(out, "a", 0.4).inputs, out=out)
    assert (report.state, report.number) == ("refused", 1)
    assert registry.champion("champion") is None


def test_a_former_champion_is_judged_again(out: str, registry: StoreRegistry) -> None:
    former = evaluated(out, "a", 0.6)
    for model in (former, evaluated(out, "b", 0.7)):
        register(config(), **model.inputs, out=out)
    assert register(config(), **former.inputs, out=out).state == "refused"
    assert holder(registry) == 2
    again = register(config(max_drop=0.2), **former.inputs, out=out)
    assert (again.state, again.number) == ("promoted", 1)
    assert holder(registry) == 1


def test_a_successor_is_judged_by_the_score_that_won_the_alias(out: str, registry: StoreRegistry) -> None:
    register(config(), **evaluated(out, "a", 0.4).inputs, out=out)  # refused; its version keeps this score
    register(config(), **evaluated(out, "a", 0.8).inputs, out=out)  # evaluated otherwise: promoted
    assert register(config(), **evaluated(out, "b", 0.6).inputs, out=out).state == "refused"
    assert holder(registry) == 1


def test_aliases_are_apart(out: str, registry: StoreRegistry) -> None:
    register(config(), **evaluated(out, "a", 0.6).inputs, out=out)
    report = register(config(alias="candidate"), **evaluated(out, "b", 0.5).inputs, out=out)
    assert report.state == "promoted"
    assert holder(registry) == 1


def test_a_missing_metric_leaves_no_version(out: str, registry: StoreRegistry) -> None:
    with pytest.raises(ConfigError, match="which are: miou, pixel_accuracy"):
        register(config(metric="top1"), **evaluated(out, "a", 0.6).inputs, out=out)
    assert registry.versions() == []


def test_a_report_that_was_changed_since_is_refused(out: str, registry: StoreRegistry) -> None:
    model = evaluated(out, "a", 0.6)
    folder, name = model.report.rsplit("/", 1)
    open_store(folder).put(name, model.evaluation.model_copy(update={"metrics": {"miou": 0.99}}).to_bytes())
    with pytest.raises(DataError, match="evaluate handed on"):
        register(config(), **model.inputs, out=out)
    assert registry.versions() == []


@pytest.mark.parametrize("content", [b"x" * 1000, b"a" * 999, b""])
def test_weights_that_were_changed_since_are_refused(out: str, registry: StoreRegistry, content: bytes) -> None:
    model = evaluated(out, "a", 0.6)
    open_store(model.checkpoint).put("model.safetensors", content)
    with pytest.raises(CorruptObjectError, match=r"model\.safetensors has the digest sha256"):
        register(config(), **model.inputs, out=out)
    assert registry.versions() == []
    assert [entry.key for entry in open_store(out).keys("models/")] == []


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_missing_file_is_named(out: str, name: str) -> None:
    model = evaluated(out, "a", 0.6)
    open_store(model.checkpoint).delete(name)
    with pytest.raises(ObjectMissingError, match=f"training/a/{name} does not exist"):
        register(config(), **model.inputs, out=out)


def test_a_description_that_is_none_is_refused(out: str) -> None:
    model = evaluated(out, "a", 0.6)
    open_store(model.checkpoint).put("model.json", b"{}")
    with pytest.raises(DataError, match=r"model\.json is not a ModelSpec"):
        register(config(), **model.inputs, out=out)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"classes": ("cat", "dog")}, "knows the classes a, b, this model cat, dog, so their scores do not compare"),
        ({"task": {"name": "classification"}}, "is for None, this model for classification"),
    ],
)
def test_a_model_of_other_classes_or_another_task_takes_no_alias(
    changes: dict[str, object], why: str, out: str, registry: StoreRegistry
) -> None:
    register(config(), **evaluated(out, "a", 0.6).inputs, out=out)
    report = register(config(), **evaluated(out, "other", 0.9, SPEC.model_copy(update=changes)).inputs, out=out)
    assert (report.state, report.number) == ("refused", 2)
    assert report.reason == f"the present champion {why}; give this model a registration.name of its own"
    assert holder(registry) == 1
