from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from trainer import environment
from trainer.telemetry.events import emit
from trainer.telemetry.sinks import EventSink, JsonSink, SilentSink, TerminalSink, choose_sink, describe


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv(environment.EVENTS, str(path))
    return path


def test_the_stage_that_runs_it_gets_events(events: Path) -> None:
    sink = choose_sink(is_main=True, stream=Terminal())

    sink.progress(done=10, total=20, loss=0.5, eta_seconds=float("inf"))
    sink.scores(10, {"miou": 0.25})

    assert isinstance(sink, EventSink)
    progress, scores = (json.loads(line) for line in events.read_text().splitlines())
    assert {key: progress[key] for key in ("event", "stage", "done", "total", "unit", "loss", "eta_seconds")} == {
        "event": "progress", "stage": "train", "done": 10, "total": 20, "unit": "steps", "loss": 0.5, "eta_seconds": None,
    }  # fmt: skip
    assert (scores["event"], scores["step"], scores["miou"]) == ("scores", 10, 0.25)


def test_without_a_file_for_them_events_go_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(environment.EVENTS, raising=False)
    monkeypatch.chdir(tmp_path)

    emit("progress", stage="train", done=1)

    assert list(tmp_path.iterdir()) == []


def test_a_person_gets_a_bar_a_machine_gets_json_and_the_other_ranks_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.EVENTS, raising=False)

    assert isinstance(choose_sink(is_main=True, stream=Terminal()), TerminalSink)
    assert isinstance(choose_sink(is_main=True, stream=io.StringIO()), JsonSink)
    assert isinstance(choose_sink(is_main=False, stream=Terminal()), SilentSink)


def test_json_lines_can_be_read_back_and_hold_no_nan() -> None:
    stream = io.StringIO()
    sink = JsonSink(stream)

    sink.progress(done=1, total=2, loss=float("nan"), images_per_second=12.5)
    sink.scores(1, {"miou": 0.5})

    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first == {"event": "progress", "step": 1, "total_steps": 2, "loss": None, "images_per_second": 12.5}
    assert second == {"event": "scores", "step": 1, "miou": 0.5}


def test_the_bar_shows_figures_and_scores() -> None:
    stream = Terminal()
    sink = TerminalSink(stream)

    sink.progress(done=3, total=9, loss=0.5)
    sink.scores(3, {"miou": 0.25})
    sink.close()

    assert "loss 0.5000" in stream.getvalue()
    assert "step 3: miou 0.2500" in stream.getvalue()


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"loss": 0.43121, "learning_rate": 0.00098}, "loss 0.4312  lr 9.80e-04"),
        ({"images_per_second": 213.4, "data_wait": 0.031}, "213 images/s  data wait 3%"),
        ({"eta_seconds": 65.2}, "1:05 left"),
        ({"eta_seconds": float("inf")}, ""),
        ({}, ""),
    ],
)
def test_figures_read_as_a_person_would_write_them(figures: dict[str, float], told: str) -> None:
    assert describe(figures) == told
