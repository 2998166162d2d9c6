from __future__ import annotations

import pytest
import torch

from trainer.optim.precision import choose_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("float64", torch.float64), ("bf16", torch.float32)])
def test_parameters_have_the_type_of_the_precision(name: str, dtype: torch.dtype) -> None:
    assert choose_precision(name, CPU).parameters == dtype


def test_bf16_computes_in_bfloat16_and_the_others_as_they_are() -> None:
    weights = torch.ones(4, 4)
    with choose_precision("bf16", CPU).autocast():
        assert (weights @ weights).dtype == torch.bfloat16
    with choose_precision("float32", CPU).autocast():
        assert (weights @ weights).dtype == torch.float32


def test_auto_follows_the_processor() -> None:
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()

    assert choose_precision("auto", CPU).name == ("bf16" if has_bf16 else "float32")
