"""What botocore raises, as the store's typed errors: told apart by class, status and code, never by text."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from trainer.errors import (
    CorruptObjectError,
    ObjectExistsError,
    ObjectMissingError,
    SightlineError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from trainer.storage.patience import BusyError

_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError)
_UNREACHABLE = (BotoConnectionError, HTTPClientError, IncompleteReadError, HTTPError)  # urllib3's own: of a body that is being read
_DENIED_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}  # these come with status 400
_BUSY_CODES = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "ConditionalRequestConflict"}
_DAMAGED_CODES = {"BadDigest", "IncompleteBody", "InvalidDigest", "XAmzContentSHA256Mismatch"}  # a body that changed on its way
_CREDENTIALS_HINT = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"


class NotOfferedError(StoreError):
    """The server does not know this kind of request."""


class UploadGoneError(StoreError):
    """The server knows no such unfinished upload: it was completed, or given up."""


@contextmanager
def typed_errors(where: str) -> Generator[None]:
    """Raise what boto3 raises in the block as the store's errors. `where` is the URI that the message names."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, where) from error
    except _NO_CREDENTIALS as error:
        raise StoreDeniedError(f"{where}: {error}; {_CREDENTIALS_HINT}") from error
    except SSLError as error:
        raise StoreError(f"{where}: {error}; name the server's certificate authority in AWS_CA_BUNDLE") from error
    except _UNREACHABLE as error:
        raise StoreUnavailableError(str(error).rstrip(".")) from error
    except BotoCoreError as error:
        raise StoreError(f"{where}: {error}") from error


def _refusal(error: ClientError, where: str) -> SightlineError:
    """The server's answer. A HEAD has no body, so there the status stands in for the code."""
    answer = error.response.get("ResponseMetadata", {})
    code, status = error.response.get("Error", {}).get("Code", ""), answer.get("HTTPStatusCode", 0)
    said = _said(error, status)
    if code == "NoSuchBucket":
        return ObjectMissingError(f"the bucket of {where} does not exist; create it, or check its name and AWS_ENDPOINT_URL")
    if code == "NoSuchUpload":
        return UploadGoneError(f"{where}: {said}")
    if status == 404:
        return ObjectMissingError(f"{where} does not exist")
    if status in {401, 403} or code in _DENIED_CODES:
        return StoreDeniedError(f"{where}: {said}; {_CREDENTIALS_HINT}, and what the bucket's policy allows")
    if status == 412:
        return ObjectExistsError(f"{where} exists already")
    if status == 416:
        return CorruptObjectError(f"{where} ends before the range that was asked for")
    if status in {405, 501} or code == "NotImplemented":
        return NotOfferedError(f"{where}: {said}")
    if status == 429 or status >= 500 or code in _BUSY_CODES | _DAMAGED_CODES:
        return BusyError(said, _retry_after(answer.get("HTTPHeaders", {})))
    return StoreError(f"{where}: {said}")


def _said(error: ClientError, status: int) -> str:
    """`SlowDown (503): Please reduce your request rate`."""
    said = error.response.get("Error", {})
    return f"{said.get('Code', 'no code')} ({status}): {said.get('Message', '')}".rstrip(": ")


def _retry_after(headers: dict[str, str]) -> float:
    """Seconds; 0 where there are none. The header may hold a date instead, which would mean to trust two clocks."""
    asked = headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0
