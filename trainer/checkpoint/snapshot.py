"""A run's state as named files of bytes, and back. Strict both ways: nothing missing, nothing left over."""

# torch's state_dict is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.checkpoint.documents import MODEL_FILE, OPTIMISER_FILE, STATE_FILE, RunPosition
from trainer.errors import CheckpointMismatchError
from trainer.state import TrainState

Files = Mapping[str, bytes]


def snapshot(state: TrainState) -> dict[str, bytes]:
    """The files of a checkpoint, without its manifest."""
    optimiser = state.optimiser.state_dict()
    position = RunPosition(
        samples_seen=state.samples_seen,
        global_batch=state.global_batch,
        param_groups=tuple(_settings(group) for group in optimiser["param_groups"]),
        loss_scale=state.loss_scale.saved(),
    )
    return {
        MODEL_FILE: save(_contiguous(state.module.state_dict())),
        OPTIMISER_FILE: save(_contiguous(_flattened(optimiser["state"]))),
        STATE_FILE: position.to_bytes(),
    }


def restore(state: TrainState, files: Files, where: str) -> None:
    """Put the files' content into the state.

    Raises:
        CheckpointMismatchError: they belong to another model, optimiser or global batch.
    """
    position = RunPosition.from_bytes(files[STATE_FILE], f"{where}/{STATE_FILE}")
    if position.global_batch != state.global_batch:
        raise CheckpointMismatchError(
            f"{where} was trained with training.global_batch={position.global_batch}; this run has {state.global_batch}. "
            "Set it back, or start again with --fresh"
        )
    restore_model(state.module, files[MODEL_FILE], where)
    _restore_loss_scale(state, position.loss_scale, where)
    _restore_optimiser(state.optimiser, load(files[OPTIMISER_FILE]), position, where)
    state.samples_seen = position.samples_seen


def restore_model(model: nn.Module, data: bytes, where: str) -> None:
    """Load weights, name for name and shape for shape.

    Raises:
        CheckpointMismatchError: names or shapes differ; the message lists the first of each kind.
    """
    saved, wanted = load(data), model.state_dict()
    problems = [
        *(f"{name} is missing" for name in wanted if name not in saved),
        *(f"{name} is not of this model" for name in saved if name not in wanted),
        *(
            f"{name} is {list(saved[name].shape)}, this model has {list(wanted[name].shape)}"
            for name in wanted
            if name in saved and saved[name].shape != wanted[name].shape
        ),
    ]
    if problems:
        raise CheckpointMismatchError(f"{where} holds another model: {'; '.join(problems[:3])} ({len(problems)} differences in all)")
    model.load_state_dict(saved)


def _restore_loss_scale(state: TrainState, saved: Mapping[str, float], where: str) -> None:
    wanted = state.loss_scale.saved()
    if saved.keys() != wanted.keys():
        raise CheckpointMismatchError(
            f"{where} has the loss scale {dict(saved) or 'none'}; this run computes in {state.precision.name}, which needs "
            f"{'one' if wanted else 'none'}. Set training.precision back, or start again with --fresh"
        )
    state.loss_scale.restore(saved)


def _restore_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor], position: RunPosition, where: str) -> None:
    groups = optimiser.state_dict()["param_groups"]
    if len(groups) != len(position.param_groups):
        raise CheckpointMismatchError(f"{where} has {len(position.param_groups)} parameter groups; this optimiser has {len(groups)}")
    parameters = sum(len(group["params"]) for group in groups)
    nested = _nested(tensors)
    if nested and len(nested) != parameters:  # plain SGD keeps none
        raise CheckpointMismatchError(f"{where} has optimiser state of {len(nested)} parameters; this model has {parameters}")
    merged = [{**_tuples(saved), "params": group["params"]} for saved, group in zip(position.param_groups, groups, strict=True)]
    optimiser.load_state_dict({"state": _laid_out(nested, optimiser), "param_groups": merged})


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; optimisers have no lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def _flattened(state: dict[int, dict[str, Any]]) -> dict[str, Tensor]:
    return {
        f"{parameter}.{name}": torch.as_tensor(value)
        for parameter, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def _nested(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        parameter, _, name = key.partition(".")
        state.setdefault(int(parameter), {})[name] = tensor
    return state


def _laid_out(state: dict[int, dict[str, Tensor]], optimiser: Optimizer) -> dict[int, dict[str, Tensor]]:
    """In their parameters' memory order, channels_last perhaps: a fused step goes through all of them side by side."""
    parameters: list[Tensor] = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    return {place: {name: _as_laid_out(parameters[place], value) for name, value in values.items()} for place, values in state.items()}


def _as_laid_out(parameter: Tensor, value: Tensor) -> Tensor:
    if value.shape != parameter.shape:  # a count of steps
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As safetensors writes it: on the host, contiguous, no memory shared."""
    return {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in tensors.items()}
