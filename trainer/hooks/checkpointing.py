"""Saving the run: at a regular distance, before each evaluation, and at its end."""

from __future__ import annotations

from collections.abc import Callable

from trainer.batch import Scores
from trainer.checkpoint.commit import commit
from trainer.checkpoint.documents import SPEC_FILE, Position
from trainer.checkpoint.history import History
from trainer.checkpoint.listing import prune, put_scores
from trainer.checkpoint.snapshot import snapshot
from trainer.hooks.base import Hook
from trainer.reports import HistoryRecord, ModelSpec
from trainer.state import StepResult, TrainState
from trainer.storage import Store


class Checkpointing(Hook):
    """Commits the state where `is_due(step)`; rank 0 writes, the others wait, so that no rank is ahead of what is safe.

    Args:
        keep_last: newest checkpoints that stay, besides the one with the best `metric`.
    """

    def __init__(
        self,
        store: Store,
        generation: int,
        spec: ModelSpec,
        history: History,
        is_due: Callable[[int], bool],
        *,
        keep_last: int,
        metric: str,
    ) -> None:
        self._store, self._generation, self._spec, self._history = store, generation, spec, history
        self._is_due, self._keep_last, self._metric = is_due, keep_last, metric

    def on_step(self, state: TrainState, result: StepResult) -> None:
        if state.stop or state.is_complete or self._is_due(state.step):
            self._save(state)

    def on_evaluated(self, state: TrainState, scores: Scores) -> None:
        if state.world.is_main:
            record = HistoryRecord(step=state.step, samples_seen=state.samples_seen, scores=dict(scores))
            self._history.put_scores(record)
            put_scores(self._store, Position(self._generation, state.samples_seen), dict(scores))
            prune(self._store, self._generation, self._keep_last, self._metric)

    def _save(self, state: TrainState) -> None:
        if state.world.is_main:
            self._history.flush(state.samples_seen)
            files = {**snapshot(state), SPEC_FILE: self._spec.to_bytes()}
            commit(self._store, Position(self._generation, state.samples_seen), files)
            prune(self._store, self._generation, self._keep_last, self._metric)
        state.world.barrier()
