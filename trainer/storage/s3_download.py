"""Reading the body of an S3 answer: no longer than its deadline allows, and whole."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import IncompleteReadError, ReadTimeoutError

from trainer.storage.patience import Deadline

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef
    from urllib3 import HTTPResponse

_BLOCK_BYTES = 1 << 18
_SLOWEST = 1 << 18  # bytes a second; a line that carries fewer for long counts as stalled


@dataclass(frozen=True)
class Download:
    """What a GET brought: the range that was asked for or, from a server that knows no ranges, the whole object."""

    data: bytes
    metadata: dict[str, str]
    is_range: bool


def download(answer: GetObjectOutputTypeDef, deadline: Deadline, read_seconds: float) -> Download:
    """Read an answer to its end. Each byte that arrives extends the deadline, so size alone makes no download fail.

    Raises:
        ReadTimeoutError: nothing came for `read_seconds`, or too little until the deadline.
        IncompleteReadError: the body ended before its length.
    """
    body, size = answer["Body"], answer["ContentLength"]
    data = io.BytesIO()  # gives its bytes away without a copy
    with body as stream:
        reader = cast("HTTPResponse", stream)  # urllib3's, which unlike botocore's body can give what has come so far
        while (have := data.tell()) < size:
            body.set_socket_timeout(max(min(read_seconds, deadline.left()), 0.001))
            block = reader.read1(min(_BLOCK_BYTES, size - have))
            if not block:
                raise IncompleteReadError(actual_bytes=have, expected_bytes=size)
            if not deadline.left():
                raise ReadTimeoutError(endpoint_url=f"{have} of {size} bytes came in {deadline.spent():.1f} s")
            data.write(block)
            deadline.extend(len(block) / _SLOWEST)
    return Download(data.getvalue(), answer["Metadata"], "ContentRange" in answer)  # the status may be 200 all the same: rclone's is
