"""One sample, from its source to what a shard and the manifest need of it: the work of a preparing process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer import config
from trainer.data.parallel import chunks, in_order
from trainer.data.shard_writer import EncodedSample
from trainer.data.sources import Sample, Source, UnusableImageError, open_source
from trainer.data.sources.pictures import encode_png
from trainer.errors import SightlineError
from trainer.lifeline import die_with_parent
from trainer.reports import Skipped

ITEMS_PER_TASK = 8  # a scene takes a millisecond, handing over a task a third of one

_LEVELS = np.arange(256, dtype=np.int64)


@dataclass(frozen=True)
class Counts:
    """Integers, so that their sums do not depend on the order.

    Args:
        labels: `[256]` int64, pixels of each value of the mask.
        sums: `[3]` int64, of the values of R, G, B; `squares` of their squares.
    """

    labels: NDArray[np.int64]
    sums: NDArray[np.int64]
    squares: NDArray[np.int64]


Result = tuple[EncodedSample, Counts] | Skipped
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
    height, width = sample.mask.shape
    return EncodedSample(sample.name, sample.image, sample.extension, encode_png(sample.mask), height, width), count(sample)


def count(sample: Sample) -> Counts:
    """The pixels of a sample, from its histograms."""
    histograms = np.array(Image.fromarray(sample.pixels).histogram(), np.int64).reshape(3, 256)
    return Counts(np.bincount(sample.mask.ravel(), minlength=256), histograms @ _LEVELS, histograms @ _LEVELS**2)


_encode_here: Callable[[Any], Result]  # of a worker process, set once by its initializer


def _start_worker(section: config.Source) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches every process of the terminal; the parent ends us
    global _encode_here
    _encode_here = partial(encode, open_source(section))


def _encode_chunk(items: tuple[Any, ...]) -> list[Result]:
    return [_encode_here(item) for item in items]
