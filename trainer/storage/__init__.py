"""Stores: a folder or an S3 prefix behind one protocol."""

from __future__ import annotations

from urllib.parse import unquote

from trainer.errors import ConfigError
from trainer.storage.base import RESERVED, Dialect, Entry, Store
from trainer.storage.folder import FolderStore
from trainer.storage.patience import Patience

__all__ = ["RESERVED", "Dialect", "Entry", "FolderStore", "Patience", "Store", "join", "open_store", "split_uri"]


def open_store(uri: str, patience: Patience | None = None) -> Store:
    """The store at a URI: a path, `file:///path`, or `s3://bucket/prefix`.

    Args:
        patience: with a server that is slow or fails; a folder takes as long as its file system does.

    Raises:
        ConfigError: another scheme, or no bucket.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return FolderStore(uri)
    if scheme == "file":
        return FolderStore(_local_path(uri, rest))
    if scheme == "s3":
        from trainer.storage.s3 import S3Store  # boto3 takes a while to import; a folder does not need it

        return S3Store.at(uri, patience)
    raise ConfigError(f"{uri}: unknown scheme {scheme}://; use a folder, file:// or s3://bucket/prefix")


def _local_path(uri: str, rest: str) -> str:
    if not rest.startswith("/"):
        raise ConfigError(f"{uri} names a host or a relative path; write file:///absolute/path, or the path alone")
    return unquote(rest)


def join(uri: str, *parts: str) -> str:
    """A URI below another."""
    return "/".join([uri.rstrip("/"), *parts])


def split_uri(uri: str, levels: int = 1) -> tuple[str, str]:
    """A URI's parent, `levels` up, and what was taken off."""
    parts = uri.rstrip("/").split("/")
    return "/".join(parts[:-levels]), "/".join(parts[-levels:])
