import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.coco_data import (
    BIRD,
    CAT,
    DOG,
    Document,
    annotation,
    box,
    box_mask,
    coco_folder,
    compressed_runs,
    document,
    image,
    one_image,
    put_document,
    put_image,
    runs,
)
from tests.mask_data import Array, encoded, picture, put
from trainer.config import CocoSource, MasksSource
from trainer.data.sources import Sample, UnusableImageError, open_source
from trainer.data.sources.coco import CocoInstances
from trainer.data.sources.json_records import whole_number
from trainer.errors import ConfigError, DataError
from trainer.labels import IGNORE
from trainer.storage import open_store


def opened(root: Path, **values: object) -> CocoInstances:
    return CocoInstances(CocoSource.model_validate({"uri": str(root), "splits": ("train",), **values}))


def read(root: Path, **values: object) -> Sample:
    source = opened(root, **values)
    return source.read(next(source.items("train")))


def mask_of(root: Path, **values: object) -> Array:
    return np.asarray(read(root, **values).target)


def names(source: CocoInstances, split: str) -> list[str]:
    return [item.name for item in source.items(split)]


def problems(root: Path, **values: object) -> dict[str, str]:
    """Why items cannot be used, by the file that is blamed."""
    found, source = dict[str, str](), opened(root, **values)
    for split in source.splits:
        for item in source.items(split):
            try:
                source.read(item)
            except UnusableImageError as error:
                found[error.file] = error.reason
    return found


def test_without_data_the_error_says_what_to_pass() -> None:
    with pytest.raises(ConfigError, match="source coco needs data: pass --data URI"):
        open_source(CocoSource())


# What is drawn


def test_each_kind_of_segmentation_is_drawn_as_its_class(tmp_path: Path) -> None:
    source = CocoInstances(CocoSource(uri=str(coco_folder(tmp_path))))
    sample = source.read(list(source.items("train"))[2])  # image 3: left and top are 3
    expected = np.zeros((32, 48), np.uint8)
    for value, place in ((CAT, (3, 3, 15, 12)), (DOG, (19, 3, 27, 23)), (BIRD, (33, 6, 44, 11))):
        expected[box_mask(*place, 32, 48) > 0] = value
    assert np.array_equal(sample.target, expected)
    assert (sample.name, sample.file, sample.extension) == ("0003", "train/0003.png", "png")
    assert sample.image == (tmp_path / "train/0003.png").read_bytes()
    assert source.classes == ("background", "cat", "dog", "bird")


@pytest.mark.skipif("SIGHTLINE_NUCLEI" not in os.environ, reason="SIGHTLINE_NUCLEI does not name a folder of microscopy images")
def test_real_annotations_give_the_same_masks_as_mask_files_pixel_for_pixel() -> None:
    uri = os.environ["SIGHTLINE_NUCLEI"]
    coco = open_source(CocoSource(uri=uri, images="images", annotations="instances.json"))
    masks = open_source(MasksSource(uri=uri, classes=("background", "nucleus")))
    assert coco.classes == masks.classes
    for split, images in (("train", 128), ("val", 32)):
        pairs = list(zip(coco.items(split), masks.items(split), strict=True))
        assert len(pairs) == images
        for ours, theirs in pairs:
            drawn, stored = coco.read(ours), masks.read(theirs)
            assert (drawn.name, drawn.image) == (stored.name, stored.image)
            assert np.array_equal(drawn.target, stored.target)


def test_an_image_without_objects_is_all_background(tmp_path: Path) -> None:
    put_document(one_image(tmp_path), document([image(1), image(2, "b.png")], [annotation(1, box(0, 0, 2, 2), 2)]))
    assert not mask_of(tmp_path).any()


@pytest.mark.parametrize("ids", [(1, 2), (2, 1)])
def test_smaller_objects_lie_on_larger_ones_in_whatever_order_they_come(ids: tuple[int, int], tmp_path: Path) -> None:
    large, small = annotation(ids[0], box(0, 0, 10, 10)), annotation(ids[1], box(2, 2, 5, 5), category=7)
    mask = mask_of(one_image(tmp_path, small, large))
    assert (mask[3, 3], mask[8, 8], np.count_nonzero(mask == DOG)) == (DOG, CAT, 9)


