# ijson has no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

"""Lists of objects in a JSON file, handed over one object at a time, and the fields that such an object must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        DataError: it is not JSON, or holds something else than objects in such a list.
    """
    where = f"{store.uri}/{entry.key}"
    parsers = [ijson.items_coro(_Receiver(where, name, take), f"{name}.item", use_float=True) for name, take in takers.items()]
    try:
        for number, block in enumerate(blocks(store, entry)):
            for parser in parsers:
                parser.send(block if number else block.removeprefix(_BYTE_ORDER_MARK))
        for parser in parsers:
            parser.close()
    except ijson.JSONError as error:
        raise DataError(f"{where} is not valid JSON: {_first_line(error)}") from None


def _first_line(error: ijson.JSONError) -> str:
    """What the parser says; the lines below it only draw an arrow."""
    message: str | bytes = error.args[0]
    text = message.decode(errors="replace") if isinstance(message, bytes) else message  # bytes where the file is no text
    return text.partition("\n")[0].rstrip(".")


class _Receiver:
    """What a parser sends its objects to."""

    def __init__(self, where: str, name: str, take: Take) -> None:
        self._where, self._take = f"{where}: {name}", take
        self._number = 0

    def send(self, record: Any) -> None:
        place = f"{self._where}[{self._number}]"
        if not isinstance(record, dict):
            raise DataError(f"{place} is {record!r:.40}; it must be an object")
        self._take(cast(Record, record), place)
        self._number += 1


def whole_number(record: Record, key: str, where: str) -> int:
    value = record.get(key)
    if type(value) is not int:  # a bool is an int, too
        raise DataError(f"{where} has {key}={value!r:.40}; it must be a whole number")
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
