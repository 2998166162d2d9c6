"""The learning curves: a store cannot append, so each flush is a new small object."""

from __future__ import annotations

from trainer.checkpoint.documents import Position
from trainer.reports import HistoryRecord
from trainer.storage import Store


class History:
    """Points of the curve since the last flush. Flushed before each commit, so a resumed run repeats none and lacks none."""

    def __init__(self, store: Store, generation: int) -> None:
        self._store, self._generation = store, generation
        self._pending: list[HistoryRecord] = []

    def add(self, record: HistoryRecord) -> None:
        self._pending.append(record)

    def flush(self, samples_seen: int) -> None:
        """Write the points up to here; the object's name is the checkpoint's."""
        if self._pending:
            self._put(f"{Position(self._generation, samples_seen)}.jsonl", self._pending)
            self._pending.clear()

    def put_scores(self, record: HistoryRecord) -> None:
        """Write an evaluation at once: it follows the commit of its own position."""
        self._put(f"{Position(self._generation, record.samples_seen)}.scores.jsonl", [record])

    def _put(self, name: str, records: list[HistoryRecord]) -> None:
        self._store.put(f"history/{name}", b"".join(record.to_bytes() + b"\n" for record in records))


def read_history(store: Store, generation: int) -> list[HistoryRecord]:
    """All points of a generation in the order of steps; where an attempt repeated some, the later flush counts."""
    points: dict[tuple[int, bool], HistoryRecord] = {}
    for entry in store.keys(f"history/{generation:04d}-"):
        for line in store.get(entry.key).splitlines():
            record = HistoryRecord.from_bytes(line, f"{store.uri}/{entry.key}")
            points[record.step, record.scores is not None] = record
    return [points[key] for key in sorted(points)]
