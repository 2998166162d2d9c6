"""Where a run's progress is told: events for the stage that runs it, a bar on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from trainer import environment
from trainer.telemetry.events import emit


class Sink(Protocol):
    """Takes figures; keeps none."""

    def progress(self, *, done: int, total: int, **figures: float) -> None: ...
    def scores(self, step: int, scores: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


def choose_sink(*, is_main: bool, stream: TextIO = sys.stderr) -> Sink:
    """Events where a file for them is named, else a bar where a person watches, else JSON lines; ranks above 0 are silent."""
    if not is_main:
        return SilentSink()
    if os.environ.get(environment.EVENTS):
        return EventSink()
    return TerminalSink(stream) if stream.isatty() else JsonSink(sys.stdout)


def choose_quiet_sink(stage: str, unit: str, stream: TextIO = sys.stderr) -> Sink:
    """A bar where a person watches, else events alone: for a stage that prints its report and nothing else."""
    is_watched = stream.isatty() and not os.environ.get(environment.EVENTS)
    return TerminalSink(stream) if is_watched else EventSink(stage, unit)


class SilentSink:
    """For the ranks that do not speak."""

    def progress(self, *, done: int, total: int, **figures: float) -> None: ...
    def scores(self, step: int, scores: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class EventSink:
    """For whoever started the stage; see `events`."""

    def __init__(self, stage: str = "train", unit: str = "steps") -> None:
        self._stage, self._unit = stage, unit

    def progress(self, *, done: int, total: int, **figures: float) -> None:
        emit("progress", stage=self._stage, done=done, total=total, unit=self._unit, **figures)

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        emit("scores", stage=self._stage, step=step, **scores)

    def close(self) -> None: ...


class JsonSink:
    """One JSON object a line; what is not finite is null."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def progress(self, *, done: int, total: int, **figures: float) -> None:
        self._write({"event": "progress", "step": done, "total_steps": total, **_finite(figures)})

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        self._write({"event": "scores", "step": step, **_finite(scores)})

    def close(self) -> None: ...

    def _write(self, record: Mapping[str, object]) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


class TerminalSink:
    """A progress bar for a person."""

    def __init__(self, stream: TextIO) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        self._bar = Progress(*columns, console=Console(file=stream))
        self._task = self._bar.add_task("", total=None, figures="")
        self._bar.start()

    def progress(self, *, done: int, total: int, **figures: float) -> None:
        self._bar.update(self._task, completed=done, total=total, figures=describe(figures))

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        told = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
        self._bar.console.print(f"step {step}: {told}", highlight=False)

    def close(self) -> None:
        self._bar.stop()


def describe(figures: Mapping[str, float]) -> str:
    """`loss 0.4312  lr 0.00098  213 images/s  data wait 3 %  1:05 left`: those figures that are there."""
    forms = {
        "loss": "loss {:.4f}",
        "learning_rate": "lr {:.2e}",
        "images_per_second": "{:.0f} images/s",
        "data_wait": "data wait {:.0%}",
    }
    parts = [form.format(figures[name]) for name, form in forms.items() if figures.get(name) is not None]
    if "eta_seconds" in figures and math.isfinite(figures["eta_seconds"]):
        minutes, seconds = divmod(round(figures["eta_seconds"]), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return "  ".join(parts)


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
