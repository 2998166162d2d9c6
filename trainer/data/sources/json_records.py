# ijson has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

"""Lists of objects in a JSON file, handed over one object at a time, and the fields that such an object must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import ijson

from trainer.data.sources.contents import blocks
from trainer.errors import DataError
from trainer.storage import Entry, Store

Record = Mapping[str, Any]
Take = Callable[[Record, str], None]  # an object, and how messages name its place

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def stream_records(store: Store, entry: Entry, takers: Mapping[str, Take]) -> None:
    """Read a file once and give each object of the lists that are named, all at its top, to its taker.

    Raises:
        DataError: it is not JSON, lacks one of the lists or has nothing in it, or something else than objects.
    """
    where = f"{store.uri}/{entry.key}"
    receivers = {name: _Receiver(where, name, take) for name, take in takers.items()}
    _feed(store, entry, [ijson.items_coro(receiver, f"{name}.item", use_float=True) for name, receiver in receivers.items()])
    for name, receiver in receivers.items():
        if not receiver.taken:
            raise DataError(f"{where} must have a list `{name}` with entries at its top, where it has {_fields(store, entry)}")


def _feed(store: Store, entry: Entry, parsers: Sequence[Any]) -> None:
    try:
        for number, block in enumerate(blocks(store, entry)):
            for parser in parsers:
                parser.send(block if number else block.removeprefix(_BYTE_ORDER_MARK))
        for parser in parsers:
            parser.close()
    except ijson.JSONError as error:  # a number that does not fit is one, too
        raise DataError(f"{store.uri}/{entry.key} is not valid JSON with numbers of 64 bits: {_first_line(error)}") from None


def _fields(store: Store, entry: Entry) -> str:
    """The fields at the top of a file, each with what it is, to be told; another reading, which takes a few times as long."""
    fields = _Fields()
    _feed(store, entry, [ijson.parse_coro(fields, use_float=True)])
    return ", ".join(f"{name} ({kind})" for name, kind in fields.kinds.items()) or "no fields"


def _first_line(error: ijson.JSONError) -> str:
    """What the parser says; the lines below it only draw an arrow."""
    message: str | bytes = error.args[0]
    text = message.decode(errors="replace") if isinstance(message, bytes) else message  # bytes where the file is no text
    return text.partition("\n")[0].rstrip(".")


class _Receiver:
    """What a parser sends its objects to."""

    def __init__(self, where: str, name: str, take: Take) -> None:
        self._where, self._take = f"{where}: {name}", take
        self.taken = 0

    def send(self, record: Any) -> None:
        place = f"{self._where}[{self.taken}]"
        if not isinstance(record, dict):
            raise DataError(f"{place} is {record!r:.40}; it must be an object")
        self._take(cast(Record, record), place)
        self.taken += 1


class _Fields:
    """What a parser sends each event to: the kind of the first one below a field is the field's."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self._name: str | None = None

    def send(self, event: tuple[str, str, Any]) -> None:
        path, kind, value = event
        if (path, kind) == ("", "map_key"):
            self._name = value
        elif path == self._name:
            self.kinds.setdefault(path, kind.removeprefix("start_").replace("map", "object"))


def whole_number(record: Record, key: str, where: str) -> int:
    value = record.get(key)
    if type(value) is not int or value.bit_length() > 63:  # a bool is an int, too
        raise DataError(f"{where} has {key}={value!r:.40}; it must be a whole number of at most 63 bits")
    return value


def text(record: Record, key: str, where: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(f"{where} has {key}={value!r:.40}; it must be a text")
    return value


def flag(record: Record, key: str, where: str) -> bool:
    """False where there is none."""
    value = record.get(key, 0)
    if value not in (0, 1):
        raise DataError(f"{where} has {key}={value!r:.40}; it must be 0 or 1")
    return bool(value)
