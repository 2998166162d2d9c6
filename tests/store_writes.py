"""The ways to write an object, by the name of the store's method."""

from __future__ import annotations

from collections.abc import Callable

from trainer.storage import Store


def upload(store: Store, data: bytes) -> None:
    with store.open_upload("a") as file:
        file.write(data)


Write = Callable[[Store, bytes], None]
WRITES: dict[str, Write] = {
    "put": lambda store, data: store.put("a", data),
    "put_if_absent": lambda store, data: store.put_if_absent("a", data),
    "open_upload": upload,
}
