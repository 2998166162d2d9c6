"""One way to write a value as bytes, and its digest: what everything that is keyed by content goes through."""

from __future__ import annotations

import hashlib
import json
from typing import Any

DIGITS_IN_NAMES = 16


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces. NaN and infinity are refused: they are not JSON.

    Raises:
        ValueError: `value` holds NaN or infinity.
        TypeError: `value` holds something that JSON cannot say.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_digest(data: bytes) -> str:
    """`sha256:<64 hex digits>` of bytes: names content."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """The sha256 digest of a value's canonical JSON."""
    return sha256_digest(canonical_json(value).encode())


def short(digest: str) -> str:
    """The first 16 hex digits of `algorithm:value`: for folders, labels and `model.version`."""
    return digest.rpartition(":")[2][:DIGITS_IN_NAMES]
