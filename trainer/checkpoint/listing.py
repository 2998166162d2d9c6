"""Which checkpoints there are: always from the store, never from a process's memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trainer.checkpoint.commit import read_checkpoint
from trainer.checkpoint.documents import MANIFEST, SCORES, EvaluationScores, Generation, Position
from trainer.errors import CorruptObjectError, NoUsableCheckpointError, ObjectExistsError
from trainer.storage import Store


@dataclass(frozen=True)
class Restored:
    """The newest whole checkpoint, and why newer ones were passed over."""

    position: Position
    files: dict[str, bytes]
    passed_over: tuple[str, ...]


def open_generation(store: Store, fresh: str = "") -> int:
    """The generation that a run saves to and continues from: the newest, or a new one for a token not seen before.

    Args:
        fresh: a token of `--fresh`; empty continues what there is.
    """
    known = dict(_generations(store))
    for number, generation in sorted(known.items(), reverse=True):
        if not fresh or generation.token == fresh:
            return number
    number = max(known, default=0) + 1
    try:
        store.put_if_absent(_generation_key(number), Generation(token=fresh).to_bytes())
    except ObjectExistsError:  # another attempt opened it meanwhile: look again
        return open_generation(store, fresh)
    return number


def committed(store: Store, generation: int) -> list[Position]:
    """The positions of a generation's checkpoints, oldest first."""
    keys = (entry.key for entry in store.keys(f"checkpoints/{generation:04d}-"))
    return sorted(Position.parse(key.split("/")[1]) for key in keys if key.endswith(f"/{MANIFEST}"))


def newest_whole(store: Store, generation: int) -> Restored | None:
    """The newest checkpoint whose every byte is as written; None where there is none yet.

    Raises:
        NoUsableCheckpointError: there are some, and all are broken.
    """
    broken: list[str] = []
    for position in reversed(committed(store, generation)):
        try:
            return Restored(position, read_checkpoint(store, position), tuple(broken))
        except CorruptObjectError as error:
            broken.append(str(error))
    if broken:
        raise NoUsableCheckpointError(
            f"every checkpoint is broken: {'; '.join(broken)}. Restore one from a backup, or start again with --fresh"
        )
    return None


def put_scores(store: Store, position: Position, scores: dict[str, float]) -> None:
    """Say beside a checkpoint what it reached."""
    store.put(f"{position.folder}/{SCORES}", EvaluationScores(scores=scores).to_bytes())


def scores_of(store: Store, position: Position) -> dict[str, float] | None:
    key = f"{position.folder}/{SCORES}"
    return EvaluationScores.from_bytes(store.get(key), f"{store.uri}/{key}").scores if store.stat(key) else None


def best(store: Store, positions: Sequence[Position], metric: str) -> Position | None:
    """The checkpoint with the highest metric, the newer of equals; None where none was evaluated."""
    scored = {position: scores[metric] for position in positions if (scores := scores_of(store, position))}
    finite = [position for position, value in scored.items() if not math.isnan(value)]
    return max(finite, key=lambda position: (scored[position], position), default=None)


def prune(store: Store, generation: int, keep_last: int, metric: str) -> None:
    """Delete the generation's checkpoints but the newest `keep_last` and the best; a manifest goes first, so none is ever half there."""
    positions = committed(store, generation)
    kept = {*positions[-keep_last:], best(store, positions, metric)}
    for position in positions:
        if position not in kept:
            store.delete(f"{position.folder}/{MANIFEST}")
            for entry in list(store.keys(f"{position.folder}/")):
                store.delete(entry.key)


def _generations(store: Store) -> Iterator[tuple[int, Generation]]:
    for entry in store.keys("generations/"):
        number = int(entry.key.removeprefix("generations/").removesuffix(".json"))
        yield number, Generation.from_bytes(store.get(entry.key), f"{store.uri}/{entry.key}")


def _generation_key(number: int) -> str:
    return f"generations/{number:04d}.json"
