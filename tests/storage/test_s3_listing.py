"""Listings of more than one page: in order whatever the server does, and read no further than they are used."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.fakes import Answer, Peer, scripted_peer
from tests.faulty_server import faulty_server
from tests.s3_server import rclone_server
from trainer.errors import StoreError
from trainer.storage.s3 import S3Store

PAGE = 1000  # objects


def listing(*names: str, more: bool) -> Answer:
    contents = "".join(f'<Contents><Key>{name}</Key><Size>1</Size><ETag>"7"</ETag></Contents>' for name in names)
    token = "<IsTruncated>true</IsTruncated><NextContinuationToken>7</NextContinuationToken>" if more else ""
    return Answer(200, f"<ListBucketResult>{contents}{token}</ListBucketResult>".encode())


def store(peer: Peer, environment: pytest.MonkeyPatch) -> S3Store:
    environment.setenv("AWS_ENDPOINT_URL", peer.url)
    return S3Store.at("s3://bucket/x")


def keys(store: S3Store) -> list[str]:
    return [entry.key for entry in store.keys()]


def test_each_page_is_asked_for_when_it_is_needed(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(listing("x/a", "x/b", more=True), listing("x/c", more=True), listing("x/d", more=False)) as peer:
        entries = store(peer, credentials).keys()
        assert peer.requests == []
        assert [entry.key for entry in islice(entries, 2)] == ["a", "b"]
        assert len(peer.requests) == 1
        assert next(entries).key == "c"
        assert len(peer.requests) == 2
        assert [entry.key for entry in entries] == ["d"]
        assert len(peer.requests) == 3


@pytest.mark.usefixtures("s3_endpoint")
def test_the_first_of_many_objects_costs_one_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"images/{number:04d}.png" for number in range(PAGE + 1)]
    (tmp_path / "bucket" / "images").mkdir(parents=True)
    for name in names:
        (tmp_path / "bucket" / name).touch()
    with rclone_server(tmp_path) as url, faulty_server(url) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert next(S3Store.at("s3://bucket").keys("images/")).key == names[0]
        assert len(server.requests) == 1
        assert keys(S3Store.at("s3://bucket")) == names
        assert len(server.requests) == 3


def test_from_a_page_out_of_order_on_all_are_read_and_sorted(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(listing("x/B", more=True), listing("x/a/b", "x/a.b", more=True), listing("x/c", "x/C", more=False)) as peer:
        assert keys(store(peer, credentials)) == ["B", "C", "a.b", "a/b", "c"]
    assert len(peer.requests) == 3


@pytest.mark.parametrize("late", [("x/a",), ("x/d", "x/a")], ids=["page in order", "page out of order"])
def test_an_object_that_comes_too_late_for_its_place_is_an_error(credentials: pytest.MonkeyPatch, late: tuple[str, ...]) -> None:
    with scripted_peer(listing("x/b", "x/c", more=True), listing(*late, more=False)) as peer:
        entries = store(peer, credentials).keys()
        assert [entry.key for entry in islice(entries, 2)] == ["b", "c"]
        with pytest.raises(StoreError, match=r"s3://bucket/x/: the server lists a on a later page than c.* use another server"):
            next(entries)


def test_pages_without_objects_are_passed_over(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(listing("x/b", more=True), listing("x/folder/", more=True), listing(more=True), listing("x/c", more=False)) as peer:
        assert keys(store(peer, credentials)) == ["b", "c"]


def test_a_listing_of_many_pages_is_whole_and_sorted_whatever_order_the_server_has(credentials: pytest.MonkeyPatch) -> None:
    with scripted_peer(listing("x/a/b", "x/a.b", more=True), listing("x/c", "x/C", more=False)) as peer:
        credentials.setenv("AWS_ENDPOINT_URL", peer.url)
        assert keys(store(peer, credentials)) == ["C", "a.b", "a/b", "c"]
    assert len(peer.requests) == 2
