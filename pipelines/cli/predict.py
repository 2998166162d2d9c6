"""`sightline predict`: what a model says of images."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, TextIO

from pipelines.cli.ending import nearby
from pipelines.cli.render import Clock, Pace, duration, progress_details
from pipelines.cli.versions import find_model
from trainer.reports import Skipped

if TYPE_CHECKING:
    from trainer.predict import Prediction, PredictionReport, Tell


def predict(args: argparse.Namespace) -> int:
    """Predict, and tell what was left out; returns the exit code: 1 where an image could not be used."""
    model = find_model(args.model, args.registry)  # first: what follows imports torch, which takes seconds
    from trainer.predict import Settings, predict
    from trainer.tiling import Tiling

    tiling = Tiling(**_given(most_pixels=args.pass_pixels, most_passes=args.passes))
    settings = Settings(tiling=tiling, **_given(device=args.device, batch=args.batch))
    with telling(sys.stderr) as tell:
        report = predict(model, args.images, out=args.out, settings=settings, tell=tell)
    print(report.to_bytes().decode() if args.json else "\n".join(_summary(report, args.out)))
    return 1 if report.skipped else 0


def _given(**flags: Any) -> dict[str, Any]:
    """The flags that were given; the others have their defaults where they are used."""
    return {name: value for name, value in flags.items() if value is not None}


def _summary(report: PredictionReport, out: str) -> list[str]:
    named = f"{report.name} version {report.number}" if report.name else report.model
    lines = [f"{_count(len(report.predictions))} by {named} on {report.device} in {duration(report.seconds).strip()}: {nearby(out)}"]
    if tiled := sum(prediction.tiles > 1 for prediction in report.predictions):
        lines.append(
            f"{_count(tiled)} too large to be seen whole: in tiles; where there is more memory, --pass-pixels N sees larger ones whole"
        )
    if report.skipped:
        lines.append(f"{_count(len(report.skipped))} could not be used")
    return lines


def _count(images: int) -> str:
    return f"{images} image" if images == 1 else f"{images} images"


@contextmanager
def telling(stream: TextIO, clock: Clock = time.monotonic) -> Generator[Tell]:
    """A function that tells what is skipped, a line each, and how far it is: by a bar on a terminal, else by a line now and then."""
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        yield _plainly(lambda line: print(line, file=stream, flush=True), Pace(clock))
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=stream), transient=True) as progress:
        bar = progress.add_task("predict", total=None)

        def tell(one: Prediction | Skipped, total: int) -> None:
            _tell_skipped(one, lambda line: progress.console.print(line, markup=False, highlight=False, style="red"))
            progress.update(bar, advance=1, total=total)

        yield tell


def _plainly(write: Callable[[str], None], pace: Pace) -> Tell:
    numbers = count(1)

    def tell(one: Prediction | Skipped, total: int) -> None:
        _tell_skipped(one, write)
        done = next(numbers)
        if pace.is_due():
            write(progress_details({"done": done, "total": total, "unit": "images"}))

    return tell


def _tell_skipped(one: Prediction | Skipped, write: Callable[[str], None]) -> None:
    if isinstance(one, Skipped):
        write(f"skipped: {one.file} {one.reason}")
