"""A connection to S3: one client a process, and requests that are made again until they succeed or time is up."""

# boto3's stubs type the clients of the services whose own stubs are installed, which is S3 alone
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.session import Session
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import get_session

from trainer.storage.patience import Deadline, Patience, retry
from trainer.storage.s3_errors import typed_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Answer = TypeVar("Answer")

_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_read_seconds: ContextVar[float | None] = ContextVar("read_seconds", default=None)  # of the request that this thread makes


class Connection:
    """Endpoint, region and credentials come from the standard environment, when a process first uses it.

    A client's sockets survive neither pickling nor a fork, so each process makes its own. Threads share one.
    """

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._clients: dict[int, S3Client] = {}
        self._locks: dict[int, threading.Lock] = {}  # one a process: a fork may come while another thread holds its parent's

    def within(self, seconds: float) -> Connection:
        """The same connection, which gives a request up after that time."""
        limited = Connection(self.patience.within(seconds))
        limited._clients, limited._locks = self._clients, self._locks
        return limited

    def ask(self, request: Callable[[S3Client, Deadline], Answer], where: str) -> Answer:
        """Make a request, as often as the patience allows. `where` is the URI that errors name.

        Raises:
            StoreError: the server refused it, or was not to be had in time; by cause, as `trainer.errors` draws them.
        """

        def attempt(deadline: Deadline) -> Answer:
            with typed_errors(where), _reading_within(min(self.patience.read_seconds, deadline.left())):
                return request(self.client, deadline)

        return retry(attempt, where, self.patience)

    @property
    def client(self) -> S3Client:
        process = os.getpid()
        if process not in self._clients:
            with self._locks.setdefault(process, threading.Lock()):
                if process not in self._clients:
                    self._clients[process] = _new_client(self.patience)
        return self._clients[process]

    def __getstate__(self) -> dict[str, Any]:
        return {"patience": self.patience, "_clients": {}, "_locks": {}}


def _new_client(patience: Patience) -> S3Client:
    other_than_aws = any(os.environ.get(name) for name in _ENDPOINT_VARIABLES)
    config = Config(
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},  # botocore counts attempts but knows no total time: `retry` does both
        s3={"addressing_style": "path" if other_than_aws else "auto"},
        request_checksum_calculation="when_required",  # AWS's newer checksum trailers are refused by many other servers
        response_checksum_validation="when_required",
    )
    core = get_session()  # one for each client: sessions are not safe between threads
    core.register_component("data_loader", _service_descriptions())
    client = Session(botocore_session=core).client("s3", config=config)
    client.meta.events.register("before-call.s3", _limit_reading)
    return client


@contextmanager
def _reading_within(seconds: float) -> Generator[None]:
    token = _read_seconds.set(max(seconds, 0.001))  # 0 would mean not to block at all
    try:
        yield
    finally:
        _read_seconds.reset(token)


def _limit_reading(context: dict[str, Any], **_: object) -> None:
    """Have botocore wait for this request's answer no longer than its deadline allows; the client's own limit is the same for all."""
    context["read_timeout"] = _read_seconds.get()


@cache
def _service_descriptions() -> Loader:
    """Read and parsed once a process: that takes 0.1 s, and is most of what a client costs."""
    return get_session().get_component("data_loader")
