"""Normalisation layers, and how one kind is put in another's place."""

# timm's layers are only partly typed
# pyright: reportPrivateImportUsage=false, reportAttributeAccessIssue=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math

from timm.layers import BatchNormAct2d, GroupNormAct
from torch import nn

_GROUPS = 32
_LEAST_CHANNELS = 8  # a group of one channel at one place has no variance


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation (arXiv:1803.08494): 32 groups, fewer where a group would hold less than 8 channels or they do not divide."""
    return nn.GroupNorm(math.gcd(_GROUPS, max(1, channels // _LEAST_CHANNELS), channels), channels)


def make_norm(kind: str, channels: int) -> nn.Module:
    """`group` or `batch`, the kinds of `model.norm`."""
    return group_norm(channels) if kind == "group" else nn.BatchNorm2d(channels)


def without_batch_norm(module: nn.Module) -> nn.Module:
    """The module with every batch norm replaced by a group norm, weights kept (some start at zero on purpose); in place."""
    if isinstance(module, nn.BatchNorm2d):
        return _as_group_norm(module)
    for name, child in module.named_children():
        setattr(module, name, without_batch_norm(child))
    return module


def _as_group_norm(norm: nn.BatchNorm2d) -> nn.GroupNorm:
    replacement = group_norm(norm.num_features)
    if isinstance(norm, BatchNormAct2d):  # timm's layer that holds the activation too
        fused = GroupNormAct(norm.num_features, num_groups=replacement.num_groups)
        fused.drop, fused.act = norm.drop, norm.act
        replacement = fused
    if norm.affine:
        replacement.weight, replacement.bias = norm.weight, norm.bias
    return replacement
