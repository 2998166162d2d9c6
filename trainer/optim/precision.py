"""In which numbers a run computes."""

# torch.cpu's probes are untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportPrivateUsage=false

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

_PARAMETERS = {"float32": torch.float32, "float64": torch.float64, "bf16": torch.float32}


@dataclass(frozen=True)
class Precision:
    """`bf16` keeps parameters in float32 and computes under autocast; the others use one type throughout."""

    name: str
    device: torch.device

    @property
    def parameters(self) -> torch.dtype:
        return _PARAMETERS[self.name]

    def autocast(self) -> AbstractContextManager[object]:
        if self.name == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()


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
