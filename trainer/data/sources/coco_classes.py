"""Which of COCO's categories are the classes of a mask."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.config import CocoSource
from trainer.data.sources.coco_annotations import AnnotationFile
from trainer.errors import ConfigError, DataError
from trainer.labels import IGNORE

BACKGROUND = 0  # the value of pixels of no object

_TOLD = 8  # categories that a message names


def class_names(section: CocoSource, files: Sequence[AnnotationFile]) -> tuple[str, ...]:
    """The names of the values in masks: the background, and the categories that the config names, or all by their ids.

    Raises:
        ConfigError: a named category is in no file, there are more than a mask holds, or one is named as the background is.
        DataError: all are wanted, but the files have not the same.
    """
    names = _named(section, files) if section.classes else _all(files)
    if len(names) >= IGNORE:
        raise ConfigError(f"a mask holds {IGNORE - 1} classes and the background, not {len(names)}; name those wanted in source.classes")
    if section.background in names:
        raise ConfigError(f"source.background={section.background} is the name of a category, too; give it another")
    return (section.background, *names)


def _named(section: CocoSource, files: Sequence[AnnotationFile]) -> tuple[str, ...]:
    known = {name for file in files for name in file.categories.values()}
    if missing := [name for name in section.classes if name not in known]:
        there = ", ".join(dict.fromkeys(file.key for file in files))
        raise ConfigError(f"source.classes names {missing}, but the categories in {there} are {sorted(known)}; correct one of the two")
    return section.classes


def _all(files: Sequence[AnnotationFile]) -> tuple[str, ...]:
    first, *others = files
    for other in others:
        if differing := first.categories.items() ^ other.categories.items():
            told = ", ".join(f"{number} {name}" for number, name in sorted(differing)[:_TOLD])
            raise DataError(f"{first.key} and {other.key} differ in their categories ({told}); name those wanted in source.classes")
    return tuple(first.categories.values())
