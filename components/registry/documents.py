"""Documents in a Store that are written once, by whoever comes first: all that a registry needs to be shared."""

from __future__ import annotations

from contextlib import suppress
from typing import Generic, TypeVar

from trainer.errors import ObjectExistsError, ObjectMissingError
from trainer.reports import Report
from trainer.storage import Store

Document = TypeVar("Document", bound=Report)


def read_document(store: Store, key: str, kind: type[Document]) -> Document | None:
    """A document, or None where there is none."""
    try:
        data = store.get(key)
    except ObjectMissingError:
        return None
    return kind.from_bytes(data, f"{store.uri}/{key}")


def settle(store: Store, key: str, proposal: Document) -> Document:
    """Propose a document, and learn which one stands: the first that was written.

    Reading it back also settles a write that arrived although its answer was lost.
    """
    with suppress(ObjectExistsError):
        store.put_if_absent(key, proposal.to_bytes())
    return type(proposal).from_bytes(store.get(key), f"{store.uri}/{key}")


class Log(Generic[Document]):
    """`000001.json`, `000002.json`, … below a folder; each goes to whoever writes it first."""

    def __init__(self, store: Store, kind: type[Document]) -> None:
        self._store = store
        self._kind = kind

    def read(self, number: int) -> Document | None:
        return read_document(self._store, _key(number), self._kind)

    def last_number(self) -> int:
        """0 in an empty log."""
        return max((int(entry.key.removesuffix(".json")) for entry in self._store.keys("")), default=0)

    def settle(self, number: int, proposal: Document) -> Document:
        return settle(self._store, _key(number), proposal)


def _key(number: int) -> str:
    return f"{number:06d}.json"
