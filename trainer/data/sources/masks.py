"""Folders `images/` and `masks/`, whose files pair by their stem."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.config import MasksSource
from trainer.data.sources.layout import another_layout, list_files
from trainer.data.sources.mask_values import ColourValues, IndexValues
from trainer.data.sources.pairs import MaskPairs, PairLayout
from trainer.storage import Store


def open_masks(section: MasksSource) -> MaskPairs:
    """Images with masks whose values are class indices, or colours of classes.

    Raises:
        ConfigError: the section names no data.
    """
    values = ColourValues(section.colours, section.ignore_colours) if section.colours else IndexValues(len(section.classes), section.ignore)
    return MaskPairs(section, _LAYOUT, values)


def _require_folders(store: Store, splits: Sequence[str]) -> None:
    lacking = [f"images/{split}/" for split in splits if next(iter(store.keys(f"images/{split}/")), None) is None]
    if lacking:
        looked_for = f"{list_files(splits)}, or else for images/<split>/; there is no {', '.join(lacking)}"
        raise another_layout(store, "masks", looked_for, "Add the files, or name other splits in source.splits, or set source.split_shares")


_LAYOUT = PairLayout("masks", images="images/", masks="masks/", lists="", needs_masks=False, require_sub_folders=_require_folders)
