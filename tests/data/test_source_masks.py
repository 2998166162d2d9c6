from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.mask_data import CLASSES, encoded, labels, mask_folder, pair, picture, put
from trainer.config import MasksSource
from trainer.data.sources import Sample, open_source
from trainer.data.sources.base import UnusableImageError
from trainer.data.sources.masks import MaskFolders
from trainer.errors import ConfigError, DataError


def opened(root: Path, **values: object) -> MaskFolders:
    return MaskFolders(MasksSource.model_validate({"uri": str(root), "classes": CLASSES, **values}))


def read(root: Path, name: str, **values: object) -> Sample:
    source = opened(root, **values)
    return next(source.read(item) for split in source.splits for item in source.items(split) if item.name == name)


def names(source: MaskFolders, split: str) -> list[str]:
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
    assert np.array_equal(sample.mask, labels(0))


def test_ignored_values_become_255(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    values = np.array([[0, 1, 2, 7], [200, 255, 0, 7]], np.uint8)
    put(tmp_path / "masks/a.png", encoded(Image.fromarray(values)))
    put(tmp_path / "images/a.png", encoded(Image.fromarray(picture(0, 2, 4))))
    sample = read(tmp_path, "a", ignore=(7, 200, 255))
    assert sample.mask.tolist() == [[0, 1, 2, 255], [255, 255, 0, 255]]


def test_palette_masks_count_by_index_not_by_colour(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    mask = Image.fromarray(labels(0))
    mask.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    put(tmp_path / "masks/a.png", encoded(mask))
    assert np.array_equal(read(tmp_path, "a").mask, labels(0))


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
    )


def test_a_mask_full_of_strange_values_gives_a_short_message(tmp_path: Path) -> None:
    mask_folder(tmp_path, {"train": ["a"], "val": ["b"]})
    put(tmp_path / "masks/a.png", encoded(Image.fromarray(np.arange(192, dtype=np.uint8).reshape(12, 16))))
    with pytest.raises(UnusableImageError, match=r"10 in 1 pixels, …$"):
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
