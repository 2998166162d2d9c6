"""Writing an object to S3: in one request if it is small, and otherwise in parts that go up while it is being written."""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from trainer.errors import StoreError
from trainer.storage.s3_dialect import abilities
from trainer.storage.s3_errors import NotOfferedError
from trainer.storage.s3_parts import Multipart, Sink, Spool, Target

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PART_BYTES = 8 << 20  # what is not larger goes up in one request
_PARTS_OF_ONE_SIZE = 1000  # then they grow with the object: S3 takes 10 000 parts, and 5 TiB in all


@contextmanager
def upload(target: Target, digest: str = "") -> Generator[BinaryIO]:
    """A stream into an object, which appears whole when the block ends. Whatever ends it early gives the upload up.

    Args:
        digest: of all that will be written, where that is known.

    What a block streams in more than one part carries no digest of the whole: S3 takes metadata only with the first request. There
    the server checks each part by its MD5, and the manifests that name such objects hold their digests.
    """
    stream = _PartStream(target, digest)
    try:
        yield cast(BinaryIO, stream)
        stream.finish()
    except BaseException as error:
        stream.abort(error)
        raise
    finally:
        stream.close()


class _PartStream(io.BufferedIOBase):
    """Holds the bytes of one part; gives them on when there are more."""

    def __init__(self, target: Target, digest: str) -> None:
        self._target = target
        self._digest = digest
        self._held = bytearray()
        self._given = 0  # bytes
        self._sink: Sink | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed:
            raise ValueError(f"{self._target.where}: the upload has ended")
        view = memoryview(data).cast("B")
        for start in range(0, len(view), PART_BYTES):
            self._held += view[start : start + PART_BYTES]
            self._give_full_parts()
        return len(view)

    def finish(self) -> None:
        if self._sink is None:
            self._target.put(bytes(self._held))
        else:
            self._give(len(self._held))
            self._sink.complete()

    def abort(self, cause: BaseException) -> None:
        if self._sink is None:
            return
        try:
            self._sink.abort()
        except StoreError as error:
            cause.add_note(f"The unfinished upload stays in the bucket, where it costs space: {error}")

    def _give_full_parts(self) -> None:
        while len(self._held) > (size := max(PART_BYTES, self._given // _PARTS_OF_ONE_SIZE)):
            self._give(size)

    def _give(self, size: int) -> None:
        if self._sink is None:
            self._sink = _open_sink(self._target, self._digest)
        self._sink.send(bytes(self._held[:size]))
        del self._held[:size]
        self._given += size


def _open_sink(target: Target, digest: str) -> Sink:
    able = abilities(target.connection, target.bucket)
    if able.multipart is not False:
        try:
            sink = Multipart(target, digest)
        except NotOfferedError:
            able.multipart = False
        else:
            able.multipart = True
            return sink
    return Spool(target)
