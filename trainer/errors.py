"""What can go wrong, and the exit code of each cause.

    SightlineError
    ├── ConfigError               a recipe, flag or value that cannot be meant              2
    │   └── MissingExtraError     an optional package is not installed                      2
    ├── DataError                 images, masks or shards that cannot be used              10
    ├── StoreError                an object store or folder: a full disk, say              15
    │   ├── ObjectMissingError    no such object, bucket or folder                         11
    │   ├── StoreDeniedError      credentials or permissions                               12
    │   ├── CorruptObjectError    the bytes are not those that were written                13
    │   ├── ObjectExistsError     a conditional write lost                                 14
    │   └── StoreUnavailableError timed out or unreachable; another try may work          200
    ├── CheckpointError
    │   ├── CheckpointMismatchError  state of another model or optimiser                   20
    │   └── NoUsableCheckpointError  checkpoints exist, and every one is broken            21
    ├── NotFiniteError            loss or gradient is NaN or infinite                      30
    ├── RanksDisagreeError        ranks hold different weights after a restore             31
    ├── PreemptedError            asked to end; the state is saved                        143
    ├── PeerLostError             another rank's process ended; this one could not go on  202
    └── RankFailedError           a rank ended with the code that it carries

Codes 1–127 are permanent: the same command would fail again. Codes from 128 on are worth another try;
128 + n is death by signal n, as in a shell.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a process of Sightline ends. One enumeration for ranks, agent, launcher and command."""

    OK = 0
    UNCLASSIFIED = 1
    USAGE = 2
    GATE_NOT_PASSED = 3
    DATA = 10
    OBJECT_MISSING = 11
    STORE_DENIED = 12
    CORRUPT_OBJECT = 13
    OBJECT_EXISTS = 14
    STORE_FAILED = 15
    CHECKPOINT_MISMATCH = 20
    NO_USABLE_CHECKPOINT = 21
    NOT_FINITE = 30
    RANKS_DISAGREE = 31
    CRASH_LOOP = 32
    TERMINATED = 143
    STORE_UNAVAILABLE = 200
    RENDEZVOUS_LOST = 201
    PEER_LOST = 202


def is_worth_another_try(exit_code: int) -> bool:
    """Whether the same command may succeed if it is started again; negative codes are deaths by signal, as in subprocess."""
    return exit_code < 0 or exit_code >= 128


class SightlineError(Exception):
    """Base of everything that Sightline raises on purpose. The message says what, where, and what to change."""

    exit_code: int = ExitCode.UNCLASSIFIED


class ConfigError(SightlineError):
    """A recipe, flag or value that cannot be meant."""

    exit_code = ExitCode.USAGE


class MissingExtraError(ConfigError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed. Install it with: pip install 'sightline[{extra}]'"
        )


class DataError(SightlineError):
    """Images, masks or shards that cannot be used."""

    exit_code = ExitCode.DATA


class StoreError(SightlineError):
    """An object store or folder did not do what was asked."""

    exit_code = ExitCode.STORE_FAILED


class ObjectMissingError(StoreError):
    """No such object, bucket or folder."""

    exit_code = ExitCode.OBJECT_MISSING


class StoreDeniedError(StoreError):
    """The credentials or the file permissions do not allow it."""

    exit_code = ExitCode.STORE_DENIED


class CorruptObjectError(StoreError):
    """The bytes are not those that were written."""

    exit_code = ExitCode.CORRUPT_OBJECT


class ObjectExistsError(StoreError):
    """A conditional write found the object already there."""

    exit_code = ExitCode.OBJECT_EXISTS


class StoreUnavailableError(StoreError):
    """The store timed out or could not be reached, retries included."""

    exit_code = ExitCode.STORE_UNAVAILABLE


class CheckpointError(SightlineError):
    """A checkpoint cannot be written or used."""


class CheckpointMismatchError(CheckpointError):
    """The state belongs to another model or optimiser."""

    exit_code = ExitCode.CHECKPOINT_MISMATCH


class NoUsableCheckpointError(CheckpointError):
    """Checkpoints exist, and every one of them is broken."""

    exit_code = ExitCode.NO_USABLE_CHECKPOINT


class NotFiniteError(SightlineError):
    """The loss or the gradient became NaN or infinite."""

    exit_code = ExitCode.NOT_FINITE


class RanksDisagreeError(SightlineError):
    """Ranks that must hold the same weights do not."""

    exit_code = ExitCode.RANKS_DISAGREE


class PreemptedError(SightlineError):
    """The process was asked to end, and the state is saved."""

    exit_code = ExitCode.TERMINATED


class PeerLostError(SightlineError):
    """Another rank's process ended, so this one could not go on; the fault is told there."""

    exit_code = ExitCode.PEER_LOST


class RankFailedError(SightlineError):
    """A training process ended; this error carries its exit code on."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
