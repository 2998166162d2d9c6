from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.checkpoint.commit import commit, read_checkpoint
from trainer.checkpoint.documents import Position
from trainer.checkpoint.history import History, read_history
from trainer.checkpoint.ledger import count_attempts, enter_attempt
from trainer.checkpoint.listing import best, committed, newest_whole, open_generation, prune, put_scores, scores_of
from trainer.errors import CorruptObjectError, NoUsableCheckpointError
from trainer.reports import HistoryRecord
from trainer.storage import FolderStore

FILES = {"model.safetensors": b"weights", "state.json": b"state"}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path))


def save(store: FolderStore, *samples: int, generation: int = 1) -> None:
    for count in samples:
        commit(store, Position(generation, count), {**FILES, "state.json": str(count).encode()})


def test_a_checkpoint_is_read_as_it_was_written(store: FolderStore) -> None:
    commit(store, Position(1, 20), FILES)

    assert read_checkpoint(store, Position(1, 20)) == FILES


def test_a_checkpoint_exists_when_its_manifest_does(store: FolderStore) -> None:
    save(store, 10, 20)
    store.delete("checkpoints/0001-000000000020/manifest.json")

    assert committed(store, 1) == [Position(1, 10)]


@pytest.mark.parametrize("file", ["model.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize(
    "damage",
    [lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data[:-1], lambda data: b""],
    ids=["a flipped bit", "a byte too few", "empty"],
)
def test_a_broken_file_is_noticed_and_the_checkpoint_before_it_is_used(
    store: FolderStore, tmp_path: Path, file: str, damage: Callable[[bytes], bytes]
) -> None:
    save(store, 10, 20)
    path = tmp_path / "checkpoints/0001-000000000020" / file
    path.write_bytes(damage(path.read_bytes()))

    restored = newest_whole(store, 1)

    assert restored is not None
    assert restored.position == Position(1, 10)
    assert restored.files["state.json"] == b"10"
    assert len(restored.passed_over) == 1
    assert file in restored.passed_over[0]


def test_a_missing_file_is_a_broken_checkpoint(store: FolderStore) -> None:
    save(store, 10)
    store.delete("checkpoints/0001-000000000010/state.json")

    with pytest.raises(CorruptObjectError, match=r"state\.json"):
        read_checkpoint(store, Position(1, 10))


def test_a_manifest_that_was_moved_is_not_believed(store: FolderStore) -> None:
    save(store, 10, 20)
    store.put("checkpoints/0001-000000000020/manifest.json", store.get("checkpoints/0001-000000000010/manifest.json"))

    with pytest.raises(CorruptObjectError, match=r"speaks of 0001-000000000010"):
        read_checkpoint(store, Position(1, 20))


def test_if_all_are_broken_the_run_is_refused_and_not_started_over(store: FolderStore) -> None:
    save(store, 10, 20)
    for samples in (10, 20):
        store.put(f"checkpoints/0001-{samples:012d}/state.json", b"else")

    with pytest.raises(NoUsableCheckpointError, match=r"every checkpoint is broken: .*000020.*000010.*--fresh"):
        newest_whole(store, 1)


def test_without_checkpoints_there_is_nothing_to_continue(store: FolderStore) -> None:
    assert newest_whole(store, 1) is None


def test_a_run_keeps_its_generation_and_fresh_opens_the_next(store: FolderStore) -> None:
    assert [open_generation(store), open_generation(store)] == [1, 1]
    assert [open_generation(store, "fresh-a"), open_generation(store, "fresh-a"), open_generation(store)] == [2, 2, 2]
    assert [open_generation(store, "fresh-b"), open_generation(store)] == [3, 3]


def test_a_fresh_generation_ignores_older_checkpoints_and_keeps_them(store: FolderStore) -> None:
    save(store, 10)

    assert newest_whole(store, 2) is None
    assert committed(store, 1) == [Position(1, 10)]


def test_the_best_is_the_highest_metric_and_of_equals_the_newer(store: FolderStore) -> None:
    save(store, 10, 20, 30, 40)
    for samples, value in ((10, 0.5), (20, 0.7), (30, 0.7)):
        put_scores(store, Position(1, samples), {"miou": value})

    assert best(store, committed(store, 1), "miou") == Position(1, 30)
    assert scores_of(store, Position(1, 20)) == {"miou": 0.7}
    assert scores_of(store, Position(1, 40)) is None


def test_without_scores_none_is_best(store: FolderStore) -> None:
    save(store, 10)

    assert best(store, committed(store, 1), "miou") is None


@pytest.mark.parametrize(
    ("best_at", "kept"),
    [(10, [10, 40, 50]), (40, [40, 50]), (None, [40, 50])],
    ids=["an old one is best", "a new one is best", "none was scored"],
)
def test_the_newest_and_the_best_are_kept(store: FolderStore, tmp_path: Path, best_at: int | None, kept: list[int]) -> None:
    save(store, 10, 20, 30, 40, 50)
    if best_at:
        put_scores(store, Position(1, best_at), {"miou": 0.9})

    prune(store, 1, keep_last=2, metric="miou")

    assert [position.samples_seen for position in committed(store, 1)] == kept
    left = {path.parent.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {f"0001-{samples:012d}" for samples in kept}


def test_another_generation_is_not_pruned(store: FolderStore) -> None:
    save(store, 10, 20, 30)
    save(store, 10, generation=2)

    prune(store, 2, keep_last=2, metric="miou")

    assert len(committed(store, 1)) == 3


def test_the_history_has_each_point_once_though_an_attempt_repeated_some(store: FolderStore) -> None:
    first, second = History(store, 1), History(store, 1)
    for step in (1, 2, 3):
        first.add(HistoryRecord(step=step, samples_seen=step * 10, loss=1.0 / step))
    first.flush(30)
    for step in (3, 4):
        second.add(HistoryRecord(step=step, samples_seen=step * 10, loss=2.0 / step))
    second.flush(40)
    second.put_scores(HistoryRecord(step=4, samples_seen=40, scores={"miou": 0.5}))

    points = read_history(store, 1)

    assert [(point.step, point.loss) for point in points if point.scores is None] == [(1, 1.0), (2, 0.5), (3, 2.0 / 3), (4, 0.5)]
    assert [(point.step, point.scores) for point in points if point.scores] == [(4, {"miou": 0.5})]
    assert read_history(store, 2) == []


def test_each_attempt_is_entered_once(store: FolderStore) -> None:
    enter_attempt(store, 1, samples_seen=0, world_size=2)
    enter_attempt(store, 1, samples_seen=100, world_size=3)
    enter_attempt(store, 2, samples_seen=0, world_size=1)

    assert count_attempts(store, 1) == 2
    assert store.get("ledger/0001-0002.json") == b'{"samples_seen":100,"world_size":3}'
