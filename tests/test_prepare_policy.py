"""What prepare does about data that does not fit: how much may be skipped, pictures in two splits, classes that are not taught."""

import json
import os
import pty
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.folder_data import animals, class_folder, folders_config
from tests.mask_data import CLASSES, encoded, labels, mask_folder, masks_config, pair, picture, put
from trainer.config import DigitsSource, RunConfig
from trainer.data.selection import Pictures, Selection, class_notices
from trainer.data.shards import read_manifest
from trainer.errors import DataError
from trainer.prepare import prepare
from trainer.reports import DatasetManifest, DatasetReport, Skipped, Split
from trainer.storage import open_store


def prepared(config: RunConfig, out: Path, processes: int = 1) -> DatasetReport:
    return prepare(config, source_digest="", out=str(out), processes=processes)


def manifest_of(report: DatasetReport) -> DatasetManifest:
    return read_manifest(open_store(report.dataset))


def split(name: str, *class_counts: int) -> Split:
    values: dict[str, Any] = {
        "target": "label",
        "samples": sum(class_counts),
        "shards": (),
        "ignored": 0,
        "smallest": (1, 1),
        "largest": (1, 1),
    }
    return Split(name=name, class_counts=class_counts, **values)


def spoil(root: Path, *stems: str) -> None:
    for stem in stems:
        put(root / f"images/{stem}.png", b"no picture")


