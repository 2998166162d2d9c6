"""What Kubeflow's page shows of an evaluation."""

import json
from pathlib import Path

import pytest
from kfp import dsl

from components.artifacts import show_evaluation
from trainer.reports import ClassScore, EvaluationReport


@pytest.fixture
def report(tmp_path: Path) -> EvaluationReport:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.html").write_text("<html>a report</html>")
    scores = tuple(ClassScore(name=name, scores={"iou": 0.5, "accuracy": None}, support=10) for name in ("background", "nucleus"))
    return EvaluationReport(
        task="segmentation", split="val", protocol="whole images", metrics={"miou": 0.5, "pixel_accuracy": 0.9}, classes=scores,
        confusion=((9, 1), (2, 8)), images=2, images_per_second=1.0, seconds=2.0, checkpoint="c", model_digest="m", train_report_digest="t",
        data_digest="d", train_digest="td", config_digest="cd", code_version="v", examples=(), page=str(tmp_path / "out/report.html"),
    )  # fmt: skip


def test_metrics_confusion_and_page_are_shown_and_each_is_a_file_too(report: EvaluationReport, tmp_path: Path) -> None:
    metrics = dsl.Metrics(uri=str(tmp_path / "metrics"))
    confusion = dsl.ClassificationMetrics(uri=str(tmp_path / "confusion"))
    page = dsl.HTML(uri=str(tmp_path / "page"))

    show_evaluation(report, metrics, confusion, page)

    assert metrics.metadata == {"miou": 0.5, "pixel_accuracy": 0.9}
    assert [row["row"] for row in confusion.metadata["confusionMatrix"]["rows"]] == [[9, 1], [2, 8]]
    assert [spec["displayName"] for spec in confusion.metadata["confusionMatrix"]["annotationSpecs"]] == ["background", "nucleus"]
    assert json.loads(Path(metrics.path).read_text()) == {"miou": 0.5, "pixel_accuracy": 0.9}
    assert json.loads(Path(confusion.path).read_text()) == {"categories": ["background", "nucleus"], "matrix": [[9, 1], [2, 8]]}
    assert Path(page.path).read_text() == "<html>a report</html>"
