"""What a file system raises, as the store's typed errors: told apart by their numbers."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager

from trainer.errors import ObjectMissingError, StoreDeniedError, StoreError, StoreUnavailableError

_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}  # a name that cannot be names nothing


@contextmanager
def finding(where: str) -> Generator[None]:
    """Errors of looking for what may not be there.

    Raises:
        ObjectMissingError: it is not.
    """
    with typed_errors(where):
        try:
            yield
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                raise ObjectMissingError(f"{where} does not exist") from None
            raise


@contextmanager
def typed_errors(where: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _typed(error, where) from error


def _typed(error: OSError, where: str) -> StoreError:
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return StoreDeniedError(f"{where}: {error.strerror}; check who owns the folder, and its permissions")
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StoreError(f"{where} was not written: {error.strerror}; free some space, or choose another folder")
        case errno.ENAMETOOLONG:
            return StoreError(f"{where} was not written: no name on this file system is that long, 255 bytes at the most; shorten it")
        case errno.ESTALE | errno.ETIMEDOUT | errno.EIO:
            return StoreUnavailableError(f"{where}: {error.strerror}; the file system does not answer as it should")
        case _:
            return StoreError(f"{where}: {error.strerror}")
