"""Servers that a test may point to, and one that fails when it is asked to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faulty_server import FaultyServer, faulty_server
from trainer.storage.s3 import S3Store


@pytest.fixture
def server(s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """In front of moto's, where the environment points to during the test; the bucket holds an object."""
    S3Store.at(bucket).put("there", b"0123456789")
    with faulty_server(s3_endpoint) as faulty:
        monkeypatch.setenv("AWS_ENDPOINT_URL", faulty.url)
        yield faulty


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Some credentials, and an environment that a test may point at its own server."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    return monkeypatch
