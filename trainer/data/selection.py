"""Which data can be used: samples that can be read and whose picture no earlier split holds, classes that training sees."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainer import config
from trainer.data.encoding import Encoded, Result
from trainer.errors import DataError
from trainer.reports import Skipped, Split

Policy = Literal["raise", "skip"]

_REASONS_TOLD = 3
_CLASSES_TOLD = 10


class Selection:
    """Applies a source's policy. One for all splits, which come one after the other.

    Args:
        total: how many images all splits list; `max_skipped` is a share of it.

    Attributes:
        skipped: what was left out, in the order in which it was found.
    """

    def __init__(self, section: config.Source, total: int) -> None:
        self.skipped: list[Skipped] = []
        self._policy, self._max_skipped, self._total = section.policy, section.max_skipped, total
        self._limit = int(section.max_skipped * total + 1e-9)  # 0.29 of 100 is 28.999999999999996
        self._earlier: list[Pictures] = []

    def usable(self, split: str, results: Iterable[Result]) -> Iterator[Encoded]:
        """What is used of a split.

        Raises:
            DataError: a sample is not, and the policy is `raise`; or more than the share that may be skipped are not.
        """
        pictures = Pictures(split)
        for result in results:
            checked = self._unless_seen(result)
            if isinstance(checked, Skipped):
                self._leave_out(checked)
            else:
                pictures.add(checked.picture, checked.file)
                yield checked
        self._earlier.append(pictures)

    def _unless_seen(self, result: Result) -> Result:
        """The result; a Skipped where an earlier split holds its picture, which would then be trained on and scored."""
        if isinstance(result, Skipped):
            return result
        for pictures in self._earlier:
            if (other := pictures.file_of(result.picture)) is not None:
                return Skipped(file=result.file, reason=f"is the same picture as {other} of split {pictures.split}")
        return result

    def _leave_out(self, skipped: Skipped) -> None:
        if self._policy == "raise":
            raise DataError(
                f"{skipped.file} {skipped.reason}. Repair it or take it out, or set source.policy=skip to leave such images out"
            )
        self.skipped.append(skipped)
        if len(self.skipped) > self._limit:
            first = "; ".join(f"{one.file} {one.reason}" for one in self.skipped[:_REASONS_TOLD])
            raise DataError(
                f"{len(self.skipped)} of {self._total} images cannot be used, and there may be more; source.max_skipped="
                f"{self._max_skipped:g} allows {self._limit}. The first: {first}. Repair the data, or raise source.max_skipped"
            )


class Pictures:
    """The pictures of one split, by a digest of 8 bytes. A million take 110 MB, most of it the names of their files.

    Two different pictures of a million share a digest by chance once in 10⁷ data sets.
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self._digests = array("Q")
        self._files: list[str] = []

    def add(self, digest: int, file: str) -> None:
        """Note a picture; before the first question."""
        self._digests.append(digest)
        self._files.append(file)

    def file_of(self, digest: int) -> str | None:
        """The file of the picture with that digest, if there is one."""
        digests, order = self._sorted
        place = int(np.searchsorted(digests, np.uint64(digest)))
        is_here = place < len(digests) and int(digests[place]) == digest
        return self._files[int(order[place])] if is_here else None

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
        """The digests in rising order, and which of the files each belongs to."""
        digests = np.array(self._digests, np.uint64)
        order = np.argsort(digests, kind="stable")
        return digests[order], order


def class_notices(classes: Sequence[str], splits: Sequence[Split], policy: Policy) -> Iterator[str]:
    """What is odd about the classes; the first split is the one that teaches.

    Raises:
        DataError: a later split holds a class that the first one lacks, and the policy is `raise`.
    """
    first, *others = splits
    untaught = {name: index for index, name in enumerate(classes) if not first.class_counts[index]}
    for split in others:
        if unseen := [name for name, index in untaught.items() if split.class_counts[index]]:
            told = f"split {split.name} holds classes that split {first.name} never shows, so they cannot be learnt: {_few(unseen)}"
            if policy == "raise":
                raise DataError(f"{told}. Add images of them to {first.name}, take them out, or set source.policy=skip to go on without")
            yield told
    if absent := [name for name, index in untaught.items() if not any(split.class_counts[index] for split in others)]:
        yield f"classes that no split holds: {_few(absent)}"


def _few(names: Sequence[str]) -> str:
    rest = len(names) - _CLASSES_TOLD
    return ", ".join(names[:_CLASSES_TOLD]) + (f" and {rest} more" if rest > 0 else "")
