"""torch.compile, tried out before anything depends on it."""

# torch.compile is only partly typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from trainer.errors import ConfigError


def compiled(module: nn.Module, device: torch.device) -> nn.Module:
    """The module's forward, compiled when it is first called, over the module's own weights. The module itself stays as it is.

    Raises:
        ConfigError: nothing can be compiled here, for lack of a compiler perhaps.
    """
    try:
        torch.compile(_trial)(torch.zeros(8, device=device))
    except RuntimeError as error:  # each of the compiler's errors is one
        raise ConfigError(
            f"training.compile=true, but nothing can be compiled for {device.type} here: {str(error).splitlines()[0]}. "
            "Install a C++ compiler (g++), or set training.compile=false"
        ) from error
    return cast(nn.Module, torch.compile(module))


def _trial(values: Tensor) -> Tensor:
    return values * 2 + 1
