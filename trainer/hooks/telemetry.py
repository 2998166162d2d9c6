"""Telling how the run goes: throughput, data wait, loss, learning rate, time left."""

from __future__ import annotations

import math

from trainer.batch import Scores
from trainer.checkpoint.history import History
from trainer.hooks.base import Hook
from trainer.reports import HistoryRecord
from trainer.state import StepResult, TrainState
from trainer.telemetry.sinks import Sink
from trainer.telemetry.stopwatch import Stopwatch


class Telemetry(Hook):
    """Every `every_steps` steps a point of the learning curve and a line for whoever watches; rank 0 speaks for all."""

    def __init__(self, stopwatch: Stopwatch, sink: Sink, history: History, every_steps: int) -> None:
        self._stopwatch, self._sink, self._history, self._every = stopwatch, sink, history, every_steps

    def on_start(self, state: TrainState) -> None:
        self._stopwatch.start(state.samples_seen)

    def on_step(self, state: TrainState, result: StepResult) -> None:
        self._stopwatch.step_done(state.samples_seen)
        if state.step % self._every and not state.is_complete:
            return
        self._history.add(
            HistoryRecord(
                step=state.step,
                samples_seen=state.samples_seen,
                loss=_finite(result.loss),
                learning_rate=result.learning_rate,
                gradient_norm=_finite(result.gradient_norm),
            )
        )
        window = self._stopwatch.lap()
        left = (state.total_steps - state.step) * state.global_batch
        self._sink.progress(
            done=state.step,
            total=state.total_steps,
            loss=result.loss,
            learning_rate=result.learning_rate,
            images_per_second=window.images_per_second,
            data_wait=window.data_wait,
            eta_seconds=left / self._stopwatch.images_per_second,
        )

    def on_evaluated(self, state: TrainState, scores: Scores) -> None:
        self._sink.scores(state.step, scores)
        self._stopwatch.resume()

    def close(self) -> None:
        self._sink.close()


def _finite(value: float) -> float | None:
    """A document has no word for infinity."""
    return value if math.isfinite(value) else None
