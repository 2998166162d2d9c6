"""`sightline data inspect`: what is taken for what, and how it is told; what is counted is test_inspection's."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from mask_data import CLASSES, encoded, labels, mask_folder, picture, put
from PIL import Image
from sightline_process import sightline

from pipelines.cli.data import tell
from pipelines.cli.main import main
from trainer.config import RunConfig
from trainer.inspection import inspect_source
from trainer.storage import open_store

INSPECT = ("data", "inspect")
AS_MASKS = ("--source", "masks", "--set", f"source.classes=[{', '.join(CLASSES)}]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return mask_folder(tmp_path / "data")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*INSPECT, *arguments]) == 0
    return capsys.readouterr().out


def test_a_prepared_set_is_known_by_its_manifest(folder: Path, tiny_dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, tiny_dataset)

    assert re.search(r"^train +40 +40 +32 × 32 +32 × 32 ", text, re.MULTILINE)
    assert re.search(r"^background +[\d.]+% +[\d.]+%$", text, re.MULTILINE)


def test_a_raw_source_is_read_as_the_flags_say(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(folder / "images/t2.png", b"no picture")
    before = sorted(Path().rglob("*"))

    text = said(capsys, "data", *AS_MASKS, "--sample", "5")

    assert re.search(r"^train +8 +5 +16 × 12 +16 × 12 +0.0%$", text, re.MULTILINE)
    assert "\x1b" not in text
    assert sorted(Path().rglob("*")) == before


def test_a_raw_source_is_read_as_a_recipe_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = ("--recipe", "segmentation-microscopy", "--set", f"source.classes=[{', '.join(CLASSES)}]")

    told = json.loads(said(capsys, "data", *recipe, "--json"))

    assert (told["kind"], told["uri"], told["classes"], told["data_digest"]) == ("inspection", "data", list(CLASSES), "")


def test_the_built_in_source_needs_no_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(said(capsys, "--recipe", "segmentation-digits", "--sample", "3", "--json"))

    assert [split["seen"] for split in told["splits"]] == [3, 3]


def test_a_prepared_set_in_a_bucket(folder: Path, tiny_dataset: str, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = open_store(tiny_dataset)
    for entry in source.keys():
        open_store(bucket).put(f"set/{entry.key}", source.get(entry.key))

    here, there = (json.loads(said(capsys, uri, "--json")) for uri in (tiny_dataset, f"{bucket}/set"))

    assert there == {**here, "uri": f"{bucket}/set"}


def test_the_page_is_written_where_it_is_asked_for(folder: Path, tiny_dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, tiny_dataset, "--html", "pages/data.html").splitlines()[-1] == "page: pages/data.html"

    text = Path("pages/data.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.count("data:image/png;base64,") == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the data: the folder of a prepared data set"),
        (["data"], "data holds no manifest.json, so it is not a prepared data set; to look at images as they are, add --source FORMAT"),
        (["data", "--source", "mask"], "did you mean masks?"),
        (["data", "--source", "masks"], "source.classes must be given"),
        (["data", "--source", "masks", "--set", "source.clases=[a, b]"], "source.clases"),
        (["data", "--recipe", "nope"], "there is no recipe 'nope'"),
        (["elsewhere", *AS_MASKS], "elsewhere is not laid out as source masks reads it"),
        (["data", "--sample", "0"], "'0' is not a number of at least 1"),
    ],
)
def test_wrong_usage_is_told_and_exit_code_2(arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main([*INSPECT, *arguments])
    except SystemExit as end:
        code = end.code

    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert message in told.err


def test_settings_for_a_prepared_set_are_refused(folder: Path, tiny_dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*INSPECT, tiny_dataset, "--set", "source.policy=skip"]) == 2
    assert "the data set is prepared" in capsys.readouterr().err


def test_many_skipped_images_are_told_in_part_and_the_rest_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(8):
        put(folder / f"images/t{number}.png", b"no picture")
    for number in range(3):
        put(folder / f"masks/v{number}.png", b"no picture")

    text = said(capsys, "data", *AS_MASKS)

    assert "! 11 images cannot be used" in text
    assert text.count("skipped: ") == 10
    assert "and 1 more; --json or --html list them all" in text
    assert re.search(r"^train +8 +8 +— +— *$", text, re.MULTILINE)


def test_where_no_image_can_be_used_that_is_all_that_is_found_and_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (folder / "images").iterdir():
        put(path, b"no picture")

    assert main([*INSPECT, "data", *AS_MASKS, "--json", "--html", "data.html"]) == 1

    told = capsys.readouterr()
    assert json.loads(told.out)["findings"] == [
        "no image could be used: images/t0.png cannot be decoded: its format is not recognised",
    ]  # fmt: skip
    assert told.err == "page: data.html\n"
    assert "No image could be used: images/t0.png" in Path("data.html").read_text()


def test_sizes_are_drawn_where_they_differ(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "longer side" not in said(capsys, "data", *AS_MASKS)

    put(folder / "images/t0.png", encoded(Image.fromarray(picture(0, 12, 17))))
    put(folder / "masks/t0.png", encoded(Image.fromarray(labels(0, 12, 17))))
    text = said(capsys, "data", *AS_MASKS)

    assert re.search(r"longer side, train +images", text)
    assert re.search(r"^16 px +7 +█{16}$", text, re.MULTILINE)
    assert re.search(r"^17 px +1 +█{3} *$", text, re.MULTILINE)


@pytest.mark.parametrize("width", [50, 80, 200])
def test_tables_keep_to_the_width_of_the_terminal(width: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    classes = ["a-name-that-is-much-wider-than-many-a-terminal-window-is", "cell", "nucleus"]
    source = RunConfig.of({"source": {"format": "masks", "uri": "data", "classes": classes}}).source
    report = inspect_source(source, sample=4).report

    tell(report, stream := io.StringIO())

    assert max(len(line) for line in stream.getvalue().splitlines()) <= width


def test_the_command_ends_well_in_a_process_of_its_own(folder: Path) -> None:
    answer = sightline(folder.parent, *INSPECT, "data", *AS_MASKS, "--json")

    assert (answer.exit_code, answer.err) == (0, "")
    assert [split["images"] for split in answer.summary["splits"]] == [8, 4]


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*INSPECT, "--help"])

    assert "sightline data inspect outputs/datasets/0123456789abcdef --html data.html" in capsys.readouterr().out