def test_of_objects_of_one_size_the_later_id_lies_above(tmp_path: Path) -> None:
    mask = mask_of(one_image(tmp_path, annotation(9, box(2, 0, 6, 4), category=7), annotation(4, box(0, 0, 4, 4))))
    assert mask[0, :7].tolist() == [CAT, CAT, DOG, DOG, DOG, DOG, 0]


@pytest.mark.parametrize(("crowd", "value"), [("ignore", IGNORE), ("class", DOG)])
def test_crowds_are_ignored_or_of_their_class(crowd: str, value: int, tmp_path: Path) -> None:
    crowded = annotation(1, runs(box_mask(3, 3, 9, 9)), category=7, iscrowd=1)
    assert np.array_equal(mask_of(one_image(tmp_path, crowded), crowd=crowd), value * box_mask(3, 3, 9, 9))


@pytest.mark.parametrize(("other", "value"), [("background", 0), ("ignore", IGNORE)])
def test_objects_of_other_categories_hide_what_is_below_them(other: str, value: int, tmp_path: Path) -> None:
    one_image(tmp_path, annotation(1, box(0, 0, 8, 8)), annotation(2, box(0, 0, 4, 4), category=90))
    mask = mask_of(tmp_path, classes=("dog", "cat"), other_categories=other)
    assert (mask[1, 1], mask[6, 6]) == (value, 2)


def test_categories_with_gaps_are_classes_in_the_order_of_their_ids(tmp_path: Path) -> None:
    categories = ({"id": 44, "name": "y"}, {"id": 3, "name": "x"}, {"id": 1000, "name": "z"})
    one_image(tmp_path, annotation(1, box(0, 0, 2, 2), category=1000), categories=categories)
    assert opened(tmp_path, background="nothing").classes == ("nothing", "x", "y", "z")
    assert mask_of(tmp_path).max() == 3


def test_one_category_may_have_another_id_in_another_file_where_classes_are_named(tmp_path: Path) -> None:
    one_image(tmp_path)
    put_image(tmp_path, "val/0001.png")
    put_document(tmp_path, document([image(1)], [annotation(1, box(0, 0, 2, 2), category=5)], ({"id": 5, "name": "cat"},)), "val")
    source = opened(tmp_path, splits=("train", "val"), classes=("dog", "cat"))
    assert np.asarray(source.read(next(source.items("val"))).target).max() == 2
    with pytest.raises(
        DataError, match=r"instances_train\.json and .*instances_val\.json differ in their categories \(2 cat, 5 cat, 7 dog"
    ):
        _ = opened(tmp_path, splits=("train", "val")).classes


def test_images_and_annotations_may_lie_anywhere_below_the_uri(tmp_path: Path) -> None:
    put_image(tmp_path, "pictures/train2017/0001.png")
    put(tmp_path / "a/train.json", json.dumps(document([image(1)])).encode())
    assert read(tmp_path, images="pictures/{split}2017/", annotations="a/{split}.json").file == "pictures/train2017/0001.png"


@pytest.mark.parametrize("folder", ["", "."])
def test_images_may_lie_at_the_root(folder: str, tmp_path: Path) -> None:
    put_image(tmp_path, "0001.png")
    put_document(tmp_path, document([image(1)]))
    assert read(tmp_path, images=folder).file == "0001.png"


@pytest.mark.parametrize("name", ["a b.png", "été/雪 1.png", "deep/er/x.y.png"])
def test_file_names_may_have_folders_spaces_and_any_letters(name: str, tmp_path: Path) -> None:
    put_image(tmp_path, f"train/{name}")
    put_document(tmp_path, document([image(1, name)]))
    assert (read(tmp_path).name, read(tmp_path).file) == (name.removesuffix(".png"), f"train/{name}")


def test_a_record_need_not_give_the_size(tmp_path: Path) -> None:
    put_image(tmp_path, "train/a.png", 0, 5, 7)
    put_document(tmp_path, document([{"id": 1, "file_name": "a.png"}], [annotation(1, box(0, 0, 2, 2))]))
    assert mask_of(tmp_path).shape == (5, 7)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = put_document(one_image(tmp_path), document([image(1)]))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert opened(tmp_path).count("train") == 1


# Splits


