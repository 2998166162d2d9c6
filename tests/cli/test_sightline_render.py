"""What a person sees of a run."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from pipelines.cli.events import EventTail
from pipelines.cli.render import LiveRenderer, Renderer, byte_size, duration, open_renderer, progress_details

STAGES = ("prepare", "train", "evaluate", "register")
FINISHED = {"event": "stage_finished", "stage": "train", "seconds": 42.1, "metrics": {"miou": 0.61}, "state": "ran"}
PROGRESS = {"event": "progress", "stage": "train", "done": 120, "total": 800, "unit": "steps"}


def shown(*events: dict[str, Any], succeeded: bool | None = None) -> list[str]:
    stream = io.StringIO()
    renderer = Renderer(STAGES, stream)
    renderer.show_all(events)
    if succeeded is not None:
        renderer.end(succeeded=succeeded)
    return stream.getvalue().splitlines()


def started(stage: str) -> dict[str, Any]:
    return {"event": "stage_started", "stage": stage}


def test_a_stage_is_one_line_at_its_end() -> None:
    lines = shown(started("prepare"), started("train"), PROGRESS, {"event": "scores", "stage": "train", "step": 3}, FINISHED)

    assert lines == ["✓ train        42.1 s  miou 0.610"]


def test_stages_before_the_first_that_starts_were_cached() -> None:
    assert shown(started("evaluate")) == ["✓ prepare     cached", "✓ train       cached"]


def test_stages_that_were_not_seen_were_cached_only_if_the_run_succeeded() -> None:
    assert len(shown(succeeded=True)) == 4
    assert shown(succeeded=False) == []


def test_a_failed_stage_shows_its_exit_code_and_a_refused_one_that_the_gate_was_not_passed() -> None:
    failed = {"event": "stage_failed", "stage": "train", "seconds": 3.0, "exit_code": 30, "cause": "loss is NaN"}

    assert shown(failed) == ["✗ train         3.0 s  exit code 30"]
    assert "gate not passed" in shown({**FINISHED, "stage": "register", "state": "refused"})[0]


def test_a_notice_is_a_line() -> None:
    assert shown({"event": "notice", "stage": "train", "text": "rank 1 was lost"}) == ["· train       rank 1 was lost"]


def test_a_metric_that_is_not_a_number_is_left_out() -> None:
    assert shown({**FINISHED, "metrics": {"miou": None}}) == ["✓ train        42.1 s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "  0.0 s"), (42.13, " 42.1 s"), (59.94, " 59.9 s"), (60, "1 min 00 s"), (3725, "62 min 05 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_tells_what_is_known() -> None:
    known = {"loss": 0.5123, "images_per_second": 310.2, "data_wait": 0.04, "learning_rate": 0.00213, "eta_seconds": 41.0}

    assert progress_details({**PROGRESS, **known}) == "120/800 steps  loss 0.512  310 images/s  data wait 4%  lr 0.00213  ETA 41.0 s"
    assert progress_details({**PROGRESS, "loss": None}) == "120/800 steps"


def test_a_file_gets_plain_lines() -> None:
    with open_renderer(STAGES, io.StringIO()) as renderer:
        assert type(renderer) is Renderer


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_with_no_color_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    with open_renderer(STAGES, Terminal()) as renderer:
        assert isinstance(renderer, LiveRenderer)

    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with open_renderer(STAGES, stream) as renderer:
        renderer.show(FINISHED)
    assert stream.getvalue() == "✓ train        42.1 s  miou 0.610\n"


def test_the_bar_shows_the_stage_that_runs_and_goes_when_it_ends() -> None:
    stream = io.StringIO()
    progress = Progress(console=Console(file=stream, force_terminal=True, width=120), auto_refresh=False)
    renderer = LiveRenderer(STAGES, stream, progress)

    renderer.show_all([started("train"), PROGRESS])
    (bar,) = progress.tasks
    assert (bar.description, bar.completed, bar.total) == ("train", 120, 800)

    renderer.show(FINISHED)
    assert progress.tasks == []
    assert "miou 0.610" in stream.getvalue()


class Clock:
    """Stands still until it is put forward."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_progress_is_a_line_every_half_minute_of_a_stage() -> None:
    stream, clock = io.StringIO(), Clock()
    renderer = Renderer(STAGES, stream, clock)
    clock.now += 20
    renderer.show(started("prepare"))  # from here on it is counted

    for seconds in (10, 19, 1, 1, 29):  # 10, 29, 30, 31 and 60 since the start
        clock.now += seconds
        renderer.show({**PROGRESS, "stage": "prepare", "done": clock.now - 1020})
    renderer.show(started("train"))
    clock.now += 29
    renderer.show(PROGRESS)

    assert stream.getvalue().splitlines() == ["· prepare     30.0/800 steps", "· prepare     60.0/800 steps"]


def test_late_progress_of_a_stage_that_has_ended_is_not_shown() -> None:
    progress = Progress(console=Console(file=io.StringIO()), auto_refresh=False)
    LiveRenderer(STAGES, io.StringIO(), progress).show(PROGRESS)

    assert progress.tasks == []


def test_events_are_read_once_and_only_when_their_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert list(tail.new()) == []

    path.write_text(json.dumps({"event": "a"}) + "\n" + '{"event": ')
    assert list(tail.new()) == [{"event": "a"}]
    assert list(tail.new()) == []

    with path.open("a") as file:
        file.write('"b"}\n')
    assert list(tail.new()) == [{"event": "b"}]


def test_an_event_that_was_cut_short_is_passed_over_with_what_follows_on_its_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    cut = b'{"event": "progr' + json.dumps({"event": "lost"}).encode()
    path.write_bytes(cut + b"\n" + b"\xff\xfe\n" + json.dumps({"event": "next"}).encode() + b"\n")

    assert list(EventTail(path).new()) == [{"event": "next"}]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_400_000, "12.4 MB"), (3 * 10**15, "3000.0 TB")]
)
def test_sizes(count: int, text: str) -> None:
    assert byte_size(count) == text
