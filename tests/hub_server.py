"""A model hub on the loopback, as far as fetching one file needs it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """Where it listens, and the requests for files that it has had: `METHOD path`."""

    url: str
    requests: list[str]


@contextmanager
def hub_server(files: Mapping[str, bytes], *, otherwise: int = 404) -> Generator[Hub]:
    """Serve `<owner>/<repository>/<file>`, each from the revision `main`; every other path is answered with `otherwise`."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            requests.append(f"{self.command} {self.path}")
            body = files.get(self.path.strip("/").replace("resolve/main/", ""))
            self.send_response(otherwise if body is None else 200)
            if body is None and otherwise == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            if body is not None:
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if self.command == "GET" and body is not None:
                self.wfile.write(body)

        do_GET = do_HEAD = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