def in_one_file(root: Path, images: int = 20) -> Path:
    for number in range(1, images + 1):
        put_image(root, f"images/{number:04d}.png", number)
    put(root / "all.json", json.dumps(document([image(number) for number in range(1, images + 1)])).encode())
    return root


ONE_FILE = {"images": "images", "annotations": "all.json", "splits": ("train", "val")}


def test_lists_name_stems_of_one_annotation_file_in_their_order(tmp_path: Path) -> None:
    put(in_one_file(tmp_path) / "train.txt", b"0003\n0001\n")
    put(tmp_path / "val.txt", b"0007\n0099\n")
    source = opened(tmp_path, **ONE_FILE)
    assert (names(source, "train"), names(source, "val")) == (["0003", "0001"], ["0007", "0099"])
    assert problems(tmp_path, **ONE_FILE) == {"images/0099": "is listed, but all.json has no such image"}


def test_a_stem_that_two_images_have_is_unusable_in_a_list(tmp_path: Path) -> None:
    in_one_file(tmp_path, 2)
    put(tmp_path / "all.json", json.dumps(document([image(1), image(2), image(3, "0001.jpg")])).encode())
    put(tmp_path / "train.txt", b"0001\n")
    told = problems(tmp_path, **{**ONE_FILE, "splits": ("train",)})
    assert told == {"images/0001.png": "shares its stem with others in all.json, images 1, 3; keep one of them"}


def test_without_lists_the_error_says_what_there_could_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"looked for train\.txt, val\.txt; found all\.json, images/\. Add the lists, or set source\.spl"):
        opened(in_one_file(tmp_path), **ONE_FILE).count("train")


def test_splits_drawn_by_content_hold_each_image_once(tmp_path: Path) -> None:
    source = opened(in_one_file(tmp_path), **ONE_FILE, split_shares=(0.7, 0.3))
    assert sorted(names(source, "train") + names(source, "val")) == [f"{number:04d}" for number in range(1, 21)]
    assert 7 < source.count("train") < 20


def test_an_image_that_is_not_there_is_told_where_splits_are_drawn(tmp_path: Path) -> None:
    (in_one_file(tmp_path) / "images/0005.png").unlink()
    assert problems(tmp_path, **ONE_FILE, split_shares=(0.7, 0.3)) == {"images/0005.png": "is listed, but there is no such image"}


def test_drawn_splits_cannot_have_paths_of_their_own() -> None:
    with pytest.raises(ValueError, match=r"images=\{split\} and annotations=all\.json give each its own path; take \{split\} out"):
        CocoSource(annotations="all.json", split_shares=(0.5, 0.5))


# What cannot be used


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ([annotation(5, [[1, 1, 5, 5]])], "has annotation 5, which has a polygon of 4 numbers"),
        ([annotation(5, [])], "has annotation 5, which has no segmentation"),
        ([annotation(5, {"size": [12, 16], "counts": [1, 2]})], "has annotation 5, which has runs of 3 pixels in all"),
        ([annotation(5, {"size": [12, 16], "counts": "~~"})], "has annotation 5, which has run lengths that do not decode"),
        ([annotation(5, compressed_runs(box_mask(0, 0, 2, 2, 16, 12)))], "has annotation 5, which is drawn for 16 × 12 pixels"),
        ([annotation(5, box(0, 0, 2, 2), category=3)], "has annotation 5 of category 3, which annotations/instances_train.json"),
        ([annotation(5, box(0, 0, 2, 2)), annotation(5, box(4, 4, 9, 9))], "has annotation 5, an id that annotations/instances_train"),
    ],
)  # fmt: skip
def test_an_annotation_that_cannot_be_drawn_makes_its_image_unusable(annotations: list[Any], told: str, tmp_path: Path) -> None:
    found = problems(one_image(tmp_path, annotation(1, box(0, 0, 2, 2)), *annotations))
    assert list(found) == ["train/0001.png"]
    assert found["train/0001.png"].startswith(told)


