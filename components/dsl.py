"""kfp's decorators with what all of our stages share, and with types.

A component's source is embedded in the compiled pipeline, its decorator is not.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

VERSION = "0.1.0"  # the package's; a constant, so that a compiled pipeline does not depend on what is installed
STAGE_IMAGE = f"sightline-python-stage:{VERSION}"  # kfp's local runner takes it for a Python image by the word in its name


class Task(Protocol):
    """A stage inside a pipeline."""

    @property
    def outputs(self) -> Mapping[str, Any]: ...

    def set_caching_options(self, enable_caching: bool) -> object: ...


def component(function: Callable[..., object]) -> Callable[..., Task]:
    """A stage: a lightweight component, for which nothing is installed when it runs."""
    return cast("Callable[..., Task]", dsl.component(function, base_image=STAGE_IMAGE, install_kfp_package=False))


def pipeline(name: str, description: str) -> Callable[[Callable[..., None]], BaseComponent]:
    """A graph of stages."""
    return cast("Callable[[Callable[..., None]], BaseComponent]", dsl.pipeline(name=name, description=description))
