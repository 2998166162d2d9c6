"""One sample, from its source to what a shard and the manifest need of it: the work of a preparing process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from multiprocessing import get_context
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image

from trainer import config
from trainer.data.parallel import chunks, in_order
from trainer.data.shard_writer import EncodedSample
from trainer.data.sources import Sample, Source, UnusableImageError, open_source
from trainer.data.sources.base import Pixels
from trainer.data.targets import TARGETS, TargetFile
from trainer.errors import SightlineError
from trainer.lifeline import die_with_parent
from trainer.reports import Skipped

ITEMS_PER_TASK = 8  # a scene takes a millisecond, handing over a task a third of one

_LEVELS = np.arange(256, dtype=np.int64)


@dataclass(frozen=True)
class Counts:
    """Integers, so that their sums do not depend on the order.

    Args:
        values: `[V]` int64, how often each value of the target occurs; V differs from sample to sample.
        sums: `[3]` int64, of the values of R, G, B; `squares` of their squares.
    """

    values: NDArray[np.int64]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """A sample that can be used.

    Args:
        file: of the source, as messages name it.
        picture: a digest of the image's pixels and size, 64 bits.
    """

    sample: EncodedSample
    counts: Counts
    file: str
    picture: int


Result = Encoded | Skipped
Encode = Callable[[Iterable[Any]], Iterator[Result]]


@contextmanager
def encoder(section: config.Source, processes: int) -> Generator[Encode]:
    """A function from a source's items to their results, in order, over worker processes; here where one is enough.

    Raises:
        SightlineError: a worker was killed.
    """
    if processes == 1:
        source = open_source(section)
        yield lambda items: (encode(source, item) for item in items)
        return
    # Spawned, not from a fork server: a server's children would outlive us, because they hold its life line themselves.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(section,))
    try:
        with pool:
            yield lambda items: chain.from_iterable(in_order(pool, _encode_chunk, chunks(items, ITEMS_PER_TASK), in_flight=2 * processes))
    except BrokenProcessPool:
        raise SightlineError(f"one of {processes} preparing processes was killed, most likely for want of memory; give it more") from None


def encode(source: Source[Any], item: Any) -> Result:
    """Read one item; what cannot be used becomes a Skipped, because an error of ours does not survive pickling."""
    try:
        sample = source.read(item)
    except UnusableImageError as error:
        return Skipped(file=error.file, reason=error.reason)
    target = TARGETS[source.target]
    height, width = sample.pixels.shape[:2]
    encoded = EncodedSample(sample.name, sample.image, sample.extension, target.encode(sample.target), target.extension, height, width)
    return Encoded(encoded, count(sample, target), sample.file or sample.name, _picture_digest(sample.pixels))


def count(sample: Sample, target: TargetFile) -> Counts:
    """The pixels of a sample, from its histograms, and the values of its target."""
    histograms = np.array(Image.fromarray(sample.pixels).histogram(), np.int64).reshape(3, 256)
    return Counts(target.count(sample.target), histograms @ _LEVELS, histograms @ _LEVELS**2)


def _picture_digest(pixels: Pixels) -> int:
    """Of the pixels, not of the file: a picture that was saved again, or lost its EXIF tags, is the same picture."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(pixels).data, seed=pixels.shape[1])


_section: config.Source  # of a worker process, set once by its initializer


def _start_worker(section: config.Source) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches every process of the terminal; the parent ends us
    global _section
    _section = section


@cache
def _source() -> Source[Any]:
    """Opened by the first task: its error reaches the caller, while one of the initializer's would look like a killed worker."""
    return open_source(_section)


def _encode_chunk(items: tuple[Any, ...]) -> list[Result]:
    return [encode(_source(), item) for item in items]
