from __future__ import annotations

import timm
import torch
from torch import nn

from trainer.models.norms import group_norm, without_batch_norm


def test_groups_divide_the_channels() -> None:
    for channels in (8, 24, 32, 40, 64, 100):
        assert channels % group_norm(channels).num_groups == 0


def test_no_batch_norm_is_left_and_weights_are_kept() -> None:
    norm = nn.BatchNorm2d(8)
    nn.init.constant_(norm.weight, 0.0)
    module = without_batch_norm(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(norm, nn.ReLU())))

    replaced = module[1][0]
    assert isinstance(replaced, nn.GroupNorm)
    assert torch.equal(replaced.weight, torch.zeros(8))


def test_timms_fused_norm_keeps_its_activation() -> None:
    plain = timm.create_model("test_efficientnet", features_only=True)
    fused = [module for module in plain.modules() if isinstance(module, nn.BatchNorm2d)]
    replaced = without_batch_norm(plain)

    assert fused
    assert not any(isinstance(module, nn.BatchNorm2d) for module in replaced.modules())
    activations = [module.act for module in replaced.modules() if isinstance(module, nn.GroupNorm) and hasattr(module, "act")]
    assert any(isinstance(act, nn.SiLU) for act in activations)


def test_an_images_features_do_not_depend_on_its_batch() -> None:
    backbone = without_batch_norm(timm.create_model("test_resnet", features_only=True)).train()
    images = torch.randn(3, 3, 32, 32)

    alone, together = backbone(images[:1])[-1], backbone(images)[-1][:1]

    assert torch.allclose(alone, together, atol=1e-5)
