"""A connection to S3: how long it waits, how often it tries, and one client a process."""

# boto3's stubs type the clients of the services whose own stubs are installed, which is S3 alone
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from boto3.session import Session
from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import get_session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class Patience:
    """How long a store may take. Between attempts boto3 waits ever longer, at most 20 s, and slows down when it is told to."""

    attempts: int = 6
    connect_seconds: float = 10.0
    read_seconds: float = 60.0  # without a byte


class Connection:
    """Endpoint, region and credentials come from the standard environment, when a process first uses it.

    A client's sockets survive neither pickling nor a fork, so each process makes its own. Threads share one.
    """

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._clients: dict[int, S3Client] = {}
        self._locks: dict[int, threading.Lock] = {}  # one a process: a fork may come while another thread holds its parent's

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
        retries={"mode": "adaptive", "total_max_attempts": patience.attempts},
        s3={"addressing_style": "path" if other_than_aws else "auto"},
        request_checksum_calculation="when_required",  # AWS's newer checksum trailers are refused by many other servers
        response_checksum_validation="when_required",
    )
    core = get_session()  # one for each client: sessions are not safe between threads
    core.register_component("data_loader", _service_descriptions())
    return Session(botocore_session=core).client("s3", config=config)


@cache
def _service_descriptions() -> Loader:
    """Read and parsed once a process: that takes 0.1 s, and is most of what a client costs."""
    return get_session().get_component("data_loader")
