from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.specs import spec_of
from trainer.models import ImageModel, build_model


def images(count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def twins(network: str, backbone: str) -> tuple[ImageModel, ImageModel]:
    """Two models with the same weights; the second in channels_last memory order."""
    models: list[ImageModel] = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(build_model(spec_of(network, backbone=backbone)))
    models[1].use_channels_last()
    return models[0], models[1]


@pytest.mark.parametrize("network", ["semantic_fpn", "classifier"])
@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext"])
def test_channels_last_computes_the_same(network: str, backbone: str) -> None:
    usual, last = twins(network, backbone)
    for model in (usual, last):
        model(images()).square().mean().backward()

    kernels = [parameter for parameter in last.parameters() if parameter.ndim == 4 and min(parameter.shape[1:]) > 1]
    assert kernels
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)
    assert torch.allclose(usual(images()), last(images()), atol=1e-4)
    for (name, one), other in zip(usual.named_parameters(), last.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-4 + 1e-3 * float(one.grad.norm())), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("network", ["semantic_fpn", "classifier"])
def test_scores_are_in_float32_whatever_they_were_computed_in(network: str, dtype: torch.dtype) -> None:
    model = build_model(spec_of(network)).eval()

    with torch.no_grad():
        wanted = model(images())
        with torch.autocast("cpu", dtype):
            scores = model(images())

    assert scores.dtype == torch.float32
    assert not torch.equal(scores, wanted)
    assert torch.allclose(scores, wanted, atol=0.1)


def test_in_float64_scores_are_in_float64() -> None:
    assert build_model(spec_of()).double()(images()).dtype == torch.float64
