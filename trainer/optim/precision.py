"""In which numbers a run computes."""

# torch.cpu's probes are untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportPrivateUsage=false

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from trainer.optim.scaling import DynamicScale, FixedScale, LossScale

_COMPUTES_IN = {"bf16": torch.bfloat16, "fp16": torch.float16}  # under autocast; the others use one type throughout


@dataclass(frozen=True)
class Precision:
    """`bf16` and `fp16` keep parameters in float32 and compute under autocast; the others use one type throughout."""

    name: str
    device: torch.device

    @property
    def parameters(self) -> torch.dtype:
        return torch.float64 if self.name == "float64" else torch.float32

    def autocast(self) -> AbstractContextManager[object]:
        if dtype := _COMPUTES_IN.get(self.name):
            return torch.autocast(self.device.type, dtype=dtype)
        return nullcontext()

    def loss_scale(self) -> LossScale:
        """A new one: fp16 alone has too small a range for gradients as they are."""
        return DynamicScale() if self.name == "fp16" else FixedScale()


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """The precision of the config; `auto` is bf16 where the device computes in it, else float32."""
    if wanted == "auto":
        wanted = "bf16" if _computes_in_bf16(device) else "float32"
    return Precision(wanted, device)


def _computes_in_bf16(device: torch.device) -> bool:
    """By instructions, not by emulation: autocast on a CPU without them is many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
