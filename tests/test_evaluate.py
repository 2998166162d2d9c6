from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.recipes import write_recipe
from trainer.config import RunConfig
from trainer.errors import CheckpointMismatchError, CorruptObjectError, DataError
from trainer.evaluate import evaluate
from trainer.recipe import load_config
from trainer.reports import DatasetManifest, EvaluationReport, TrainReport
from trainer.train import train
from trainer.world import World


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return load_config(str(write_recipe(tmp_path_factory.mktemp("evaluated"))))


@pytest.fixture(scope="module")
def trained(config: RunConfig, tiny_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    return train(config, dataset=tiny_dataset, out=str(tmp_path_factory.mktemp("trained")), world=World())


@pytest.fixture(scope="module")
def report(config: RunConfig, trained: TrainReport, tmp_path_factory: pytest.TempPathFactory) -> EvaluationReport:
    out = tmp_path_factory.mktemp("out")
    return evaluate(config, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(out), train_report_digest=trained.digest)


def test_the_scores_are_those_that_training_saw(trained: TrainReport, report: EvaluationReport) -> None:
    assert trained.completed
    assert report.metrics == pytest.approx(trained.scores, abs=1e-12)
    assert report.images == 10
    assert sum(map(sum, report.confusion)) == 10 * 32 * 32
    assert [score.name for score in report.classes] == ["background", *"0123456789"]


def test_the_report_says_what_it_was_made_from(trained: TrainReport, report: EvaluationReport) -> None:
    assert report.train_report_digest == trained.digest
    assert report.model_digest == trained.model_digest
    assert report.data_digest == trained.data_digest
    assert report.train_digest == trained.train_digest
    assert report.checkpoint == trained.checkpoint


def test_page_pictures_and_document_lie_together(report: EvaluationReport) -> None:
    folder = Path(report.page).parent

    assert EvaluationReport.from_bytes((folder / "evaluation.json").read_bytes(), "here") == report
    page = Path(report.page).read_text()
    assert len(report.examples) == 2
    for example in report.examples:
        assert (folder / example.picture).read_bytes().startswith(b"\x89PNG")
        assert example.sample in page
    assert report.examples[0].score <= report.examples[1].score


def test_another_setting_is_another_evaluation(config: RunConfig, trained: TrainReport, report: EvaluationReport) -> None:
    out = str(Path(report.page).parents[2])
    more = load_config("segmentation-digits", ["evaluation.examples=0"])

    other = evaluate(more, checkpoint=trained.checkpoint, dataset=trained.dataset, out=out)

    assert other.page != report.page
    assert other.examples == ()
    assert other.metrics == report.metrics
    assert Path(report.page).exists()


def test_more_examples_than_images_show_each_once(config: RunConfig, trained: TrainReport, tmp_path: Path) -> None:
    many = load_config("segmentation-digits", ["evaluation.examples=64"])

    shown = evaluate(many, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(tmp_path)).examples

    assert len({example.sample for example in shown}) == len(shown) == 10


def test_a_report_that_was_not_handed_on_is_refused(config: RunConfig, trained: TrainReport, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the training stage handed on sha256:other\. Run the training stage again"):
        evaluate(config, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(tmp_path), train_report_digest="sha256:other")


def test_a_damaged_checkpoint_is_not_scored(config: RunConfig, trained: TrainReport, tmp_path: Path) -> None:
    training = Path(trained.checkpoint).parents[1]
    shutil.copytree(training, tmp_path / "training")
    weights = tmp_path / "training/checkpoints" / Path(trained.checkpoint).name / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)

    with pytest.raises(CorruptObjectError, match=r"model\.safetensors has the digest"):
        evaluate(config, checkpoint=str(weights.parent), dataset=trained.dataset, out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_data_of_other_classes_is_refused(config: RunConfig, trained: TrainReport, tmp_path: Path) -> None:
    shutil.copytree(trained.dataset, tmp_path / "data")
    manifest = tmp_path / "data/manifest.json"
    values = json.loads(manifest.read_text())
    values["classes"][3] = "cat"
    manifest.write_bytes(DatasetManifest.model_validate_json(json.dumps(values)).to_bytes())

    with pytest.raises(CheckpointMismatchError, match=r"trained on the classes background, 0, 1, 2.*has background, 0, 1, cat"):
        evaluate(config, checkpoint=trained.checkpoint, dataset=str(tmp_path / "data"), out=str(tmp_path / "out"))


def test_a_split_that_is_not_there_is_told(trained: TrainReport, tmp_path: Path) -> None:
    elsewhere = load_config("segmentation-microscopy", ["source.splits=[train, val, test]", "evaluation.split=test"], data="x")

    with pytest.raises(DataError, match=r"has no split 'test'; it has: train, val"):
        evaluate(elsewhere, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(tmp_path))


def test_an_evaluation_that_has_been_made_is_adopted_as_it_stands(
    config: RunConfig, trained: TrainReport, report: EvaluationReport
) -> None:
    folder = Path(report.page).parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    again = evaluate(config, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(folder.parents[1]))

    assert again == report
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_evaluation_that_was_cut_short_is_made_again(config: RunConfig, trained: TrainReport, tmp_path: Path) -> None:
    first = evaluate(config, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(tmp_path))
    (Path(first.page).parent / "evaluation.json").unlink()

    second = evaluate(config, checkpoint=trained.checkpoint, dataset=trained.dataset, out=str(tmp_path))

    assert (second.page, second.metrics) == (first.page, first.metrics)
    assert (Path(first.page).parent / "evaluation.json").exists()
