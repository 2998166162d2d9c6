"""What a hook may watch."""

from __future__ import annotations

from trainer.batch import Scores
from trainer.state import StepResult, TrainState


class Hook:
    """Watches training. Override what you need: every method does nothing by default.

        for hook in hooks: hook.on_start(state)
        for each step:
            …                          # forward, backward, optimiser
            for hook in hooks: hook.on_step(state, result)
            if evaluated: for hook in hooks: hook.on_evaluated(state, scores)
        for hook in hooks: hook.on_success(state)      # or on_stop(state)
        for hook in reversed(hooks): hook.close()      # always, after an error too

    A hook may read the state, set `state.stop` (to the same value on every rank), and may raise to stop the run.
    """

    def on_start(self, state: TrainState) -> None: ...
    def on_step(self, state: TrainState, result: StepResult) -> None: ...
    def on_evaluated(self, state: TrainState, scores: Scores) -> None: ...
    def on_stop(self, state: TrainState) -> None: ...
    def on_success(self, state: TrainState) -> None: ...
    def close(self) -> None: ...
