"""Where a run continues: decided by rank 0, the same on every rank, and compared afterwards."""

# tensors' bytes are only partly typed
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import torch
from torch import nn
from xxhash import xxh3_128

from trainer.checkpoint.documents import SPEC_FILE
from trainer.checkpoint.ledger import enter_attempt
from trainer.checkpoint.listing import newest_whole, scores_of
from trainer.checkpoint.snapshot import restore
from trainer.errors import RanksDisagreeError
from trainer.models.weights import load_initial_weights
from trainer.reports import InitialWeights, ModelSpec
from trainer.run import Run
from trainer.state import TrainState
from trainer.telemetry.events import emit

_TOLD = 5  # names in a notice


def resume(run: Run, state: TrainState) -> ModelSpec:
    """Bring the state to the newest whole checkpoint, or to the weights that a new run starts from; enter the attempt in the ledger.

    Returns:
        What the model is, with the normalisation that goes with its weights.

    Raises:
        ConfigError: the weights to start from cannot serve.
        NoUsableCheckpointError: there are some, and all are broken.
        CheckpointMismatchError: it belongs to another model or optimiser.
        RanksDisagreeError: the ranks hold different weights afterwards.
    """
    world = state.world
    restored = world.decide(lambda: newest_whole(run.store, run.generation))
    if restored is None:
        spec = _start(run, state)
    else:
        where = f"{run.folder}/{restored.position.folder}"
        restore(state, restored.files, where)
        spec = ModelSpec.from_bytes(restored.files[SPEC_FILE], f"{where}/{SPEC_FILE}")
        if world.decide(lambda: scores_of(run.store, restored.position)):
            state.evaluated_at = state.samples_seen
    if world.is_main:
        enter_attempt(run.store, run.generation, state.samples_seen, world.size)
        for reason in restored.passed_over if restored else ():
            emit("notice", stage="train", text=f"passed over a broken checkpoint: {reason}")
        if restored:
            emit("notice", stage="train", text=f"continues after {state.samples_seen} samples (step {state.step} of {state.total_steps})")
    check_ranks_agree(state)
    return spec


def _start(run: Run, state: TrainState) -> ModelSpec:
    """The weights that `model.weights` names, if any: rank 0 reads them, the others have them from it."""
    spec = state.world.decide(lambda: load_initial_weights(state.module, run.spec))
    if told := spec.initial_weights:
        for tensor in state.module.state_dict().values():
            state.world.share(tensor)
        if state.world.is_main:
            emit("notice", stage="train", text=_in_words(told))
    return spec


def _in_words(told: InitialWeights) -> str:
    return (
        f"starts from {told.uri}: {told.loaded} tensors loaded; left out of the file: {_some(told.left_out)}; "
        f"new in the model: {_some(told.missing)}"
    )


def _some(names: tuple[str, ...]) -> str:
    """The first few; the report has them all."""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more or "nothing"


def check_ranks_agree(state: TrainState) -> None:
    """Compare the weights of all ranks, bit for bit.

    Raises:
        RanksDisagreeError: on every rank, where they differ on any.
    """
    checksums = state.world.gather(checksum(state.module))
    if len(set(checksums)) > 1:
        raise RanksDisagreeError(
            f"the ranks hold different weights at the start: {', '.join(checksums)}; do all run one version of the software?"
        )


def checksum(module: nn.Module) -> str:
    """xxh3-128 of every parameter and buffer, bit for bit."""
    digest = xxh3_128()
    for tensor in module.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
