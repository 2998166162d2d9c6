"""Stand-ins for what lies at the outermost edge."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO

from trainer.errors import StoreUnavailableError
from trainer.storage import Entry, Store


class FailingStore:
    """A store that becomes unavailable whenever an object of a named key is written. A name is the end of the key."""

    def __init__(self, store: Store, names: set[str] | None = None) -> None:
        self._store = store
        self._names = set[str]() if names is None else names

    @property
    def uri(self) -> str:
        return self._store.uri

    def fail_on(self, name: str) -> None:
        self._names.add(name)

    def recover(self) -> None:
        self._names.clear()

    def put(self, key: str, data: bytes) -> None:
        self._fail_if_named(key)
        self._store.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> None:
        self._fail_if_named(key)
        self._store.put_if_absent(key, data)

    @contextmanager
    def open_upload(self, key: str) -> Generator[BinaryIO]:
        with self._store.open_upload(key) as file:
            yield file
            self._fail_if_named(key)

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._store.get(key, start, end)

    def stat(self, key: str) -> Entry | None:
        return self._store.stat(key)

    def keys(self, prefix: str = "") -> Iterator[Entry]:
        return self._store.keys(prefix)

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def below(self, folder: str) -> FailingStore:
        return FailingStore(self._store.below(folder), self._names)

    def _fail_if_named(self, key: str) -> None:
        if any(key.endswith(name) for name in self._names):
            raise StoreUnavailableError(f"{self.uri}/{key}: this store fails here, as the test asked")


@dataclass(frozen=True)
class Answer:
    """What the scripted peer says. `claims` is the length that it announces, where that is not the body's."""

    status: int
    body: bytes = b""
    claims: int | None = None


@dataclass
class Peer:
    """A server and the requests that it has had: `METHOD path`."""

    url: str
    requests: list[str]


@contextmanager
def scripted_peer(*answers: Answer) -> Generator[Peer]:
    """An HTTP server on the loopback that gives these answers in turn, and the last one for ever."""
    requests: list[str] = []
    turn = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # older ones say nothing to `Expect: 100-continue`, and a client waits a second for it

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with turn:
                said = answers[min(len(requests), len(answers) - 1)]
                requests.append(f"{self.command} {self.path}")
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(said.body) if said.claims is None else said.claims))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Peer(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
