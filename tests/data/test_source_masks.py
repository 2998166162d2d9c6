from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mask_data import CLASSES, encoded, labels, mask_folder, pair, picture, put
from trainer.config import MasksSource
from trainer.data.sources import Sample, open_source
from trainer.data.sources.base import UnusableImageError
from trainer.data.sources.masks import open_masks
from trainer.data.sources.pairs import MaskPairs
from trainer.errors import ConfigError, DataError


def opened(root: Path, **values: object) -> MaskPairs:
    return open_masks(MasksSource.model_validate({"uri": str(root), "classes": CLASSES, **values}))


def read(root: Path, name: str, **values: object) -> Sample:
    source = opened(root, **values)
    return next(source.read(item) for split in source.splits for item in source.items(split) if item.name == name)


def names(source: MaskPairs, split: str) -> list[str]:
    return [item.name for item in source.items(split)]


def test_without_data_the_error_says_what_to_pass() -> None:
    with pytest.raises(ConfigError, match="source masks needs data: pass --data URI"):
        open_source(MasksSource(classes=CLASSES))


def test_list_files_name_the_stems_in_their_order(tmp_path: Path) -> None:
    source = opened(mask_folder(tmp_path, {"train": ["b", "a", "c"], "val": ["d"]}))
    assert (names(source, "train"), names(source, "val")) == (["b", "a", "c"], ["d"])
    assert (source.count("train"), source.count("val")) == (3, 1)


