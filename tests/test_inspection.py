"""`trainer.inspection`: what it counts of prepared sets and of raw sources, what it finds amiss, and the page."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mask_data import CLASSES, encoded, labels, mask_folder, masks_config, picture, put
from PIL import Image

from trainer.config import RunConfig
from trainer.errors import ConfigError, ObjectMissingError
from trainer.inspection import Inspected, first_fault, inspect_prepared, inspect_source, spread
from trainer.prepare import prepare, source_digest
from trainer.report.inspected import InspectedSplit, SizeBin, find_amiss, histogram
from trainer.report.inspection_page import render_inspection

LABELLED = {"format": "digits", "target": "label", "size": 32, "digits_per_scene": [1, 1], "digit_size": [16, 28]}


def split_of(name: str, *counts: int, ignored: int = 0, images: int = 4, seen: int = 4) -> InspectedSplit:
    return InspectedSplit(
        name=name, images=images, seen=seen, class_counts=counts, ignored=ignored, smallest=None, largest=None, sizes=()
    )  # fmt: skip


def prepared(config: RunConfig, out: Path) -> str:
    return prepare(config, source_digest=source_digest(config), out=str(out), processes=1).dataset


@pytest.fixture
def broken(tmp_path: Path) -> RunConfig:
    """Eight images to learn from, of which one cannot be read and one is larger."""
    mask_folder(tmp_path / "data")
    put(tmp_path / "data/images/t2.png", b"no picture")
    put(tmp_path / "data/images/t3.png", encoded(Image.fromarray(picture(3, 30, 20))))
    put(tmp_path / "data/masks/t3.png", encoded(Image.fromarray(np.where(labels(3, 30, 20) == 2, 255, labels(3, 30, 20)))))
    return masks_config(tmp_path / "data", policy="skip", max_skipped=0.5)


def test_a_prepared_set_and_its_source_tell_the_same(broken: RunConfig, tmp_path: Path) -> None:
    raw = inspect_source(broken.source, sample=100).report
    made = inspect_prepared(prepared(broken, tmp_path / "out")).report

    assert made.classes == raw.classes == CLASSES
    assert [one.class_counts for one in made.splits] == [one.class_counts for one in raw.splits]
    assert [one.ignored for one in made.splits] == [one.ignored for one in raw.splits]
    assert [one.ignored > 0 for one in made.splits] == [True, False]
    assert (made.splits[0].smallest, made.splits[0].largest) == (raw.splits[0].smallest, raw.splits[0].largest) == ((12, 16), (30, 20))
    assert made.splits[0].sizes == raw.splits[0].sizes
    assert [skipped.file for skipped in made.skipped] == [skipped.file for skipped in raw.skipped] == ["images/t2.png"]


def test_what_is_counted_is_right(broken: RunConfig) -> None:
    first = inspect_source(broken.source, sample=100).report.splits[0]

    masks = [labels(number).ravel() for number in (0, 1, 4, 5, 6, 7)] + [labels(3, 30, 20).ravel()]
    counts = np.bincount(np.concatenate(masks), minlength=3)
    assert first.class_counts == (counts[0], counts[1], counts[2] - (masks[-1] == 2).sum())
    assert sum(one.images for one in first.sizes) == 7


def test_a_sample_is_spread_over_the_split_and_said_to_be_one(broken: RunConfig) -> None:
    report = inspect_source(broken.source, sample=3).report

    assert [(one.images, one.seen) for one in report.splits] == [(8, 3), (4, 3)]
    assert report.is_sample
    assert not inspect_source(broken.source, sample=8).report.is_sample


def test_nothing_is_written_beside_a_raw_source(broken: RunConfig, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))

    inspect_source(broken.source, sample=8)

    assert sorted(tmp_path.rglob("*")) == before


def test_examples_come_from_every_split_and_have_their_masks_drawn(broken: RunConfig) -> None:
    examples = inspect_source(broken.source, sample=8, examples=4).examples

    assert [(one.split, one.label) for one in examples] == [("train", "")] * 2 + [("val", "")] * 2
    drawn = np.asarray(Image.open(BytesIO(examples[0].png)))
    assert drawn.shape == (12, 16, 3)
    assert (drawn != picture(0)).any(axis=2)[labels(0) != 0].mean() > 0.9


def test_labels_are_counted_in_images_and_written_beside_them(tmp_path: Path) -> None:
    config = RunConfig.of({"source": {**LABELLED, "train_scenes": 30, "val_scenes": 10}})

    raw, made = inspect_source(config.source, sample=30), inspect_prepared(prepared(config, tmp_path))

    assert (raw.report.unit, sum(raw.report.splits[0].class_counts)) == ("images", 30)
    assert [one.class_counts for one in raw.report.splits] == [one.class_counts for one in made.report.splits]
    assert raw.examples == made.examples
    assert {one.label for one in raw.examples} <= set("0123456789")
    assert len({one.label for one in raw.examples}) > 1


def test_a_set_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissingError, match=r"manifest\.json does not exist"):
        inspect_prepared(str(tmp_path))


def test_a_source_that_is_laid_out_otherwise_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not laid out as source masks reads it"):
        inspect_source(masks_config(tmp_path).source, sample=1)


@pytest.mark.parametrize(
    ("splits", "skipped", "told"),
    [
        ([split_of("train", 50, 50), split_of("val", 5, 5)], 0, []),
        ([split_of("train", 50, 50)], 1, ["1 image cannot be used"]),
        ([split_of("train", 50, 50)], 1200, ["1,200 images cannot be used"]),
        ([split_of("train", 50, 50), split_of("val", 5, 0)], 0, ["split val does not show cell in any image"]),
        ([split_of("train", 50, 50, images=9)], 0, []),
        ([split_of("train", 50, 0, images=9)], 0, ["split train does not show cell in the 4 images that were read"]),
        ([split_of("train", 50, 0, images=9, seen=1)], 0, ["split train does not show cell in the one image that was read"]),
        (
            [split_of("train", 50, 0), split_of("val", 5, 5)],
            0,
            ["split train does not show cell in any image", "split val shows cell, which train does not"],
        ),
        ([split_of("train", 20, 1)], 0, ["split train has 20 times as many pixels of background as of cell"]),
        ([split_of("train", 19, 1)], 0, []),
        ([split_of("train", 5, 5, ignored=30)], 0, ["75.0% of the pixels of split train belong to no class"]),
        ([split_of("train", 0, 0)], 0, ["split train does not show background, cell in any image"]),
    ],
)
def test_what_may_be_amiss_is_told_in_a_sentence(splits: list[InspectedSplit], skipped: int, told: list[str]) -> None:
    assert list(find_amiss(("background", "cell"), "pixels", splits, skipped)) == told


def test_a_fault_is_of_all_images_only_where_none_could_be_used(broken: RunConfig, tmp_path: Path) -> None:
    some = inspect_source(broken.source, sample=8).report
    for path in (tmp_path / "data/masks").iterdir():
        put(path, b"no picture")
    none = inspect_source(broken.source, sample=8).report

    assert some.findings[0] == "1 image cannot be used"
    assert first_fault(some.splits, some.skipped) is None
    assert first_fault(none.splits, none.skipped) == none.skipped[0]
    assert len(none.findings) == 1
    assert none.findings[0].startswith("no image could be used: masks/t0.png ")


def test_of_many_absent_classes_the_first_are_named() -> None:
    names = tuple(f"c{number}" for number in range(12))

    (told,) = find_amiss(names, "images", [split_of("train", 1, 1, *[0] * 10)], 0)

    assert told == "split train does not show c2, c3, c4, c5, c6, c7, c8, c9 and 2 more in any image"


@pytest.mark.parametrize(
    ("sides", "bins"),
    [
        ([], []),
        ([64, 64, 64], [(64, 64, 3)]),
        ([10, 11, 11], [(10, 10, 1), (11, 11, 2)]),
        ([16, 1, 8], [(1, 2, 1), (3, 4, 0), (5, 6, 0), (7, 8, 1), (9, 10, 0), (11, 12, 0), (13, 14, 0), (15, 16, 1)]),
    ],
)
def test_sizes_are_binned_without_gaps(sides: list[int], bins: list[tuple[int, int, int]]) -> None:
    assert list(histogram(sides)) == [SizeBin(least=least, most=most, images=images) for least, most, images in bins]


@pytest.mark.parametrize(("total", "wanted", "found"), [(0, 3, []), (2, 5, [0, 1]), (9, 3, [0, 4, 8]), (5, 1, [0])])
def test_a_spread_reaches_from_the_first_to_the_last(total: int, wanted: int, found: list[int]) -> None:
    assert spread(total, wanted) == found


def page(inspected: Inspected, **changes: Any) -> str:
    return render_inspection(inspected.report.model_copy(update=changes), inspected.examples)


def test_the_page_holds_everything_and_loads_nothing(broken: RunConfig) -> None:
    inspected = inspect_source(broken.source, sample=3)
    text = page(inspected)

    assert "default-src 'none'" in text
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', text)) == {"data:"}
    assert "<script" not in text
    assert text.count("data:image/png;base64,") == len(inspected.examples)
    assert "Counted on a sample: 3 of 8 images of train, 3 of 4 images of val" in text
    assert text == page(inspected)


def test_the_page_shows_classes_sizes_and_what_was_left_out(broken: RunConfig) -> None:
    text = page(inspect_source(broken.source, sample=8))

    assert "images/t2.png" in text
    assert "cannot be decoded" in text
    assert "16 × 12 to 20 × 30 px" in text
    for name in CLASSES:
        assert name in text


def test_names_are_text_on_the_page(broken: RunConfig) -> None:
    assert "<b>x</b>" not in page(inspect_source(broken.source, sample=8), uri="<b>x</b>", classes=("<b>x</b>", "b", "c"))


def test_the_page_of_nothing_readable_is_whole(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    for name in "ab":
        put(tmp_path / f"images/{name}.png", b"")

    text = page(inspect_source(masks_config(tmp_path).source, sample=2))

    assert "No image could be read." in text
    assert "no image could be read" in text
    assert "absent" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


@pytest.mark.parametrize("broken_masks", ["t*", "*"])
def test_what_was_left_out_is_unfolded_where_nothing_else_is_to_be_seen(broken_masks: str, tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": [f"t{number}" for number in range(12)], "val": ["v"]})
    for path in (tmp_path / "masks").glob(f"{broken_masks}.png"):
        put(path, b"")

    text = page(inspect_source(masks_config(tmp_path).source, sample=12))

    assert ("<details open><summary>" in text) == (broken_masks == "*")
    assert "<details" in text


def test_inspection_loads_no_torch() -> None:
    code = "import trainer.inspection, trainer.report.inspection_page, sys; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
