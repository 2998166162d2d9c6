from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mask_data import encoded, picture, put
from tests.voc_data import put_voc_pair, voc_folder, voc_labels, voc_mask
from trainer.config import VocSource
from trainer.config.source import VOC_CLASSES
from trainer.data.sources import UnusableImageError, open_source
from trainer.data.sources.pairs import MaskPairs
from trainer.data.sources.voc import open_voc
from trainer.errors import ConfigError, DataError


def opened(root: Path, **values: object) -> MaskPairs:
    return open_voc(VocSource.model_validate({"uri": str(root), **values}))


def names(source: MaskPairs, split: str) -> list[str]:
    return [item.name for item in source.items(split)]


def test_without_data_the_error_says_what_to_pass() -> None:
    with pytest.raises(ConfigError, match="source voc needs data: pass --data URI"):
        open_source(VocSource())


def test_lists_name_the_images_of_each_split(tmp_path: Path) -> None:
    source = opened(voc_folder(tmp_path))
    assert names(source, "train") == [f"2007_{number:06d}" for number in range(12)]
    assert (source.count("train"), source.count("val"), source.classes) == (12, 4, VOC_CLASSES)


def test_a_sample_has_palette_indices_and_no_class_at_borders(tmp_path: Path) -> None:
    source = opened(voc_folder(tmp_path))
    sample = source.read(list(source.items("train"))[3])
    assert (sample.name, sample.extension, sample.file) == ("2007_000003", "jpg", "JPEGImages/2007_000003.jpg")
    assert sample.image == (tmp_path / "JPEGImages/2007_000003.jpg").read_bytes()
    assert np.array_equal(sample.target, voc_labels(3))
    assert set(np.unique(sample.target)) == {0, 4, 255}


def test_images_of_other_extensions_pair_too(tmp_path: Path) -> None:
    voc_folder(tmp_path)
    (tmp_path / "JPEGImages/2007_000000.jpg").unlink()
    put(tmp_path / "JPEGImages/2007_000000.PNG", encoded(Image.fromarray(picture(0, 32, 48))))
    source = opened(tmp_path)
    assert source.read(next(source.items("train"))).extension == "png"


def test_classes_of_ones_own_replace_the_twenty(tmp_path: Path) -> None:
    put_voc_pair(tmp_path, "a", 0)
    put_voc_pair(tmp_path, "b", 1)
    put(tmp_path / "ImageSets/Segmentation/train.txt", b"a\nb\n")
    source = opened(tmp_path, classes=("ground", "roof"), splits=("train",))
    first, second = source.items("train")
    assert set(np.unique(source.read(first).target)) == {0, 1, 255}
    with pytest.raises(UnusableImageError, match=r"SegmentationClass/b\.png holds values that are neither one of the 2 classes .*: 2 in"):
        source.read(second)


def test_a_listed_image_without_mask_is_unusable(tmp_path: Path) -> None:
    (voc_folder(tmp_path) / "SegmentationClass/2007_000000.png").unlink()
    source = opened(tmp_path)
    with pytest.raises(UnusableImageError, match=r"2007_000000\.jpg has no mask SegmentationClass/2007_000000\.png"):
        source.read(next(source.items("train")))


def test_a_mask_of_another_size_is_unusable(tmp_path: Path) -> None:
    put(voc_folder(tmp_path) / "SegmentationClass/2007_000000.png", voc_mask(voc_labels(0, 48, 32)))
    source = opened(tmp_path)
    with pytest.raises(UnusableImageError, match=r"has 32 × 48 pixels .* SegmentationClass/2007_000000\.png has 48 × 32"):
        source.read(next(source.items("train")))


@pytest.mark.parametrize(
    ("place", "given", "nested"),
    [("VOC2012", "", "VOC2012"), ("VOCdevkit/VOC2012", "", "VOCdevkit/VOC2012"), ("VOCdevkit/VOC2012", "VOCdevkit", "VOC2012")],
)
def test_the_folder_above_is_refused_and_the_right_one_named(place: str, given: str, nested: str, tmp_path: Path) -> None:
    voc_folder(tmp_path / place)
    root = tmp_path / given
    with pytest.raises(ConfigError) as caught:
        opened(root).count("train")
    assert str(caught.value) == (
        f"{root} is not laid out as source voc reads it: looked for ImageSets/Segmentation/train.txt, ImageSets/Segmentation/val.txt; "
        f"found {nested.split('/')[0]}/. There are lists below {root}/{nested}: pass that as --data, "
        "or name other splits in source.splits, or set source.split_shares"
    )


def test_a_folder_without_lists_is_told_what_was_looked_for_and_found(tmp_path: Path) -> None:
    put_voc_pair(tmp_path, "a")
    with pytest.raises(ConfigError, match=r"found JPEGImages/, SegmentationClass/\. Pass the folder that holds ImageSets/ as --data"):
        opened(tmp_path).digest()


def test_a_split_without_list_is_named(tmp_path: Path) -> None:
    voc_folder(tmp_path)
    with pytest.raises(DataError, match=r"has ImageSets/Segmentation/train\.txt but not ImageSets/Segmentation/test\.txt"):
        opened(tmp_path, splits=("train", "test")).count("train")


def test_an_image_in_two_lists_is_refused(tmp_path: Path) -> None:
    put(voc_folder(tmp_path) / "ImageSets/Segmentation/val.txt", b"2007_000003\n")
    with pytest.raises(DataError, match=r"'2007_000003' is listed twice, in ImageSets/.*/train\.txt and ImageSets/.*/val\.txt"):
        opened(tmp_path).count("train")


def test_splits_drawn_by_content_hold_the_images_that_have_a_mask(tmp_path: Path) -> None:
    source = opened(voc_folder(tmp_path), split_shares=(0.5, 0.5))
    drawn = names(source, "train") + names(source, "val")
    assert sorted(drawn) == [f"2007_{number:06d}" for number in range(16)]
    assert 3 < source.count("train") < 13


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        (lambda root: append(root / "JPEGImages/2007_000001.jpg"), True),
        (lambda root: append(root / "SegmentationClass/2007_000013.png"), True),
        (lambda root: append(root / "ImageSets/Segmentation/val.txt"), True),
        (lambda root: append(root / "JPEGImages/2008_000001.jpg"), False),
        (lambda root: append(root / "Annotations/2007_000000.xml"), False),
    ],
    ids=["image", "mask", "list", "image that no list names", "box"],
)
def test_the_digest_changes_with_any_byte_that_is_used_and_no_other(change: Callable[[Path], None], changes: bool, tmp_path: Path) -> None:
    before = opened(voc_folder(tmp_path)).digest()
    change(tmp_path)
    assert (opened(tmp_path).digest() != before) == changes
