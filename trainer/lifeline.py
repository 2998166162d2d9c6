"""Processes that end with the one that started them, however that one ends.

The kernel does it for a direct child (PR_SET_PDEATHSIG, see prctl(2)). Where a shell stands in between, as
under kfp's local runner, a thread waits on a pidfd (pidfd_open(2)) of the process that is named. Both are
Linux's; elsewhere they do nothing.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import select
import signal
import threading

from trainer import environment

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent ends; for a process that our own code started. Call it first, from the main thread."""
    if not hasattr(os, "pidfd_open"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    starter = multiprocessing.parent_process()
    if os.getppid() != parent or (starter is not None and not starter.is_alive()):  # it ended before the request
        os._exit(128 + signal.SIGKILL)


def die_with_named_parent() -> None:
    """End when the process that SIGHTLINE_PARENT names ends; without the variable, live on as any command does."""
    named = os.environ.get(environment.PARENT)
    if not named or not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(int(named))
    except ProcessLookupError:
        os._exit(128 + signal.SIGKILL)
    threading.Thread(target=_wait_and_die, args=(descriptor,), name="lifeline", daemon=True).start()


def _wait_and_die(descriptor: int) -> None:
    select.select([descriptor], [], [])
    os.kill(os.getpid(), signal.SIGKILL)