def test_list_files_may_have_blank_lines_spaces_and_windows_line_ends(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a", "b c"], "val": ["d"]})
    put(tmp_path / "train.txt", "\ufeff  a \r\n\r\n\tb c\r\n\n".encode())
    assert names(opened(tmp_path), "train") == ["a", "b c"]


def test_images_that_no_list_names_are_left_out(tmp_path: Path) -> None:
    pair(mask_folder(tmp_path, {"train": ["a"], "val": ["b"]}), "c")
    source = opened(tmp_path)
    assert names(source, "train") + names(source, "val") == ["a", "b"]


def test_sub_folders_are_splits_in_the_order_of_stems(tmp_path: Path) -> None:
    for stem in ("train/b", "train/a-1", "train/a", "val/b"):
        pair(tmp_path, stem)
    source = opened(tmp_path)
    assert (names(source, "train"), names(source, "val")) == (["a", "a-1", "b"], ["b"])
    assert source.count("train") == 3
    assert [item.mask for item in source.items("val")] == ["masks/val/b.png"]


def test_hidden_files_and_files_that_are_no_images_are_passed_over(tmp_path: Path) -> None:
    pair(tmp_path, "train/a")
    pair(tmp_path, "val/b")
    for name in (".DS_Store", "._a.png", "notes.txt"):
        put(tmp_path / f"images/train/{name}", b"?")
    assert names(opened(tmp_path), "train") == ["a"]


@pytest.mark.parametrize("extension", [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".JPG"])
def test_images_of_every_known_extension_pair_with_their_mask(extension: str, tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    (tmp_path / "images/a.png").unlink()
    put(tmp_path / f"images/a{extension}", encoded(Image.fromarray(picture(9)), Image.registered_extensions()[extension.lower()]))
    assert read(tmp_path, "a").pixels.shape == (12, 16, 3)


def test_a_sample_is_the_image_with_its_class_indices(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["x.y é"], "val": ["b"]})
    sample = read(tmp_path, "x.y é")
    assert (sample.name, sample.extension) == ("x.y é", "png")
    assert sample.image == (tmp_path / "images/x.y é.png").read_bytes()
    assert np.array_equal(sample.pixels, picture(0))
    assert np.array_equal(sample.target, labels(0))


def test_ignored_values_become_255(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    values = np.array([[0, 1, 2, 7], [200, 255, 0, 7]], np.uint8)
    put(tmp_path / "masks/a.png", encoded(Image.fromarray(values)))
    put(tmp_path / "images/a.png", encoded(Image.fromarray(picture(0, 2, 4))))
    sample = read(tmp_path, "a", ignore=(7, 200, 255))
    assert sample.target.tolist() == [[0, 1, 2, 255], [255, 255, 0, 255]]


def test_palette_masks_count_by_index_not_by_colour(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    mask = Image.fromarray(labels(0))
    mask.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    put(tmp_path / "masks/a.png", encoded(mask))
    assert np.array_equal(read(tmp_path, "a").target, labels(0))


def test_values_outside_the_classes_are_named_and_counted(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    values = np.zeros((12, 16), np.uint8)
    values[0, :5], values[1, :2], values[2, 0] = 3, 128, 255
    put(tmp_path / "masks/a.png", encoded(Image.fromarray(values)))
    with pytest.raises(UnusableImageError) as caught:
        read(tmp_path, "a", ignore=())
    assert caught.value.file == "masks/a.png"
    assert caught.value.reason == (
        "holds values that are neither one of the 3 classes nor in source.ignore: 3 in 5 pixels, 128 in 2 pixels, 255 in 1 pixels"
        "; name every class in source.classes"
    )


def test_a_mask_full_of_strange_values_gives_a_short_message(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    put(tmp_path / "masks/a.png", encoded(Image.fromarray(np.arange(192, dtype=np.uint8).reshape(12, 16))))
    with pytest.raises(UnusableImageError, match=r"10 in 1 pixels, …; name every class in source\.classes$"):
        read(tmp_path, "a")


def test_a_mask_of_another_size_is_unusable_and_both_sizes_are_told(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    put(tmp_path / "masks/a.png", encoded(Image.fromarray(labels(0, 16, 12))))
    with pytest.raises(UnusableImageError, match=r"images/a\.png has 12 × 16 pixels .* its mask masks/a\.png has 16 × 12"):
        read(tmp_path, "a")


def test_an_image_without_mask_is_unusable(tmp_path: Path) -> None:
    (mask_folder(tmp_path) / "masks/t3.png").unlink()
    with pytest.raises(UnusableImageError, match=r"images/t3\.png has no mask masks/t3\.png"):
        read(tmp_path, "t3")


def test_a_list_line_without_image_is_unusable(tmp_path: Path) -> None:
    (mask_folder(tmp_path) / "images/t3.png").unlink()
    with pytest.raises(UnusableImageError, match="images/t3 is listed, but there is no such image"):
        read(tmp_path, "t3")


def test_a_list_line_that_climbs_out_finds_nothing(tmp_path: Path) -> None:
    mask_folder(tmp_path / "data")
    pair(tmp_path, "secret")
    put(tmp_path / "data/train.txt", b"../../images/secret\n")
    with pytest.raises(UnusableImageError, match="there is no such image"):
        read(tmp_path / "data", "../../images/secret")


def test_an_image_that_goes_after_it_was_listed_is_unusable(tmp_path: Path) -> None:
    source = opened(mask_folder(tmp_path))
    item = next(source.items("train"))
    (tmp_path / "images/t0.png").unlink()
    with pytest.raises(UnusableImageError, match=r"images/t0\.png has gone since it was listed"):
        source.read(item)


@pytest.mark.parametrize("layout", ["lists", "folders"])
def test_two_images_with_one_stem_are_unusable(layout: str, tmp_path: Path) -> None:
    if layout == "lists":
        mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    below = "" if layout == "lists" else "train/"
    pair(tmp_path, f"{below}a")
    pair(tmp_path, "val/b")
    put(tmp_path / f"images/{below}a.jpg", b"")
    with pytest.raises(UnusableImageError, match=rf"images/{below}a\.jpg shares its stem with images/{below}a\.png; keep one"):
        read(tmp_path, "a")


def test_a_stem_in_two_splits_is_refused(tmp_path: Path) -> None:
    source = opened(mask_folder(tmp_path, {"train": ["a", "b"], "val": ["c", "b"]}))
    with pytest.raises(DataError, match=r"'b' is listed twice, in train\.txt and val\.txt"):
        source.count("train")


def test_a_stem_twice_in_one_list_is_refused(tmp_path: Path) -> None:
    source = opened(mask_folder(tmp_path, {"train": ["a", "b", "a"], "val": ["c"]}))
    with pytest.raises(DataError, match=r"'a' is listed twice, in train\.txt; keep one"):
        source.count("train")


@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_a_list_of_nothing_is_refused(content: bytes, tmp_path: Path) -> None:
    put(mask_folder(tmp_path) / "val.txt", content)
    with pytest.raises(DataError, match=r"val\.txt lists nothing; write one file stem a line"):
        opened(tmp_path).count("train")


def test_a_list_that_is_not_text_is_refused(tmp_path: Path) -> None:
    put(mask_folder(tmp_path) / "val.txt", b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"val\.txt is not UTF-8 text"):
        opened(tmp_path).count("train")


def test_a_list_for_only_some_splits_is_refused(tmp_path: Path) -> None:
    (mask_folder(tmp_path) / "val.txt").unlink()
    with pytest.raises(DataError, match=r"has train\.txt but not val\.txt; add it, or take the split out of source\.splits"):
        opened(tmp_path).count("train")


def test_a_folder_of_neither_layout_is_told_what_was_looked_for_and_found(tmp_path: Path) -> None:
    put(tmp_path / "pictures/a.png", b"")
    put(tmp_path / "README.md", b"")
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path).count("train")
    for part in ("train.txt, val.txt", "there is no images/train/, images/val/", "found README.md, pictures/"):
        assert part in str(caught.value)


def test_a_folder_that_lacks_one_split_names_it(tmp_path: Path) -> None:
    pair(tmp_path, "train/a")
    with pytest.raises(ConfigError, match="there is no images/val/; found images/, masks/"):
        opened(tmp_path).digest()


def test_the_digest_is_of_the_content_not_of_the_place(tmp_path: Path) -> None:
    digests = {opened(mask_folder(tmp_path / place)).digest() for place in ("a", "b/c")}
    assert len(digests) == 1
    assert digests.pop().startswith("sha256:")


@pytest.mark.parametrize("changed", ["train.txt", "images/t1.png", "masks/v2.png"])
def test_the_digest_changes_with_any_byte_that_is_used(changed: str, tmp_path: Path) -> None:
    path = mask_folder(tmp_path) / changed
    before = opened(tmp_path).digest()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert opened(tmp_path).digest() != before


def test_the_digest_changes_with_a_name(tmp_path: Path) -> None:
    before = opened(mask_folder(tmp_path)).digest()
    (tmp_path / "masks/t1.png").rename(tmp_path / "masks/t99.png")
    assert opened(tmp_path).digest() != before


def test_the_digest_does_not_change_with_what_is_not_used(tmp_path: Path) -> None:
    before = opened(mask_folder(tmp_path)).digest()
    put(tmp_path / "instances.json", b"{}")
    put(tmp_path / "test.txt", b"t0")
    assert opened(tmp_path).digest() == before


def test_the_digest_does_not_change_with_images_that_no_list_names(tmp_path: Path) -> None:
    before = opened(mask_folder(tmp_path)).digest()
    pair(tmp_path, "unlisted")
    assert opened(tmp_path).digest() == before


def test_a_mask_without_image_is_told_where_folders_are_the_splits(tmp_path: Path) -> None:
    for stem in ("train/a", "train/b", "val/c"):
        pair(tmp_path, stem)
    (tmp_path / "images/train/b.png").unlink()
    assert (names(opened(tmp_path), "train"), opened(tmp_path).count("train")) == (["a", "b"], 2)
    with pytest.raises(UnusableImageError, match=r"masks/train/b\.png has no image images/train/b"):
        read(tmp_path, "b")


def test_splits_drawn_by_content_hold_each_image_once_and_masks_without_image(tmp_path: Path) -> None:
    for number in range(20):
        pair(tmp_path, f"scene {number // 10}/{number:02d}", number)
    (tmp_path / "images/scene 1/17.png").unlink()
    source = opened(tmp_path, split_shares=(0.6, 0.4))
    drawn = {split: names(source, split) for split in source.splits}
    assert sorted(drawn["train"] + drawn["val"]) == [f"scene {number // 10}/{number:02d}" for number in range(20)]
    assert all(5 < len(stems) < 15 for stems in drawn.values())
    with pytest.raises(UnusableImageError, match=r"masks/scene 1/17\.png has no image images/scene 1/17"):
        read(tmp_path, "scene 1/17", split_shares=(0.6, 0.4))


def test_copies_of_an_image_share_a_split_that_is_drawn(tmp_path: Path) -> None:
    for number in range(12):
        pair(tmp_path, f"{number:02d}", number % 3)
    source = opened(tmp_path, split_shares=(0.5, 0.5))
    split_of = {name: split for split in source.splits for name in names(source, split)}
    assert all(split_of[f"{number:02d}"] == split_of[f"{number % 3:02d}"] for number in range(12))


RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
COLOURS = {"colours": (RED, GREEN, BLUE), "ignore_colours": (WHITE,)}
VALUES = np.array([[0, 1, 2, 255]] * 3, np.uint8)
RGB = Image.fromarray(np.array([[RED, GREEN, BLUE, WHITE]] * 3, np.uint8))


def with_mask(root: Path, mask: bytes) -> Path:
    """A data set whose image `a`, 3 × 4, has this file as its mask."""
    mask_folder(root, {"train": ["a"], "val": ["b"]})
    put(root / "images/a.png", encoded(Image.fromarray(picture(0, 3, 4))))
    put(root / "masks/a.png", mask)
    return root


@pytest.mark.parametrize(
    "mask",
    [RGB, RGB.convert("RGBA"), RGB.quantize(4), RGB.convert("P", palette=Image.Palette.ADAPTIVE)],
    ids=["rgb", "opaque alpha", "2-bit", "palette"],
)
def test_colours_are_classes_by_the_table(mask: Image.Image, tmp_path: Path) -> None:
    assert read(with_mask(tmp_path, encoded(mask)), "a", **COLOURS).target.tolist() == VALUES.tolist()


def test_grey_levels_are_colours_of_three_equal_values(tmp_path: Path) -> None:
    grey = encoded(Image.fromarray(np.array([[0, 128, 255, 0]] * 3, np.uint8)))
    sample = read(with_mask(tmp_path, grey), "a", colours=((0, 0, 0), (128, 128, 128), WHITE))
    assert sample.target[0].tolist() == [0, 1, 2, 0]


def test_colours_that_mean_nothing_are_named_with_their_pixels_most_frequent_first(tmp_path: Path) -> None:
    strange = np.array(RGB)
    strange[0, :2], strange[1, 0] = (1, 2, 3), (9, 8, 7)
    with pytest.raises(UnusableImageError) as caught:
        read(with_mask(tmp_path, encoded(Image.fromarray(strange))), "a", **COLOURS)
    assert (caught.value.file, caught.value.reason) == (
        "masks/a.png",
        "holds colours that are neither in source.colours nor in source.ignore_colours: [1, 2, 3] in 2 pixels, [9, 8, 7] in 1 pixels"
        "; name the colour of every class",
    )


def test_a_mask_full_of_strange_colours_gives_a_short_message(tmp_path: Path) -> None:
    with pytest.raises(UnusableImageError, match=r"in 1 pixels, …; name the colour of every class$"):
        read(with_mask(tmp_path, encoded(Image.fromarray(picture(5, 3, 4)))), "a", **COLOURS)


def test_white_is_unknown_where_it_is_not_to_be_ignored(tmp_path: Path) -> None:
    with pytest.raises(UnusableImageError, match=r"\[255, 255, 255\] in 3 pixels; name the colour of every class$"):
        read(with_mask(tmp_path, encoded(RGB)), "a", colours=COLOURS["colours"])