def test_one_annotation_id_in_two_images_makes_both_unusable(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        put_image(tmp_path, f"train/{number:04d}.png")
    annotations = [annotation(5, box(0, 0, 2, 2), 1), annotation(5, box(0, 0, 2, 2), 2), annotation(6, box(0, 0, 2, 2), 3)]
    put_document(tmp_path, document([image(1), image(2), image(3)], annotations))
    assert sorted(problems(tmp_path)) == ["train/0001.png", "train/0002.png"]


def test_one_image_id_for_two_images_makes_both_unusable(tmp_path: Path) -> None:
    put_document(one_image(tmp_path), document([image(1), image(1, "b.png"), image(2, "c.png")]))
    put_image(tmp_path, "train/b.png")
    put_image(tmp_path, "train/c.png")
    reason = "has the id 1, which annotations/instances_train.json gives to several images; give each its own"
    assert problems(tmp_path) == {"train/0001.png": reason, "train/b.png": reason}


def test_one_file_listed_as_two_images_is_unusable(tmp_path: Path) -> None:
    put_document(one_image(tmp_path), document([image(1), image(2, "0001.png")]))
    assert problems(tmp_path) == {"train/0001.png": "is listed more than once in annotations/instances_train.json; keep one of the entries"}


def test_annotations_of_an_image_that_is_not_listed_are_told_once(tmp_path: Path) -> None:
    strays = [annotation(number, box(0, 0, 2, 2), 99) for number in (8, 7, 6, 5, 4, 3)]
    source = opened(one_image(tmp_path, annotation(1, box(0, 0, 2, 2)), *strays))
    assert (source.count("train"), names(source, "train")) == (2, ["0001", "image 99"])
    assert problems(tmp_path) == {
        "annotations/instances_train.json": "has annotations of image 99, which it does not list: 3, 4, 5, 6, 7, …"
    }


def test_an_image_whose_file_is_missing_is_unusable(tmp_path: Path) -> None:
    (one_image(tmp_path) / "train/0001.png").unlink()
    assert problems(tmp_path) == {"train/0001.png": "is listed, but there is no such image"}


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a\\b.png", "./a.png", ".", "/", "a\0b"])
def test_file_names_that_lead_elsewhere_are_unusable(name: str, tmp_path: Path) -> None:
    put_image(tmp_path, "secret.png")
    put_document(tmp_path, document([image(1, name)]))
    assert list(problems(tmp_path).values()) == [
        "is named so in annotations/instances_train.json, which is no path below the folder of the images"
    ]


def test_an_image_of_another_size_than_its_record_is_unusable(tmp_path: Path) -> None:
    put_image(one_image(tmp_path), "train/0001.png", 0, 16, 12)
    assert problems(tmp_path) == {"train/0001.png": "has 16 × 12 pixels (height × width), but its annotations are for 12 × 16"}


def test_an_image_that_does_not_decode_is_unusable(tmp_path: Path) -> None:
    put(one_image(tmp_path) / "train/0001.png", b"nonsense")
    assert problems(tmp_path) == {"train/0001.png": "cannot be decoded: its format is not recognised"}


def test_an_image_that_lies_on_its_side_does_not_fit_the_annotations_of_the_file_as_stored(tmp_path: Path) -> None:
    on_its_side = Image.Exif()
    on_its_side[0x0112] = 6
    put(one_image(tmp_path) / "train/0001.png", encoded(Image.fromarray(picture(0)), exif=on_its_side))
    assert problems(tmp_path) == {"train/0001.png": "has 16 × 12 pixels (height × width), but its annotations are for 12 × 16"}


# Files that are not COCO's


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not valid JSON with numbers of 64 bits: parse error: premature EOF"),
        (b'{"images": [{"id": 1', "is not valid JSON with numbers of 64 bits: parse error: premature EOF"),
        (b'{"images": []} {', "is not valid JSON with numbers of 64 bits: parse error: trailing garbage"),
        (b'{"images": [{"id": NaN}]}', "is not valid JSON with numbers of 64 bits: lexical error"),
        (b"\x89PNG\r\n", "is not valid JSON with numbers of 64 bits: lexical error"),
        (b'{"images": [{"id": 9223372036854775808}]}', "with numbers of 64 bits: parse error: integer overflow"),
        (b"[1, 2]", "must have a list `images` with entries at its top, where it has no fields"),
        (b'{"images": []}', r"must have a list `images` with entries at its top, where it has images \(array\)"),
        (b'{"images": [5]}', r"images\[0\] is 5; it must be an object"),
        (b'{"images": [{"file_name": "a"}]}', r"images\[0\] has id=None; it must be a whole number"),
        (b'{"images": [{"id": "1", "file_name": "a"}]}', r"images\[0\] has id='1'; it must be a whole number"),
        (b'{"images": [{"id": 1}]}', r"images\[0\] has file_name=None; it must be a text"),
        (b'{"images": [{"id": 1, "file_name": "a", "width": "b", "height": 1}]}', r"images\[0\] has width='b'; it must be a whole number"),
        (b'{"images": [], "annotations": [{"id": 1, "category_id": 1}]}', r"annotations\[0\] has image_id=None; it must be a whole"),
        (b'{"annotations": [{"id": 1, "image_id": 1, "category_id": true}]}', r"annotations\[0\] has category_id=True; it must be"),
        (b'{"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 2}]}', r"has iscrowd=2; it must be 0 or 1"),
        (b'{"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": ""}]}', r"categories\[0\] has name=''; it must be"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_cocos_is_refused_with_its_place(content: bytes, told: str, tmp_path: Path) -> None:
    path = put(tmp_path / "annotations/instances_train.json", content)
    with pytest.raises(DataError, match=told) as caught:
        _ = opened(tmp_path).classes
    assert str(path.relative_to(tmp_path)) in str(caught.value)


def without(field: str, **others: object) -> Document:
    return {**{name: value for name, value in document([image(1)]).items() if name != field}, **others}


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize(
    ("content", "lacking", "there"),
    [
        (without("annotations"), "annotations", "info (object), images (array), categories (array)"),
        (without("annotations", annotation=[]), "annotations", "info (object), images (array), categories (array), annotation (array)"),
        (without("annotations", annotations={"1": annotation(1, box(0, 0, 2, 2))}), "annotations", "annotations (object)"),
        (without("annotations", annotations="x"), "annotations", "annotations (string)"),
        (without("annotations", annotations=[]), "annotations", "annotations (array)"),
        (without("annotations", annotations=None), "annotations", "annotations (null)"),
        (without("categories"), "categories", "info (object), images (array), annotations (array)"),
        (without("categories", categories={"2": "cat"}), "categories", "categories (object)"),
        (without("images", image=[image(1)]), "images", "annotations (array), categories (array), image (array)"),
    ],
)
def test_a_file_without_entries_in_one_of_the_lists_is_refused_and_what_it_has_is_told(
    content: Document, lacking: str, there: str, split: str, tmp_path: Path
) -> None:
    """All its images would be taken for background."""
    coco_folder(tmp_path)
    put_document(tmp_path, content, split)
    with pytest.raises(DataError) as caught:
        opened(tmp_path, splits=("train", "val"), classes=("cat",), policy="skip").count(split)
    assert f"instances_{split}.json must have a list `{lacking}` with entries at its top, where it has " in str(caught.value)
    assert str(caught.value).endswith(there)


@pytest.mark.parametrize(
    ("categories", "told"),
    [
        (({"id": 1, "name": "x"}, {"id": 2, "name": "x"}), "categories 1 and 2 are both named x; rename one"),
        (({"id": 1, "name": "x"}, {"id": 1, "name": "y"}), "category 1 is there twice, as x and y"),
    ],
)
def test_categories_that_share_an_id_or_a_name_are_refused(categories: tuple[Document, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"instances_train.json: {told}"):
        _ = opened(one_image(tmp_path, categories=categories)).classes


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63) + 1, 0])
def test_whatever_the_id_of_an_image_its_annotations_are_found(number: int, tmp_path: Path) -> None:
    entries = [image(number, "a.png"), image(5, "b.png")]
    put_image(tmp_path, "train/a.png")
    put_document(tmp_path, document(entries, [annotation(1, box(0, 0, 2, 2), number), annotation(2, box(0, 0, 9, 9), 5)]))
    assert np.count_nonzero(mask_of(tmp_path)) == 4


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**30])
def test_a_number_that_no_column_holds_is_refused_whatever_parser_reads_it(number: int) -> None:
    with pytest.raises(DataError, match=rf"^here has id={number}; it must be a whole number of at most 63 bits"):
        whole_number({"id": number}, "id", "here")


