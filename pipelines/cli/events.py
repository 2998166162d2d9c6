"""The events of a run, read while its stages write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class EventTail:
    """What has been appended to a file of events since the last look. A line is read once it is whole.

    One that is no event is passed over: where the disk was full it was cut short, and the next one follows on the same line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[Event]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                with suppress(json.JSONDecodeError, UnicodeDecodeError):
                    yield json.loads(line)
