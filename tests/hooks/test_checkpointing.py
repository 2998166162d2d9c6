from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest

from tests.toys import Diary, Regression, images_of, state_of
from trainer.checkpoint.commit import read_checkpoint
from trainer.checkpoint.documents import Position
from trainer.checkpoint.history import History, read_history
from trainer.checkpoint.listing import committed, newest_whole, scores_of
from trainer.hooks.base import Hook
from trainer.hooks.checkpointing import Checkpointing
from trainer.hooks.telemetry import Telemetry
from trainer.loop import fit
from trainer.reports import ModelSpec
from trainer.state import Reason, StepResult, TrainState
from trainer.storage import FolderStore
from trainer.telemetry.sinks import SilentSink
from trainer.telemetry.stopwatch import Stopwatch

STEP = [images_of([10, 20, 30, 40], [1, 2, 3, 4])]
SPEC = ModelSpec(model={}, task={}, data={}, classes=("a", "b"), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path))


def hooks(store: FolderStore, every: int, keep_last: int = 9) -> list[Hook]:
    history = History(store, 1)
    return [
        Telemetry(Stopwatch(), SilentSink(), history, every_steps=1),
        Checkpointing(store, 1, SPEC, history, lambda step: step % every == 0, keep_last=keep_last, metric="miou"),
    ]


def steps_saved(store: FolderStore) -> list[int]:
    return [position.samples_seen // 4 for position in committed(store, 1)]


def test_it_saves_where_it_is_due_and_at_the_end(store: FolderStore) -> None:
    fit(state_of(steps=7), repeat(STEP), Regression(), hooks(store, every=3), lambda _: None)

    assert steps_saved(store) == [3, 6, 7]


def test_a_stop_is_saved_though_none_was_due(store: FolderStore) -> None:
    class Stop(Hook):
        def on_step(self, state: TrainState, result: StepResult) -> None:
            state.stop = Reason.PREEMPTED

    fit(state_of(steps=7), repeat(STEP), Regression(), [Stop(), *hooks(store, every=3)], lambda _: None)

    assert steps_saved(store) == [1]


def test_the_save_holds_the_model_and_how_to_build_it(store: FolderStore) -> None:
    fit(state_of(steps=2), repeat(STEP), Regression(), hooks(store, every=5), lambda _: None)

    files = read_checkpoint(store, Position(1, 8))
    assert sorted(files) == ["model.json", "model.safetensors", "optimiser.safetensors", "state.json"]
    assert ModelSpec.from_bytes(files["model.json"], "here") == SPEC


def test_scores_stand_beside_the_checkpoint_that_they_are_of(store: FolderStore) -> None:
    def evaluate(state: TrainState) -> dict[str, float] | None:
        return {"miou": state.step / 10} if state.step in {2, 4} else None

    fit(state_of(steps=4), repeat(STEP), Regression(), hooks(store, every=2), evaluate)

    assert [scores_of(store, position) for position in committed(store, 1)] == [{"miou": 0.2}, {"miou": 0.4}]
    assert [(point.step, point.scores) for point in read_history(store, 1) if point.scores] == [(2, {"miou": 0.2}), (4, {"miou": 0.4})]


def test_old_checkpoints_go_and_the_best_stays(store: FolderStore) -> None:
    def evaluate(state: TrainState) -> dict[str, float] | None:
        return {"miou": 1 / state.step} if state.step and state.step % 2 == 0 else None

    fit(state_of(steps=10), repeat(STEP), Regression(), hooks(store, every=1, keep_last=2), evaluate)

    assert steps_saved(store) == [2, 9, 10]


def test_what_is_saved_has_its_history_saved_before_it(store: FolderStore) -> None:
    class Interrupt(Hook):
        def on_step(self, state: TrainState, result: StepResult) -> None:
            if state.step == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(state_of(steps=9), repeat(STEP), Regression(), [*hooks(store, every=2), Interrupt()], lambda _: None)

    restored = newest_whole(store, 1)
    assert restored is not None
    assert restored.position.samples_seen == 4 * 4
    assert [point.step for point in read_history(store, 1)] == [1, 2, 3, 4]


def test_the_history_holds_the_steps_own_figures(store: FolderStore) -> None:
    diary = Diary()
    fit(state_of(steps=3), repeat(STEP), Regression(), [diary, *hooks(store, every=9)], lambda _: None)

    assert [(point.loss, point.learning_rate, point.gradient_norm) for point in read_history(store, 1)] == [
        (result.loss, result.learning_rate, result.gradient_norm) for result in diary.results
    ]
