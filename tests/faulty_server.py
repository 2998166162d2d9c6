"""A server in front of a real one, which passes requests on but for the faults that a test asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Fault:
    """What becomes of a request.

    Args:
        status: the answer, without asking the real server; 0 asks it.
        code: S3's name for it, in that answer's body.
        retry_after: seconds, in that answer's header.
        loses_answer: the real server did it, but the line breaks before its answer is passed on.
        silent: no answer, for as long as the test lasts.
        stalls_after: bytes of the body, after which nothing more comes.
        trickles: the body comes byte by byte, 20 a second.
        drops_range: the real server is asked for the whole.
    """

    status: int = 0
    code: str = ""
    retry_after: int = 0
    loses_answer: bool = False
    silent: bool = False
    stalls_after: int | None = None
    trickles: bool = False
    drops_range: bool = False


@dataclass
class FaultyServer:
    """Its URL, and the requests that it has had: `METHOD path?query`."""

    url: str = ""
    requests: list[str] = field(default_factory=list[str])
    _planned: list[tuple[str, Fault]] = field(default_factory=list[tuple[str, Fault]])
    _always: dict[str, Fault] = field(default_factory=dict[str, Fault])
    _ended: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, text: str, *faults: Fault) -> None:
        """The next requests that hold the text meet these faults, in turn."""
        self._planned += [(text, fault) for fault in faults]

    def always_fail(self, text: str, fault: Fault) -> None:
        """Every request that holds the text, and none of the planned ones."""
        self._always[text] = fault

    def count(self, text: str) -> int:
        return sum(text in request for request in self.requests)

    def fault_of(self, request: str) -> Fault:
        """Note a request; what is to become of it."""
        with self._turn:
            self.requests.append(request)
            for number, (text, fault) in enumerate(self._planned):
                if text in request:
                    del self._planned[number]
                    return fault
        return next((fault for text, fault in self._always.items() if text in request), Fault())

    def wait_for_end(self) -> None:
        self._ended.wait()

    def end(self) -> None:
        self._ended.set()


@contextmanager
def faulty_server(real: str) -> Generator[FaultyServer]:
    """A server on the loopback in front of the one at that URL."""
    server, address = FaultyServer(), real.removeprefix("http://")

    class Handler(_Handler):
        faulty, upstream = server, address

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.end()
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: FaultyServer
    upstream: str

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.faulty.fault_of(f"{self.command} {self.path}")
        self.close_connection = True
        if fault.silent:
            self.faulty.wait_for_end()
        elif fault.status:
            self._refuse(fault)
        else:
            self._pass_on(body, fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _refuse(self, fault: Fault) -> None:
        self.send_response(fault.status)
        if fault.retry_after:
            self.send_header("Retry-After", str(fault.retry_after))
        body = f"<Error><Code>{fault.code}</Code></Error>".encode() if fault.code else b""
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self, body: bytes, fault: Fault) -> None:
        connection = HTTPConnection(self.upstream)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        dropped = {"expect", *_HOP_BY_HOP, *(["range"] if fault.drops_range else [])}
        for name, value in self.headers.items():
            if name.lower() not in dropped:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if not fault.loses_answer:
            with suppress(BrokenPipeError, ConnectionResetError):  # it gave up waiting: that is what the test is about
                self._send(answer, content, fault)

    def _send(self, answer: HTTPResponse, content: bytes, fault: Fault) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.trickles:
            self._trickle(content)
            return
        self.wfile.write(content[: fault.stalls_after])
        if fault.stalls_after is not None:
            self.wfile.flush()
            self.faulty.wait_for_end()

    def _trickle(self, content: bytes) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)
