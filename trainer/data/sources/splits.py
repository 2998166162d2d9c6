"""Splits drawn by content: an image's split follows from a hash of its bytes and from nothing else."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from trainer.data.parallel import in_order
from trainer.storage import Store

_THREADS = 8


def assign_splits(store: Store, keys: Sequence[str], splits: tuple[str, ...], shares: tuple[float, ...]) -> dict[str, tuple[str, ...]]:
    """The keys of each split, sorted; `shares` are of the images, one for each split, and add up to 1.

    Equal files share a split, and a file stays in its split whatever is added, removed or renamed. At most
    one file a thread is held.

    Raises:
        ObjectMissingError: a file has gone since it was listed.
    """
    limits = tuple(accumulate(shares[:-1]))  # the last split takes what is left, however the shares were rounded

    def split_of(key: str) -> str:
        return splits[bisect_right(limits, _position(store.get(key)))]

    members: dict[str, list[str]] = {split: [] for split in splits}
    ordered = sorted(keys)
    with ThreadPoolExecutor(_THREADS) as pool:
        for key, split in zip(ordered, in_order(pool, split_of, ordered, in_flight=2 * _THREADS), strict=True):
            members[split].append(key)
    return {split: tuple(chosen) for split, chosen in members.items()}


def _position(data: bytes) -> float:
    """A number in [0, 1) that the content draws."""
    return int.from_bytes(hashlib.sha256(data).digest()[:6]) / 2**48  # 48 bits fit a float exactly
