"""One writer at a time, in a store that knows no conditional writes.

Lamport's bakery (CACM 17/8, 1974): a writer takes a number above all that it sees, and waits until nobody has a lower one. It needs
nothing but reads, writes and listings that see every write that has ended. A claim is an object `<number>-<token>`; while a writer
is looking for its number it holds number 0, so that everybody waits for it: all that is needed is to have no claim before one's own.

The promise: the blocks of two writers never run at the same time, and one that dies holds up the others for `silence_seconds`.
A claim is dead when it has not changed for so long on the clock of whoever waits for it, never by a time that stands in the store;
the living change theirs, and a writer that finds itself too slow for that starts over. So the block must end in the time that it is
given. What this cannot exclude, and a conditional write does: a request of the block that was given up on, and arrives later still.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from trainer.errors import StoreUnavailableError
from trainer.storage.base import Entry, Store
from trainer.storage.patience import Deadline

TURNS = "turns"
SILENCE_SECONDS = 20.0
_POLL_SECONDS = 0.05


@contextmanager
def own_turn(claims: Store, silence_seconds: float = SILENCE_SECONDS) -> Generator[Deadline]:
    """Wait for the turn; the block has it until the deadline that it is given.

    Args:
        claims: a folder for the claims of those who want the same turn. It is empty when nobody does.
    """
    claim = _Claim(claims, silence_seconds)
    try:
        yield claim.wait_for_turn()
    finally:
        claim.withdraw()


class _TooSlowError(Exception):
    """Others may have taken this writer for dead."""


class _Claim:
    def __init__(self, claims: Store, silence_seconds: float) -> None:
        self._claims = claims
        self._silence_seconds = silence_seconds
        self._token = secrets.token_hex(8)
        self._signs = 0
        self._alive: Deadline | None = None  # until then nobody takes this writer for dead
        self._others = _Watch(claims, silence_seconds)

    def wait_for_turn(self) -> Deadline:
        while True:
            try:
                return self._try_for_turn()
            except _TooSlowError:
                self.withdraw()

    def withdraw(self) -> None:
        """Take the claims back; where that fails, the others wait for them to be dead."""
        self._alive = None
        with suppress(StoreUnavailableError):
            for entry in list(self._claims.keys()):
                if entry.key.endswith(self._token):
                    self._claims.delete(entry.key)

    def _try_for_turn(self) -> Deadline:
        looking = self._key(0)
        self._give_sign(looking)
        own = self._key(1 + max((int(entry.key.split("-")[0]) for entry in self._claims.keys()), default=0))
        self._give_sign(own)
        self._claims.delete(looking)
        while self._is_any_before(own):
            time.sleep(_POLL_SECONDS)
            if self._is_sign_due():
                self._give_sign(own)
        return self._give_sign(own)

    def _is_any_before(self, own: str) -> bool:
        """Twice none: one listing, which runs while another writer changes 0 for its number, may show neither."""
        return any(self._others.is_any_before(own) for _ in range(2))

    def _key(self, number: int) -> str:
        return f"{number:08d}-{self._token}"

    def _is_sign_due(self) -> bool:
        return self._alive is None or self._alive.left() < self._silence_seconds / 4

    def _give_sign(self, key: str) -> Deadline:
        """Write the claim as it never was. Half of the silence is left for clocks that run unevenly."""
        before, now = self._alive, Deadline(self._silence_seconds / 2)
        self._signs += 1
        self._claims.put(key, b"." * self._signs)  # grows: not every store has tags
        if before is not None and not before.left():
            raise _TooSlowError
        self._alive = now
        return now


class _Watch:
    """What a waiting writer has seen of the others."""

    def __init__(self, claims: Store, silence_seconds: float) -> None:
        self._claims = claims
        self._silence_seconds = silence_seconds
        self._seen: dict[Entry, Deadline] = {}

    def is_any_before(self, own: str) -> bool:
        """Whether a living claim comes before that one; dead ones are removed."""
        before = [entry for entry in self._claims.keys() if entry.key < own]
        self._seen = {entry: self._seen.get(entry) or Deadline(self._silence_seconds) for entry in before}
        dead = [entry for entry, deadline in self._seen.items() if not deadline.left()]
        for entry in dead:
            self._claims.delete(entry.key)
        return len(before) > len(dead)
