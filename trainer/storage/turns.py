"""One writer at a time, in a store that knows no conditional writes.

Lamport's bakery (CACM 17/8, 1974): a writer takes a number above all that it sees, and waits until nobody has a lower one. It needs
nothing but reads, writes and listings that see every write that has ended. A claim is an object `<number>-<token>`; while a writer
is looking for its number it holds number 0, so that everybody waits for it: all that is needed is to have no claim before one's own.

The promise: the blocks of two writers never run at the same time, and one that dies holds up the others for `silence_seconds`.
A claim is dead when it has not changed for so long on the clock of whoever waits for it, never by a time that stands in the store;
the living change theirs, and a writer that finds itself too slow for that starts over. So the block must end in the time that it is
given. What this cannot exclude, and a conditional write does: a request of the block that was given up on, and arrives later still.
Nobody waits for longer than the store's patience, neither behind the living nor for a server that is too slow for all of this.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from trainer.errors import StoreUnavailableError
from trainer.storage.base import Entry, Store
from trainer.storage.patience import Deadline, Patience, retry

TURNS = "turns"
SILENCE_SECONDS = 20.0
_POLL_SECONDS = 0.05


@contextmanager
def own_turn(claims: Store, patience: Patience, silence_seconds: float = SILENCE_SECONDS) -> Generator[Deadline]:
    """Wait for the turn; the block has it until the deadline that it is given.

    Args:
        claims: a folder for the claims of those who want the same turn. It is empty when nobody does.
        patience: how long to wait; all that it takes to get the turn is one request.

    Raises:
        StoreUnavailableError: it did not come.
    """
    claim = _Claim(claims, silence_seconds)
    try:
        yield retry(claim.try_for_turn, claims.uri, patience)
    finally:
        claim.withdraw()


def seconds_left(turn: Deadline, where: str) -> float:
    """For what is still to be done in the turn.

    Raises:
        StoreUnavailableError: it is over, so `where` may be another's to write.
    """
    if left := turn.left():
        return left
    raise StoreUnavailableError(f"{where} was not written: this writer's turn was over after {turn.spent():.1f} s; try again")


class _Claim:
    def __init__(self, claims: Store, silence_seconds: float) -> None:
        self._claims = claims
        self._silence_seconds = silence_seconds
        self._token = secrets.token_hex(8)
        self._signs = 0
        self._keys: set[str] = set()  # that may be there
        self._alive: Deadline | None = None  # until then nobody takes this writer for dead
        self._others = _Watch(claims, silence_seconds)

    def try_for_turn(self, deadline: Deadline) -> Deadline:
        """Wait until then. What fails leaves no claim, so that nobody waits for it.

        Raises:
            StoreUnavailableError: others had the turn all the time, or this writer was so slow that they may have taken it for dead.
        """
        try:
            return self._wait_for_turn(deadline)
        except StoreUnavailableError:
            self.withdraw()
            raise

    def withdraw(self) -> None:
        """Take the claims back; where that fails, the others wait for them to be dead."""
        self._alive = None
        with suppress(StoreUnavailableError):
            while self._keys:
                self._claims.delete(self._keys.pop())

    def _wait_for_turn(self, deadline: Deadline) -> Deadline:
        looking = self._key(0)
        self._give_sign(looking)
        own = self._key(1 + max((int(entry.key.split("-")[0]) for entry in self._claims.keys()), default=0))
        self._give_sign(own)
        self._claims.delete(looking)
        self._keys.remove(looking)
        while before := self._living_before(own):
            if not deadline.left():
                raise StoreUnavailableError(f"{len(before)} others came first, among them {before[0].key}")
            time.sleep(_POLL_SECONDS)
            if self._is_sign_due():
                self._give_sign(own)
        return self._give_sign(own)

    def _living_before(self, own: str) -> list[Entry]:
        """None only if twice none: one listing, which runs while another writer changes 0 for its number, may show neither."""
        return self._others.living_before(own) or self._others.living_before(own)

    def _key(self, number: int) -> str:
        return f"{number:08d}-{self._token}"

    def _is_sign_due(self) -> bool:
        return self._alive is None or self._alive.left() < self._silence_seconds / 4

    def _give_sign(self, key: str) -> Deadline:
        """Write the claim as it never was. Half of the silence is left for clocks that run unevenly."""
        before, now = self._alive, Deadline(self._silence_seconds / 2)
        self._signs += 1
        self._keys.add(key)
        self._claims.put(key, b"." * self._signs)  # grows: not every store has tags
        if before is not None and not before.left():
            raise StoreUnavailableError(
                f"two signs of life of this writer took {before.spent():.1f} s; after {self._silence_seconds:g} s others take it for dead"
            )
        self._alive = now
        return now


class _Watch:
    """What a waiting writer has seen of the others."""

    def __init__(self, claims: Store, silence_seconds: float) -> None:
        self._claims = claims
        self._silence_seconds = silence_seconds
        self._seen: dict[Entry, Deadline] = {}

    def living_before(self, own: str) -> list[Entry]:
        """The living claims that come before that one; dead ones are removed."""
        before = [entry for entry in self._claims.keys() if entry.key < own]
        self._seen = {entry: self._seen.get(entry) or Deadline(self._silence_seconds) for entry in before}
        dead = [entry for entry, deadline in self._seen.items() if not deadline.left()]
        for entry in dead:
            self._claims.delete(entry.key)
        return [entry for entry in before if entry not in dead]
