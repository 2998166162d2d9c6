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
    ResponseStreamingError,
    SSLError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from trainer.errors import (
    CorruptObjectError,
    ObjectExistsError,
    ObjectMissingError,
    SightlineError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)

NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError)
BODY_CUT_SHORT = (HTTPClientError, IncompleteReadError, ResponseStreamingError)
UNREACHABLE = (BotoConnectionError, *BODY_CUT_SHORT)

_DENIED_CODES = {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}  # these come with status 400
_BUSY_CODES = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException"}
_CREDENTIALS_HINT = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"


@contextmanager
def typed_errors(where: str) -> Generator[None]:
    """Raise what boto3 raises in the block as the store's errors. `where` is the URI that the message names."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error, where) from error
    except NO_CREDENTIALS as error:
        raise StoreDeniedError(f"{where}: {error}; {_CREDENTIALS_HINT}") from error
    except SSLError as error:
        raise StoreError(f"{where}: {error}; name the server's certificate authority in AWS_CA_BUNDLE") from error
    except UNREACHABLE as error:
        raise StoreUnavailableError(f"{where}: {error}; check that the server runs, and AWS_ENDPOINT_URL") from error
    except BotoCoreError as error:
        raise StoreError(f"{where}: {error}") from error


def _refusal(error: ClientError, where: str) -> SightlineError:
    """The server's answer. A HEAD has no body, so there the status stands in for the code."""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return ObjectMissingError(f"the bucket of {where} does not exist; create it, or check its name and AWS_ENDPOINT_URL")
    if status == 404:
        return ObjectMissingError(f"{where} does not exist")
    if status in {401, 403} or code in _DENIED_CODES:
        return StoreDeniedError(f"{where}: {error}; {_CREDENTIALS_HINT}, and what the bucket's policy allows")
    if status == 412 or code == "ConditionalRequestConflict":
        return ObjectExistsError(f"{where} exists already")
    if status == 416:
        return CorruptObjectError(f"{where} ends before the range that was asked for")
    if status == 429 or (status >= 500 and status != 501) or code in _BUSY_CODES:
        return StoreUnavailableError(f"{where}: {error}")
    return StoreError(f"{where}: {error}")
