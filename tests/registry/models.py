"""Evaluated models, as small as the registry takes them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.report_documents import evaluation
from trainer.canonical import sha256_digest
from trainer.config import RegistrationConfig, RunConfig
from trainer.reports import EvaluationReport, ModelSpec
from trainer.storage import join, open_store

SPEC = ModelSpec(model={"name": "toy"}, task={}, data={}, classes=("a", "b"), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Evaluated:
    """What the stages before hand to register."""

    checkpoint: str
    report: str
    evaluation: EvaluationReport

    @property
    def inputs(self) -> dict[str, str]:
        return {"checkpoint": self.checkpoint, "report": self.report, "report_digest": self.evaluation.digest}


def evaluated(out: str, weights: str, miou: float, spec: ModelSpec = SPEC) -> Evaluated:
    """A model whose weights are that text, and which scored that much."""
    content = weights.encode() * 1000
    checkpoint, folder = join(out, "training", weights), join(out, "evaluations", f"{weights}-{miou}")
    open_store(checkpoint).put("model.safetensors", content)
    open_store(checkpoint).put("model.json", spec.to_bytes())
    report = evaluation(metrics={"miou": miou, "pixel_accuracy": 0.9}, model_digest=sha256_digest(content))
    open_store(folder).put("evaluation.json", report.to_bytes())
    return Evaluated(checkpoint, join(folder, "evaluation.json"), report)


def config(**registration: float | str) -> RunConfig:
    return RunConfig(registration=RegistrationConfig.of({"name": "toy", "minimum": 0.5, "max_drop": 0.0, **registration}))
