"""How many training processes."""

import pytest

from components.launcher import open_launcher
from components.launcher.workers import Workers, parse_workers, workers_from_environment
from trainer.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "workers"),
    [
        ("1", Workers(1, 1, elastic=False)),
        ("12", Workers(12, 12, elastic=False)),
        ("1:4", Workers(1, 4, elastic=True)),
        ("2:2", Workers(2, 2, elastic=True)),
    ],
)
def test_workers_are_a_number_or_a_range(text: str, workers: Workers) -> None:
    assert parse_workers(text) == workers


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "1:", ":2", "1:2:3", "1.5", "0:2", " 2", "2\n"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write e\.g\. 2 or 1:4"):
        parse_workers(text)


def test_a_range_the_wrong_way_round_is_told_the_right_one() -> None:
    with pytest.raises(ConfigError, match="write 1:4"):
        parse_workers("4:1")


def test_two_workers_are_the_default_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_WORKERS", raising=False)
    assert workers_from_environment() == Workers(2, 2, elastic=False)

    monkeypatch.setenv("SIGHTLINE_WORKERS", "1:3")
    assert workers_from_environment() == Workers(1, 3, elastic=True)


def test_a_launcher_that_is_not_there_is_a_config_error_that_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"pytorchjob.*it has: local"):
        open_launcher("pytorchjob")
