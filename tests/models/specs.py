"""What tests build their models from."""

from __future__ import annotations

from trainer.config import ClassifierConfig, ModelConfig, SemanticFPNConfig
from trainer.reports import ModelSpec

NETWORKS: dict[str, type[ModelConfig]] = {"semantic_fpn": SemanticFPNConfig, "classifier": ClassifierConfig}


def spec_of(network: str = "semantic_fpn", classes: int = 3, **settings: str) -> ModelSpec:
    """A small network with settings of its section, on images of known colours."""
    small = {"channels": 32} if network == "semantic_fpn" else {}
    model = NETWORKS[network](**{"backbone": "test_resnet", **small, **settings}).model_dump(mode="json")
    names = tuple(f"class {number}" for number in range(classes))
    return ModelSpec(model=model, task={}, data={}, classes=names, mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0))
