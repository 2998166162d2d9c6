from __future__ import annotations

import pytest
import torch

from trainer.config import SemanticFPNConfig
from trainer.errors import ConfigError
from trainer.models import build_model
from trainer.models.semantic_fpn import SemanticFPN
from trainer.reports import ModelSpec


@pytest.mark.parametrize("backbone", ["test_resnet", "convnextv2_atto", "pvt_v2_b0", "resnest14d"])
def test_scores_have_the_size_of_the_image(backbone: str) -> None:
    model = SemanticFPN(SemanticFPNConfig(backbone=backbone, channels=32), classes=5).eval()

    assert model(torch.zeros(1, 3, 50, 70)).shape == (1, 5, 50, 70)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_norm_is_the_one_that_was_asked_for(norm: str) -> None:
    model = SemanticFPN(SemanticFPNConfig(backbone="test_resnet", channels=32, norm=norm), classes=5)

    kinds = {type(module).__name__ for module in model.modules()}
    assert ("BatchNorm2d" in kinds) == (norm == "batch")


def test_every_parameter_learns() -> None:
    model = SemanticFPN(SemanticFPNConfig(backbone="test_resnet", channels=32), classes=3)

    model(torch.randn(2, 3, 64, 64)).square().mean().backward()

    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_an_unknown_backbone_is_told_with_those_near_it() -> None:
    with pytest.raises(ConfigError, match=r"model.backbone='resnet_18' is not a timm model; near it: .*resnet"):
        SemanticFPN(SemanticFPNConfig(backbone="resnet_18"), classes=3)


def test_a_backbone_without_a_pyramid_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"feature maps of strides \[14, 14, 14, 14\]"):
        SemanticFPN(SemanticFPNConfig(backbone="vit_small_patch14_dinov2"), classes=3)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [("swin_tiny_patch4_window7_224", "does not work in semantic_fpn"), ("vit_tiny_patch16_224", "does not work in semantic_fpn")],
)
def test_a_backbone_that_cannot_serve_is_told_before_anything_starts(backbone: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_model(spec_of(backbone))


def spec_of(backbone: str) -> ModelSpec:
    model = SemanticFPNConfig(backbone=backbone, channels=32).model_dump(mode="json")
    return ModelSpec(model=model, task={}, data={}, classes=("a", "b"), mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 0.0))


def test_building_leaves_no_trace_of_the_trial() -> None:
    torch.manual_seed(3)
    first = build_model(spec_of("test_resnet"))
    torch.manual_seed(3)
    second = build_model(spec_of("test_resnet"))

    assert all(parameter.grad is None for parameter in first.parameters())
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))
    assert first.training


def test_a_channel_that_never_changes_does_not_divide_by_zero() -> None:
    assert build_model(spec_of("test_resnet")).std.flatten().tolist() == [50.0, 60.0, 1.0]


def test_raw_images_are_normalised_inside_the_model() -> None:
    spec = ModelSpec(
        model=SemanticFPNConfig(backbone="test_resnet", channels=32).model_dump(mode="json"),
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
