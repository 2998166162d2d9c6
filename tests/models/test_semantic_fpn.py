from __future__ import annotations

import pytest
import torch

from trainer.config import ModelConfig
from trainer.errors import ConfigError
from trainer.models import build_model
from trainer.models.semantic_fpn import SemanticFPN
from trainer.reports import ModelSpec


@pytest.mark.parametrize("backbone", ["test_resnet", "convnextv2_atto", "pvt_v2_b0", "resnest14d"])
def test_scores_have_the_size_of_the_image(backbone: str) -> None:
    model = SemanticFPN(ModelConfig(backbone=backbone, channels=32), classes=5).eval()

    assert model(torch.zeros(1, 3, 50, 70)).shape == (1, 5, 50, 70)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_norm_is_the_one_that_was_asked_for(norm: str) -> None:
    model = SemanticFPN(ModelConfig(backbone="test_resnet", channels=32, norm=norm), classes=5)  # pyright: ignore

    kinds = {type(module).__name__ for module in model.modules()}
    assert ("BatchNorm2d" in kinds) == (norm == "batch")


def test_every_parameter_learns() -> None:
    model = SemanticFPN(ModelConfig(backbone="test_resnet", channels=32), classes=3)

    model(torch.randn(2, 3, 64, 64)).square().mean().backward()

    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_an_unknown_backbone_is_told_with_those_near_it() -> None:
    with pytest.raises(ConfigError, match=r"model.backbone='resnet_18' is not a timm model; near it: .*resnet"):
        SemanticFPN(ModelConfig(backbone="resnet_18"), classes=3)


def test_a_backbone_without_a_pyramid_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"feature maps of strides \[14, 14, 14, 14\]"):
        SemanticFPN(ModelConfig(backbone="vit_small_patch14_dinov2"), classes=3)


def test_raw_images_are_normalised_inside_the_model() -> None:
    spec = ModelSpec(
        model=ModelConfig(backbone="test_resnet", channels=32).model_dump(mode="json"),
        task={},
        data={},
        classes=("a", "b"),
        mean=(100.0, 110.0, 120.0),
        std=(50.0, 60.0, 70.0),
    )
    model = build_model(spec).eval()
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    by_hand = (images.float() - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)

    assert torch.allclose(model(images), model.network(by_hand), atol=1e-6)
