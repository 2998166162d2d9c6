"""PASCAL VOC: `JPEGImages/`, palette masks in `SegmentationClass/`, lists in `ImageSets/Segmentation/`.

Source: the development kit of VOC 2012, host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from trainer.config import VocSource
from trainer.data.sources.layout import another_layout, list_files
from trainer.data.sources.mask_values import IndexValues
from trainer.data.sources.pairs import MaskPairs, PairLayout
from trainer.storage import Store

_LISTS = "ImageSets/Segmentation/"
_FOLDERS = {"Annotations", "ImageSets", "JPEGImages"}
_KEYS_LOOKED_AT = 5000


def open_voc(section: VocSource) -> MaskPairs:
    """Images with masks, as a folder of one of VOC's years holds them; most of its images have no mask, and are not listed.

    Raises:
        ConfigError: the section names no data.
    """
    return MaskPairs(section, _LAYOUT, IndexValues(len(section.classes), section.ignore))


def _refuse_other_layouts(store: Store, splits: Sequence[str]) -> None:
    """VOC knows no sub-folders: without lists, the folder is most likely the one above."""
    nested = ", ".join(f"{store.uri}/{folder}" for folder in _folders_with_lists(store))
    advice = f"There are lists below {nested}: pass that as --data" if nested else "Pass the folder that holds ImageSets/ as --data"
    advice += ", or name other splits in source.splits, or set source.split_shares"
    raise another_layout(store, "voc", list_files(splits, _LISTS), advice)


def _folders_with_lists(store: Store) -> Iterator[str]:
    """`VOC2012` where `VOCdevkit` was given, `VOCdevkit/VOC2012` where the folder above it was."""
    paths = (entry.key.split("/") for entry in islice(store.keys(), _KEYS_LOOKED_AT))
    roots = dict.fromkeys("/".join(path[:depth]) for path in paths for depth, name in enumerate(path) if depth and name in _FOLDERS)
    return (root for root in roots if next(iter(store.keys(f"{root}/{_LISTS}")), None))


_LAYOUT = PairLayout(
    "voc", images="JPEGImages/", masks="SegmentationClass/", lists=_LISTS, needs_masks=True, require_sub_folders=_refuse_other_layouts
)
