"""Users' formats, one a file, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainer import config
from trainer.data.sources.base import Sample, Source, UnusableImageError
from trainer.data.sources.digits import DigitScenes
from trainer.data.sources.masks import MaskFolders

__all__ = ["SOURCES", "Sample", "Source", "UnusableImageError", "open_source"]

SOURCES: dict[str, Callable[[Any], Source[Any]]] = {"digits": DigitScenes, "masks": MaskFolders}


def open_source(section: config.Source) -> Source[Any]:
    """The source that a config's section describes.

    Raises:
        ConfigError: it names no data, or needs a package that is not installed.
    """
    return SOURCES[section.format](section)
