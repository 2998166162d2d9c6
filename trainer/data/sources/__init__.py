"""Users' formats, one a file, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainer import config
from trainer.data.sources.base import Sample, Source, UnusableImageError
from trainer.data.sources.coco import CocoInstances
from trainer.data.sources.digits import DigitScenes
from trainer.data.sources.folders import ClassFolders
from trainer.data.sources.masks import open_masks
from trainer.data.sources.voc import open_voc

__all__ = ["SOURCES", "Sample", "Source", "UnusableImageError", "open_source"]

SOURCES: dict[str, Callable[[Any], Source[Any]]] = {
    "digits": DigitScenes,
    "masks": open_masks,
    "coco": CocoInstances,
    "voc": open_voc,
    "folders": ClassFolders,
}


def open_source(section: config.Source) -> Source[Any]:
    """The source that a config's section describes.

    Raises:
        ConfigError: it names no data, or needs a package that is not installed.
    """
    return SOURCES[section.format](section)
