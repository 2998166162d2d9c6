"""What a person sees of a run: one line for each stage, and how far the present one is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from pipelines.cli.events import Event
from trainer.config import TASKS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_STAGE_WIDTH = 10
_PROGRESS_SECONDS = 30  # between two lines where there is no bar

Clock = Callable[[], float]


class Pace:
    """When a line of progress is due: every half minute at most, the first half a minute after the start.

    Args:
        clock: seconds; only their differences count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock()

    def is_due(self) -> bool:
        """Whether it is; whoever asks tells it then."""
        now = self._clock()
        if now - self._last < _PROGRESS_SECONDS:
            return False
        self._last = now
        return True


class Renderer:
    """Lines without control codes: for files, pipes, and terminals on which NO_COLOR is set."""

    def __init__(self, stages: Sequence[str], stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._not_seen = list(stages)
        self._stream = stream
        self._clock = clock
        self._pace = Pace(clock)

    def show_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.show(event)

    def show(self, event: Event) -> None:
        """Tell an event; kinds that are not known are for others."""
        match event["event"]:
            case "stage_started":
                self._started(event["stage"])
            case "progress":
                self._progress(event)
            case "notice":
                self.write(stage_line("·", event["stage"], event["text"]))
            case "stage_finished":
                self._ended(finished_line(event))
            case "stage_failed":
                self._ended(stage_line("✗", event["stage"], duration(event["seconds"]), f"exit code {event['exit_code']}"))
            case _:
                pass

    def end(self, *, succeeded: bool) -> None:
        """The run is over; stages that were not seen were cached if it succeeded."""
        if succeeded:
            self._tell_cached(len(self._not_seen))

    def write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def _started(self, stage: str) -> None:
        self._tell_cached(self._not_seen.index(stage))
        self._not_seen.remove(stage)
        self._pace = Pace(self._clock)

    def _progress(self, event: Event) -> None:
        if self._pace.is_due():
            self.write(stage_line("·", event["stage"], progress_details(event)))

    def _ended(self, line: str) -> None:
        self.write(line)

    def _tell_cached(self, count: int) -> None:
        for stage in self._not_seen[:count]:
            self.write(stage_line("✓", stage, "cached"))
        del self._not_seen[:count]


class LiveRenderer(Renderer):
    """The same lines on a terminal, with a bar for the stage that runs."""

    def __init__(self, stages: Sequence[str], stream: TextIO, progress: Progress) -> None:
        super().__init__(stages, stream)
        self._bars = progress
        self._bar: TaskID | None = None

    def write(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, style="red" if line.startswith("✗") else "")

    def _started(self, stage: str) -> None:
        super()._started(stage)
        self._bar = self._bars.add_task(stage, total=None, details="")

    def _progress(self, event: Event) -> None:
        if self._bar is not None:
            self._bars.update(self._bar, completed=event["done"], total=event["total"], details=progress_details(event))

    def _ended(self, line: str) -> None:
        if self._bar is not None:
            self._bars.remove_task(self._bar)
            self._bar = None
        super()._ended(line)


@contextmanager
def open_renderer(stages: Sequence[str], stream: TextIO) -> Generator[Renderer]:
    """The renderer that suits the stream."""
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        yield Renderer(stages, stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn(f"{{task.description:<{_STAGE_WIDTH}}}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[details]}"),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        yield LiveRenderer(stages, stream, progress)


def finished_line(event: Mapping[str, Any]) -> str:
    """`✓ train      42.1 s  miou 0.610`."""
    scores = score_line(event["metrics"])
    refused = event["state"] == "refused"
    return stage_line(
        "✗" if refused else "✓", event["stage"], duration(event["seconds"]), *(["gate not passed"] if refused else []), scores
    )


def score_line(metrics: Mapping[str, float | None]) -> str:
    """`miou 0.610  pixel_accuracy 0.930`: what the tasks call their metrics, each in its order."""
    names = next((task.metrics for task in TASKS.values() if task.metrics[0] in metrics), ())
    return "  ".join(f"{name} {value:.3f}" for name in names if (value := metrics.get(name)) is not None)


def stage_line(mark: str, stage: str, *parts: str) -> str:
    return "  ".join([f"{mark} {stage:<{_STAGE_WIDTH}}", *(part for part in parts if part)])


def duration(seconds: float) -> str:
    """`42.1 s`, or `3 min 07 s`."""
    if seconds < 60:
        return f"{seconds:5.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def byte_size(count: int) -> str:
    """`12.4 MB`, in powers of 1000."""
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}B" if power else f"{count} B"


def progress_details(event: Mapping[str, Any]) -> str:
    """`120/800 steps  loss 0.512  310 images/s  data wait 4 %  lr 0.00213  ETA 41.0 s`: what of it is known."""
    formats = {
        "loss": "loss {:.3f}",
        "images_per_second": "{:.0f} images/s",
        "data_wait": "data wait {:.0%}",
        "learning_rate": "lr {:.3g}",
    }
    parts = [f"{event['done']}/{event['total']} {event.get('unit', '')}".rstrip()]
    parts += [text.format(event[name]) for name, text in formats.items() if event.get(name) is not None]
    if event.get("eta_seconds") is not None:
        parts.append(f"ETA {duration(event['eta_seconds']).strip()}")
    return "  ".join(parts)