@pytest.mark.parametrize(("limit", "spoilt"), [(0.0, 0), (0.1, 1), (0.25, 3), (1.0, 7)])
def test_up_to_the_set_share_is_skipped(limit: float, spoilt: int, tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    spoil(data, *(f"t{number}" for number in range(spoilt)))
    report = prepared(masks_config(data, policy="skip", max_skipped=limit), tmp_path / "out")
    assert report.samples == {"train": 8 - spoilt, "val": 4}
    assert [skipped.file for skipped in report.skipped] == [f"images/t{number}.png" for number in range(spoilt)]


@pytest.mark.parametrize(("limit", "spoilt"), [(0.0, 1), (0.1, 2), (0.25, 4)])
def test_more_than_the_set_share_stops_the_stage_and_commits_nothing(limit: float, spoilt: int, tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    spoil(data, *(f"t{number}" for number in range(spoilt)))
    with pytest.raises(DataError) as caught:
        prepared(masks_config(data, policy="skip", max_skipped=limit), tmp_path / "out")
    told = str(caught.value)
    assert told.startswith(
        f"{spoilt} of 12 images cannot be used, and there may be more; source.max_skipped={limit:g} allows {spoilt - 1}."
    )
    assert "The first: images/t0.png cannot be decoded: its format is not recognised" in told
    assert told.endswith("Repair the data, or raise source.max_skipped")
    assert not list(tmp_path.glob("out/**/manifest.json"))


def test_a_share_that_no_float_holds_exactly_allows_all_of_it() -> None:
    selection = Selection(DigitsSource(policy="skip", max_skipped=0.29), total=100)
    assert list(selection.usable("train", [Skipped(file=str(number), reason="is odd") for number in range(29)])) == []
    with pytest.raises(DataError, match=r"^30 of 100 images cannot be used.* allows 29\."):
        list(selection.usable("val", [Skipped(file="29", reason="is odd")]))


def test_the_first_three_reasons_are_told(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    spoil(data, *(f"t{number}" for number in range(6)))
    with pytest.raises(DataError) as caught:
        prepared(masks_config(data, policy="skip", max_skipped=0.4), tmp_path / "out")
    assert [f"images/t{number}.png" in str(caught.value) for number in range(6)] == [True, True, True, False, False, False]


def test_the_stage_stops_as_soon_as_too_many_are_skipped_for_certain(tmp_path: Path) -> None:
    """What comes after is not read: its shards would be for nothing."""
    data = mask_folder(tmp_path / "data", {"train": [f"t{number}" for number in range(10)], "val": [f"v{number}" for number in range(10)]})
    spoil(data, *(f"t{number}" for number in range(3)), "v9")
    with pytest.raises(DataError, match="3 of 20 images cannot be used"):
        prepared(masks_config(data, policy="skip", max_skipped=0.1, samples_per_shard=1), tmp_path / "out")
    assert not list(tmp_path.glob("out/**/*.tar"))


def test_a_picture_of_two_splits_stops_the_stage_whatever_its_names(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    put(data / "images/v2.png", (data / "images/t5.png").read_bytes())
    with pytest.raises(DataError, match=r"^images/v2\.png is the same picture as images/t5\.png of split train\. Repair it or take it out"):
        prepared(masks_config(data), tmp_path / "out")
    assert not list(tmp_path.glob("out/**/manifest.json"))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_picture_of_two_splits_is_skipped_in_the_later_one(processes: int, tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    put(data / "images/v2.png", (data / "images/t5.png").read_bytes())
    report = prepared(masks_config(data, policy="skip"), tmp_path / "out", processes)
    assert report.samples == {"train": 8, "val": 3}
    assert [(s.file, s.reason) for s in report.skipped] == [("images/v2.png", "is the same picture as images/t5.png of split train")]


def test_a_picture_that_was_saved_again_is_the_same_picture(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    (data / "images/v0.png").unlink()
    put(data / "images/v0.bmp", encoded(Image.fromarray(picture(3)), "BMP"))
    report = prepared(masks_config(data, policy="skip"), tmp_path / "out")
    assert [s.reason for s in report.skipped] == ["is the same picture as images/t3.png of split train"]


def test_a_picture_twice_in_one_split_is_kept(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    put(data / "images/t1.png", (data / "images/t5.png").read_bytes())
    report = prepared(masks_config(data), tmp_path / "out")
    assert (report.samples, report.skipped) == ({"train": 8, "val": 4}, ())


def test_a_third_split_is_compared_with_both_before_it(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data", {"train": ["a", "b"], "val": ["c", "d"], "test": ["e", "f", "g"]})
    for copy, original in (("e", "b"), ("g", "c")):
        put(data / f"images/{copy}.png", (data / f"images/{original}.png").read_bytes())
    report = prepared(masks_config(data, splits=("train", "val", "test"), policy="skip", max_skipped=0.5), tmp_path / "out")
    assert [f"{s.file} {s.reason}" for s in report.skipped] == [
        "images/e.png is the same picture as images/b.png of split train",
        "images/g.png is the same picture as images/c.png of split val",
    ]


def test_a_picture_that_was_skipped_may_be_used_by_a_later_split(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    put(data / "images/v1.png", (data / "images/t1.png").read_bytes())
    (data / "masks/t1.png").unlink()
    report = prepared(masks_config(data, policy="skip"), tmp_path / "out")
    assert [s.file for s in report.skipped] == ["images/t1.png"]


def test_pictures_of_equal_bytes_and_other_shape_are_not_the_same(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data", {"train": ["a"], "val": ["b"]})
    flat = np.full((12, 16), 7, np.uint8)
    for stem, height, width in (("a", 12, 16), ("b", 16, 12)):
        put(data / f"images/{stem}.png", encoded(Image.fromarray(np.repeat(flat.reshape(height, width, 1), 3, axis=2))))
        put(data / f"masks/{stem}.png", encoded(Image.fromarray(labels(0, height, width))))
    assert prepared(masks_config(data), tmp_path / "out").samples == {"train": 1, "val": 1}


def test_pictures_are_found_by_their_digest_among_many() -> None:
    pictures = Pictures("train")
    digests = [int(digest) for digest in np.random.default_rng(0).integers(0, 2**64, 5000, dtype=np.uint64)]
    for number, digest in enumerate(digests):
        pictures.add(digest, f"{number}.png")
    assert [pictures.file_of(digest) for digest in digests] == [f"{number}.png" for number in range(5000)]
    assert [pictures.file_of(digest) for digest in (0, digests[7] ^ 1, 2**64 - 1)] == [None, None, None]


def test_no_pictures_hold_none() -> None:
    assert Pictures("train").file_of(0) is None


def test_a_class_that_training_never_sees_stops_the_stage(tmp_path: Path) -> None:
    data = class_folder(animals(tmp_path / "data"), ["val/owl/0"])
    put(data / "val/owl/0.png", encoded(Image.fromarray(picture(77))))
    with pytest.raises(DataError) as caught:
        prepared(folders_config(data), tmp_path / "out")
    assert str(caught.value).startswith(
        "split val holds classes that split train never shows, so they cannot be learnt: owl. Add images of them"
    )
    assert "source.policy=skip" in str(caught.value)
    assert not list(tmp_path.glob("out/**/manifest.json"))


def test_with_policy_skip_a_class_that_training_never_sees_is_a_notice(tmp_path: Path) -> None:
    data = animals(tmp_path / "data")
    put(data / "val/owl/0.png", encoded(Image.fromarray(picture(77))))
    report = prepared(folders_config(data, policy="skip"), tmp_path / "out")
    assert report.notices == ("split val holds classes that split train never shows, so they cannot be learnt: owl",)
    assert manifest_of(report).notices == report.notices
    assert report.samples == {"train": 8, "val": 5}


def test_a_class_of_masks_that_training_never_sees_is_told_alike(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    for mask in (data / "masks").glob("t*.png"):
        put(mask, encoded(Image.fromarray(np.zeros((12, 16), np.uint8))))
    with pytest.raises(DataError, match="split val holds classes that split train never shows, so they cannot be learnt: cell, nucleus"):
        prepared(masks_config(data), tmp_path / "out")


def test_a_class_of_no_split_is_a_notice_whatever_the_policy(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    report = prepared(masks_config(data, classes=(*CLASSES, "debris")), tmp_path / "out")
    assert report.notices == ("classes that no split holds: debris",)
    again = prepared(masks_config(data, classes=(*CLASSES, "debris")), tmp_path / "out")
    assert (again.adopted, again.notices) == (True, report.notices)


def test_data_with_nothing_odd_has_no_notices(tmp_path: Path) -> None:
    assert prepared(masks_config(mask_folder(tmp_path / "data")), tmp_path / "out").notices == ()


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"train": (1, 1), "val": (1, 1)}, []),
        ({"train": (1, 1), "val": (1, 0)}, []),
        ({"train": (1, 0), "val": (1, 0)}, ["classes that no split holds: b"]),
        ({"train": (1, 0), "val": (0, 1)}, ["split val holds classes that split train never shows, so they cannot be learnt: b"]),
        (
            {"train": (1, 0), "val": (1, 0), "test": (0, 2)},
            ["split test holds classes that split train never shows, so they cannot be learnt: b"],
        ),
    ],
)
def test_which_classes_are_told(counts: dict[str, tuple[int, int]], told: list[str]) -> None:
    splits = [split(name, *values) for name, values in counts.items()]
    assert list(class_notices(("a", "b"), splits, "skip")) == told


def test_of_many_classes_the_first_ten_are_named() -> None:
    classes = [f"c{number}" for number in range(30)]
    (told,) = class_notices(classes, [split("train", 1, *[0] * 29), split("val", 1, *[0] * 29)], "raise")
    assert told == "classes that no split holds: c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 and 19 more"


def test_a_skipped_sample_leaves_no_member_in_any_shard(tmp_path: Path) -> None:
    data = mask_folder(tmp_path / "data")
    spoil(data, "t2")
    (data / "masks/v0.png").unlink()
    put(data / "images/v3.png", (data / "images/t0.png").read_bytes())
    report = prepared(masks_config(data, policy="skip", max_skipped=0.5, samples_per_shard=3), tmp_path / "out")

    members = {path.stem: names_in(path) for path in sorted(Path(report.dataset).glob("*.tar"))}
    assert {name: len(files) for name, files in members.items()} == {"train-00000": 6, "train-00001": 6, "train-00002": 2, "val-00000": 4}
    assert all(files[0::2] == [name.replace("mask.", "") for name in files[1::2]] for files in members.values())


def names_in(tar: Path) -> list[str]:
    with tarfile.open(tar) as archive:
        return archive.getnames()


def test_a_split_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"splits=\['train', 'train'\] names one twice"):
        folders_config("data", splits=("train", "train"))


def test_a_split_for_which_no_content_was_drawn_is_refused(tmp_path: Path) -> None:
    data = class_folder(tmp_path / "data", ["cat/0", "cat/1", "dog/0"])
    with pytest.raises(DataError, match=r"split val has no usable sample: no image at all\..* source\.split_shares may give a split none"):
        prepared(folders_config(data, split_shares=(0.9999, 0.0001)), tmp_path / "out")


def test_pairs_drawn_by_content_never_overlap(tmp_path: Path) -> None:
    """Equal files share a split, so what was drawn passes the check for pictures of two splits."""
    data = tmp_path / "data"
    for number in range(24):
        pair(data, f"a{number}", number)
        pair(data, f"copy-of-a{number}", number)
    report = prepared(masks_config(data, split_shares=(0.5, 0.5)), tmp_path / "out")
    assert sum(report.samples.values()) == 48


def test_on_a_terminal_a_bar_is_shown_and_the_report_stays_alone_on_stdout(tmp_path: Path) -> None:
    source = {"format": "masks", "uri": str(mask_folder(tmp_path / "data")), "classes": CLASSES}
    recipe = put(tmp_path / "recipe.yaml", json.dumps({"source": source}).encode())  # JSON is YAML
    command = [sys.executable, "-m", "trainer", "prepare", str(recipe), "--out", str(tmp_path / "out")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    screen, terminal = pty.openpty()
    with (
        (tmp_path / "report.json").open("wb") as stdout,
        subprocess.Popen(command, stdout=stdout, stderr=terminal, env=variables | {"TERM": "xterm", "COLUMNS": "100"}) as process,
    ):
        os.close(terminal)
        shown = "".join(_written(screen))
    os.close(screen)

    assert process.returncode == 0, shown
    assert DatasetReport.from_bytes((tmp_path / "report.json").read_bytes(), "stdout").samples == {"train": 8, "val": 4}
    assert "12/12" in shown
    assert "images/s" in shown


def _written(screen: int) -> Iterator[str]:
    """What is written to a terminal until nobody holds it any more, which Linux tells by an error."""
    with suppress(OSError):
        while True:
            yield os.read(screen, 1024).decode(errors="replace")