def test_without_annotations_the_error_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    put_image(tmp_path, "train2017/0001.png")
    with pytest.raises(ConfigError, match=r"looked for annotations/instances_train\.json; found train2017/\. Set source\.annotations"):
        opened(tmp_path).digest()


def test_a_class_that_no_file_names_is_refused_and_the_categories_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names \['cow'\], but the categories in annotations/.* are \['bird', 'cat', 'dog'\]"):
        _ = opened(one_image(tmp_path), classes=("cat", "cow")).classes


def test_a_category_named_as_the_background_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.background=dog is the name of a category, too"):
        _ = opened(one_image(tmp_path), background="dog").classes


def test_more_categories_than_a_mask_holds_are_refused(tmp_path: Path) -> None:
    for many in (254, 255):
        one_image(tmp_path, categories=[{"id": number, "name": f"c{number}"} for number in range(many)])
        source = opened(tmp_path)
        if many == 254:
            assert len(source.classes) == 255
        else:
            with pytest.raises(ConfigError, match="a mask holds 254 classes and the background, not 255; name those wanted"):
                _ = source.classes


# Where it lies, and what it costs


def test_a_bucket_gives_what_a_folder_gives(bucket: str, tmp_path: Path) -> None:
    store = open_store(bucket)
    for path in coco_folder(tmp_path).glob("**/*.*"):
        store.put(str(path.relative_to(tmp_path)), path.read_bytes())
    here, there = opened(tmp_path), CocoInstances(CocoSource(uri=bucket, splits=("train",)))
    assert list(there.items("train")) == list(here.items("train"))
    last = list(there.items("train"))[-1]
    assert np.array_equal(there.read(last).target, here.read(last).target)
    before = there.digest()
    store.delete("train/0004.png")
    assert there.digest() != before


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        (lambda root: append(root / "annotations/instances_val.json"), True),
        (lambda root: append(root / "train/0002.png"), True),
        (lambda root: (root / "train/0002.png").unlink(), True),
        (lambda root: put_image(root, "train/9999.png"), False),
        (lambda root: put(root / "annotations/captions_train.json", b"{}"), False),
    ],
    ids=["annotations", "image", "image gone", "image that is not listed", "other annotations"],
)
def test_the_digest_changes_with_any_byte_that_is_used_and_no_other(
    change: Callable[[Path], object], changes: bool, tmp_path: Path
) -> None:
    before = opened(coco_folder(tmp_path / "a"), splits=("train", "val")).digest()
    assert opened(coco_folder(tmp_path / "b"), splits=("train", "val")).digest() == before
    change(tmp_path / "a")
    assert (opened(tmp_path / "a", splits=("train", "val")).digest() != before) == changes


