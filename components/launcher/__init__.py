"""Launchers: what the train stage hands its job to. A new one is a file beside these and a line in the table."""

from __future__ import annotations

from collections.abc import Callable

from components.launcher.base import Launcher, TrainJob
from components.launcher.local import local_launcher
from trainer.errors import ConfigError

__all__ = ["LAUNCHERS", "Launcher", "TrainJob", "open_launcher"]

LAUNCHERS: dict[str, Callable[[], Launcher]] = {"local": local_launcher}


def open_launcher(name: str) -> Launcher:
    """The named launcher.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in LAUNCHERS:
        raise ConfigError(f"launcher={name!r} is not one that this version has; it has: {', '.join(LAUNCHERS)}")
    return LAUNCHERS[name]()
