from __future__ import annotations

from pathlib import Path

import pytest

from trainer.errors import ConfigError, PeerLostError
from trainer.launch.stories import Story, collect


def story(rank: int, code: int, at: float) -> Story:
    return Story(rank=rank, local_rank=rank, exit_code=code, cause="x", traceback="", at=at)


def test_an_error_of_ours_keeps_its_code_and_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")

    told = Story.of(ConfigError("global_batch=1 is below the 2 ranks"))

    assert (told.rank, told.local_rank, told.exit_code, told.cause) == (3, 1, 2, "global_batch=1 is below the 2 ranks")


def test_any_other_error_is_told_with_its_type_and_traceback() -> None:
    try:
        {}["lost"]
    except KeyError as error:
        told = Story.of(error)

    assert (told.exit_code, told.cause) == (1, "KeyError: 'lost'")
    assert "test_stories.py" in told.traceback


def test_a_story_is_read_once(tmp_path: Path) -> None:
    Story.of(PeerLostError("gone")).leave(tmp_path)

    assert [told.exit_code for told in collect(tmp_path)] == [202]
    assert collect(tmp_path) == []


@pytest.mark.parametrize(
    ("stories", "first"),
    [
        ([story(0, 202, at=2.0), story(1, 30, at=1.0)], 1),
        ([story(0, 202, at=1.0), story(1, 30, at=2.0)], 1),
        ([story(0, 1, at=2.0), story(1, 30, at=1.0)], 1),
        ([story(0, 202, at=1.0), story(1, 200, at=2.0)], 0),
    ],
    ids=["the fault came first", "a peer spoke first", "the earlier of two faults", "the earlier of two that may be mended"],
)
def test_a_fault_of_ones_own_is_believed_before_its_consequences(tmp_path: Path, stories: list[Story], first: int) -> None:
    for told in stories:
        told.leave(tmp_path)

    assert collect(tmp_path)[0].rank == first
