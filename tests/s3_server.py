"""Two S3 servers, each in a process of its own on the loopback: moto's honours `If-None-Match`, rclone's ignores it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"
KEY = "testing"  # the id and the secret that rclone's server knows

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@contextmanager
def s3_server(**environment: str) -> Generator[str]:
    """The URL of moto's server, up and empty."""
    with _process([sys.executable, __file__], sys.stdout, **environment) as url:
        yield url


@contextmanager
def rclone_server(folder: Path) -> Generator[str]:
    """The URL of rclone's server; the buckets are the folders in `folder`."""
    command = [str(RCLONE), "serve", "s3", str(folder), "--addr", "127.0.0.1:0", "--auth-key", f"{KEY},{KEY}"]
    with _process([*command, "--vfs-cache-mode", "off", "--config", os.devnull], sys.stderr) as url:
        yield url


@contextmanager
def _process(command: list[str], tells_on: object, **environment: str) -> Generator[str]:
    """A server that says on one of its streams at which URL it is up."""
    to_stdout = tells_on is sys.stdout
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if to_stdout else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if to_stdout else subprocess.PIPE,
        text=True,
    )
    stream = process.stdout if to_stdout else process.stderr
    assert stream is not None
    reader = None
    try:
        url = _first_url(stream)
        reader = threading.Thread(target=stream.read)  # so that the server never waits for somebody to read what it says
        reader.start()
        yield url
    finally:
        process.terminate()
        process.wait()
        if reader:
            reader.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _first_url(stream: Iterable[str]) -> str:
    said: list[str] = []
    for line in stream:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    raise RuntimeError(f"the server did not come up: {''.join(said)}")


def _one_at_a_time(app: Wsgi) -> Wsgi:
    """S3 compares and writes in one step; moto looks for `If-None-Match` first and writes later, so two requests could both win."""
    lock = threading.Lock()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with lock:
            return app(environ, start_response)

    return serve


def _serve_moto() -> None:
    """Until nobody holds the other end of stdin any more: whoever started this may have been killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    app = _one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    _serve_moto()