def test_the_digest_covers_the_lists(tmp_path: Path) -> None:
    put(in_one_file(tmp_path) / "train.txt", b"0003\n")
    put(tmp_path / "val.txt", b"0007\n")
    before = opened(tmp_path, **ONE_FILE).digest()
    append(tmp_path / "val.txt")
    assert opened(tmp_path, **ONE_FILE).digest() != before


def test_an_item_carries_its_annotations_so_that_a_worker_reads_no_file_of_them(tmp_path: Path) -> None:
    items = pickle.dumps(list(opened(coco_folder(tmp_path)).items("train")))
    for path in tmp_path.glob("annotations/*"):
        path.unlink()
    worker = opened(tmp_path)
    assert all(np.asarray(worker.read(item).target).max() == BIRD for item in pickle.loads(items))
    assert len(items) < 12 * 1000


GROWTH = """
import sys
from pathlib import Path
from trainer.config import CocoSource
from trainer.data.sources import open_source

def status(field):
    return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))

import numpy, ijson  # what every process of this kind holds
source = open_source(CocoSource(uri=sys.argv[1], splits=("train",)))
before = status("VmRSS")
print(sum(1 for _ in source.items("train")), status("VmHWM") - before, "torch" in sys.modules)
"""


def test_an_annotation_file_is_read_in_less_than_five_times_its_size(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    annotations = [annotation(number, [random.uniform(0, 640, 60).round(2).tolist()], number % 1500) for number in range(12_000)]
    path = put_document(tmp_path, document([image(number, "", 480, 640) for number in range(1500)], annotations))
    assert path.stat().st_size > 5_000_000
    done = subprocess.run([sys.executable, "-c", GROWTH, str(tmp_path)], capture_output=True, text=True, check=True)
    items, growth, has_torch = done.stdout.split()
    assert (items, has_torch) == ("1500", "False")
    assert int(growth) < 5 * path.stat().st_size
