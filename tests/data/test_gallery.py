"""Which images are found at the places that a person names, and what each is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.data.gallery import find_pictures
from trainer.errors import ConfigError
from trainer.storage import open_store


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`in/a/x.png`, `in/b/x.PNG`, `in/b/y z ä.jpeg`, and what is no image."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/a/x.png", "in/b/x.PNG", "in/b/y z ä.jpeg", "in/b/notes.txt", "in/b/.hidden.png", "in/.cache/x.png", "plain"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def names(*places: str, out: str = "out") -> list[str]:
    return [picture.name for picture in find_pictures(places, out)]


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (["in"], ["a/x", "b/x", "b/y z ä"]),
        (["in/"], ["a/x", "b/x", "b/y z ä"]),
        (["in/b"], ["x", "y z ä"]),
        (["in/a", "in/b"], ["a/x", "b/x", "b/y z ä"]),
        (["in/b/x.PNG", "in/a/x.png"], ["b/x", "a/x"]),
        (["in/a/x.png"], ["x"]),
        (["in/a", "in/a/x.png", "in/../in/a"], ["x"]),
        (["plain"], ["plain"]),
        (["in/b/.hidden.png"], [".hidden"]),
    ],
)
def test_names_are_paths_below_what_the_places_share(places: list[str], found: list[str]) -> None:
    assert names(*places) == found


def test_a_folder_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    assert names(str(tmp_path / "in")) == names(f"file://{tmp_path}/in") == names("./in/") == names("in")


def test_the_working_folder_itself_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "in/a")

    assert names(".", out=str(tmp_path / "out")) == ["x"]


def test_a_link_is_named_as_it_is_called() -> None:
    Path("link.png").symlink_to("in/a/x.png")

    assert names("link.png") == ["link"]


def test_with_a_clash_every_name_keeps_its_extension() -> None:
    Path("in/a/x.jpg").write_bytes(b"")

    assert names("in/a") == ["x.jpg", "x.png"]


def test_places_that_share_nothing_keep_their_whole_path(bucket: str, tmp_path: Path) -> None:
    open_store(bucket).put("x.png", b"")

    assert names(f"{bucket}/x.png", str(tmp_path / "in/a")) == [f"s3:/{bucket[5:]}/x", f"file:{tmp_path}/in/a/x"]


def test_what_is_read_is_what_was_named(bucket: str) -> None:
    open_store(bucket).put("deep/x.png", b"bytes")

    (here,), (there,) = find_pictures(["in/a"], "out"), find_pictures([bucket], "out")

    assert (here.read(), here.uri) == (b"in/a/x.png", "in/a/x.png")
    assert (there.read(), there.uri, there.name) == (b"bytes", f"{bucket}/deep/x.png", "deep/x")


@pytest.mark.parametrize("place", ["nowhere", "in/b/notes", "in/.cache/none", "nowhere.png"])
def test_a_place_without_an_image_is_told(place: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no image at {place}; a folder's images end in "):
        find_pictures(["in", place], "out")


@pytest.mark.parametrize("out", ["in", "in/b/out", "./in/out"])
def test_out_may_not_lie_where_images_are_looked_for(out: str) -> None:
    with pytest.raises(ConfigError, match=r"lies in in: the next time"):
        find_pictures(["in"], out)


def test_out_may_lie_beside_a_single_image() -> None:
    assert names("in/a/x.png", out="in/a") == ["x"]
