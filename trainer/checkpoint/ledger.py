"""The ledger: one small object for each attempt at a run, so that what was lost can be told."""

from __future__ import annotations

from trainer.errors import ObjectExistsError
from trainer.reports import Report
from trainer.storage import Store


class Attempt(Report):
    """An attempt: where it began, and with how many ranks."""

    samples_seen: int
    world_size: int


def enter_attempt(store: Store, generation: int, samples_seen: int, world_size: int) -> None:
    """Enter one more attempt of a generation."""
    number = count_attempts(store, generation) + 1
    try:
        store.put_if_absent(
            f"ledger/{generation:04d}-{number:04d}.json", Attempt(samples_seen=samples_seen, world_size=world_size).to_bytes()
        )
    except ObjectExistsError:  # a second writer came between: count again
        enter_attempt(store, generation, samples_seen, world_size)


def count_attempts(store: Store, generation: int) -> int:
    return sum(1 for _ in store.keys(f"ledger/{generation:04d}-"))
