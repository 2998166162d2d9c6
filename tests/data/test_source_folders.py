import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.folder_data import animals, class_folder
from tests.mask_data import encoded, picture, put
from trainer.config import FoldersSource
from trainer.data.sources import Sample, Source, open_source
from trainer.data.sources.base import UnusableImageError
from trainer.errors import ConfigError, DataError
from trainer.storage import open_store


def opened(root: Path | str, **values: object) -> Source[object]:
    return open_source(FoldersSource.model_validate({"uri": str(root), **values}))


def names(source: Source[object], split: str) -> list[str]:
    return [item.name for item in source.items(split)]


def read(source: Source[object], name: str) -> Sample:
    return next(source.read(item) for split in source.splits for item in source.items(split) if item.name == name)


def labels(source: Source[object], split: str) -> dict[str, int]:
    return {sample.name: sample.target for sample in map(source.read, source.items(split))}


def test_without_data_the_error_says_what_to_pass() -> None:
    with pytest.raises(ConfigError, match="source folders needs data: pass --data URI"):
        open_source(FoldersSource())


def test_folders_below_a_splits_folder_are_its_classes(tmp_path: Path) -> None:
    source = opened(animals(tmp_path))

    assert source.classes == ("cat", "dog")
    assert labels(source, "val") == {"cat/4": 0, "cat/5": 0, "dog/4": 1, "dog/5": 1}
    assert (source.count("train"), source.count("val")) == (8, 4)


def test_a_sample_holds_its_file_its_pixels_and_its_class_index(tmp_path: Path) -> None:
    sample = read(opened(animals(tmp_path)), "dog/3")

    assert (sample.target, sample.extension, sample.file) == (1, "png", "train/dog/3.png")
    assert sample.image == (tmp_path / "train/dog/3.png").read_bytes()
    assert np.array_equal(sample.pixels, picture(7))


def test_classes_are_those_of_all_splits_together(tmp_path: Path) -> None:
    source = opened(class_folder(tmp_path, ["train/dog/a", "train/owl/a", "val/cat/a", "val/owl/b"]))

    assert source.classes == ("cat", "dog", "owl")
    assert labels(source, "train") == {"dog/a": 1, "owl/a": 2}


def test_classes_keep_the_order_that_the_config_gives(tmp_path: Path) -> None:
    source = opened(animals(tmp_path), classes=("dog", "cat"))

    assert source.classes == ("dog", "cat")
    assert labels(source, "val") == {"cat/4": 1, "cat/5": 1, "dog/4": 0, "dog/5": 0}


def test_a_class_without_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source\.classes names owl, but no folder of that name in .* holds an image; it has cat, dog"):
        _ = opened(animals(tmp_path), classes=("cat", "owl", "dog")).classes


def test_a_class_whose_folder_holds_no_image_is_named(tmp_path: Path) -> None:
    put(animals(tmp_path) / "train/owl/readme.txt", b"to come")
    with pytest.raises(ConfigError, match=r"source\.classes names owl"):
        _ = opened(tmp_path, classes=("cat", "dog", "owl")).classes


def test_a_folder_without_images_is_no_class(tmp_path: Path) -> None:
    put(animals(tmp_path) / "train/notes/readme.txt", b"about cats")
    assert opened(tmp_path).classes == ("cat", "dog")


def test_a_folder_that_the_classes_do_not_name_is_told(tmp_path: Path) -> None:
    class_folder(animals(tmp_path), ["val/owl/0"])
    with pytest.raises(ConfigError, match=r"has folders that source\.classes does not name: owl\. Name them, or move them away"):
        _ = opened(tmp_path, classes=("cat", "dog")).classes


@pytest.mark.parametrize(("paths", "held"), [(["train/cat/a", "val/cat/b"], "cat"), (["train/a", "val/b"], "none")])
def test_fewer_than_two_classes_are_refused(paths: list[str], held: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"for each of at least two classes; it has {held}"):
        _ = opened(class_folder(tmp_path, paths)).classes


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    source = opened(class_folder(tmp_path, ["train/cat/indoors/sofa/a", "train/dog/a", "val/dog/garden/a"]))

    assert source.classes == ("cat", "dog")
    assert labels(source, "train") == {"cat/indoors/sofa/a": 0, "dog/a": 1}
    assert labels(source, "val") == {"dog/garden/a": 1}


@pytest.mark.parametrize("file", ["train/cat/.a.png", "train/cat/.cache/a.png", "train/.trash/a.png", "train/cat/a.txt", "train/a.csv"])
def test_hidden_files_and_files_that_are_no_images_are_passed_over(file: str, tmp_path: Path) -> None:
    before = opened(animals(tmp_path)).digest()
    put(tmp_path / file, encoded(Image.fromarray(picture(99))))

    source = opened(tmp_path)
    assert source.classes == ("cat", "dog")
    assert source.count("train") == 8
    assert source.digest() == before


@pytest.mark.parametrize("name", ["Ä cat, asleep", "猫 01", "a.b.c", "UPPER"])
def test_names_may_have_spaces_unicode_and_dots(name: str, tmp_path: Path) -> None:
    put(animals(tmp_path) / f"train/cat/{name}.PNG", encoded(Image.fromarray(picture(50))))

    sample = read(opened(tmp_path), f"cat/{name}")
    assert (sample.target, sample.file) == (0, f"train/cat/{name}.PNG")


def test_class_names_may_have_spaces_and_unicode(tmp_path: Path) -> None:
    source = opened(class_folder(tmp_path, ["train/großer Hund/a", "train/小猫/a", "val/小猫/b"]))
    assert source.classes == ("großer Hund", "小猫")
    assert labels(source, "val") == {"小猫/b": 1}


def test_one_stem_with_two_extensions_is_unusable(tmp_path: Path) -> None:
    source = opened(class_folder(animals(tmp_path), ["train/cat/0.jpg"]))
    with pytest.raises(UnusableImageError, match=r"train/cat/0\.jpg shares its stem with train/cat/0\.png; keep one of them"):
        read(source, "cat/0")
    assert source.count("train") == 8


def test_an_image_outside_every_class_is_unusable(tmp_path: Path) -> None:
    source = opened(class_folder(animals(tmp_path), ["train/stray"]))
    with pytest.raises(UnusableImageError, match=r"train/stray\.png lies in no folder of a class; move it into one"):
        read(source, "stray")
    assert source.classes == ("cat", "dog")


def test_an_image_that_has_gone_since_it_was_listed_is_unusable(tmp_path: Path) -> None:
    source = opened(animals(tmp_path))
    items = list(source.items("val"))
    (tmp_path / "val/dog/5.png").unlink()
    with pytest.raises(UnusableImageError, match=r"val/dog/5\.png has gone since it was listed"):
        source.read(items[-1])


def test_lists_name_paths_below_the_classes_in_their_order(tmp_path: Path) -> None:
    class_folder(tmp_path, ["cat/a", "cat/b c", "dog/a", "dog/b"])
    put(tmp_path / "train.txt", b"dog/a\ncat/b c\n")
    put(tmp_path / "val.txt", b"cat/a\n")
    source = opened(tmp_path)

    assert source.classes == ("cat", "dog")
    assert (names(source, "train"), names(source, "val")) == (["dog/a", "cat/b c"], ["cat/a"])
    assert labels(source, "train") == {"dog/a": 1, "cat/b c": 0}


def test_a_listed_path_without_image_is_unusable(tmp_path: Path) -> None:
    class_folder(tmp_path, ["cat/a", "dog/a"])
    put(tmp_path / "train.txt", b"dog/a\ncat/lost\n")
    put(tmp_path / "val.txt", b"cat/a\n")
    with pytest.raises(UnusableImageError, match="cat/lost is listed, but there is no such image"):
        read(opened(tmp_path), "cat/lost")


def test_a_path_listed_in_two_splits_is_refused(tmp_path: Path) -> None:
    class_folder(tmp_path, ["cat/a", "dog/a"])
    put(tmp_path / "train.txt", b"dog/a\ncat/a\n")
    put(tmp_path / "val.txt", b"cat/a\n")
    with pytest.raises(DataError, match=r"'cat/a' is listed twice, in train\.txt and val\.txt"):
        opened(tmp_path).count("train")


def test_drawn_splits_hold_every_image_once_and_keep_it(tmp_path: Path) -> None:
    paths = [f"{name}/{number}" for name in ("cat", "dog") for number in range(20)]
    shares = {"splits": ("train", "val"), "split_shares": (0.6, 0.4)}
    source = opened(class_folder(tmp_path, paths), **shares)
    train, val = names(source, "train"), names(source, "val")
    assert sorted(train + val) == sorted(paths)
    assert min(len(train), len(val)) > 5

    more = opened(class_folder(tmp_path, [*paths, "owl/0", "owl/1"]), **shares)
    assert set(train) <= set(names(more, "train"))
    assert set(val) <= set(names(more, "val"))
    assert more.classes == ("cat", "dog", "owl")


def test_drawn_splits_keep_files_of_one_stem_together(tmp_path: Path) -> None:
    class_folder(tmp_path, ["cat/a.png", "cat/a.jpg", "dog/a"])
    source = opened(tmp_path, split_shares=(0.5, 0.5))
    assert source.count("train") + source.count("val") == 2


def test_folders_that_are_splits_already_are_not_taken_for_classes(tmp_path: Path) -> None:
    source = opened(animals(tmp_path), split_shares=(0.9, 0.1))
    with pytest.raises(ConfigError, match=r"are splits already: train, val\. Take source\.split_shares out"):
        _ = source.classes


def test_another_layout_is_told_with_what_was_found(tmp_path: Path) -> None:
    class_folder(tmp_path, ["cat/a", "dog/a"])
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path).count("train")
    told = str(caught.value)
    assert "looked for train.txt, val.txt, or else for <split>/<class>/; there is no train/, val/; found cat/, dog/" in told
    assert "set source.split_shares" in told


def test_the_digest_follows_contents_and_lists_and_not_the_place(tmp_path: Path) -> None:
    here, there = class_folder(tmp_path / "a", ["cat/a", "dog/a"]), class_folder(tmp_path / "b", ["cat/a", "dog/a"])
    for root in (here, there):
        put(root / "train.txt", b"cat/a\n")
        put(root / "val.txt", b"dog/a\n")
    first = opened(here).digest()
    assert opened(there).digest() == first

    put(there / "val.txt", b"dog/a \n")
    listed = opened(there).digest()
    put(there / "cat/a.png", encoded(Image.fromarray(picture(9))))
    assert len({first, listed, opened(there).digest()}) == 3


def test_the_order_of_splits_does_not_change_the_digest(tmp_path: Path) -> None:
    animals(tmp_path)
    assert opened(tmp_path).digest() == opened(tmp_path, splits=("val", "train")).digest()


def test_a_bucket_reads_as_the_folder_does(bucket: str, tmp_path: Path) -> None:
    animals(tmp_path)
    store = open_store(f"{bucket}/animals")
    for file in tmp_path.rglob("*.png"):
        store.put(str(file.relative_to(tmp_path)), file.read_bytes())

    source, local = opened(f"{bucket}/animals"), opened(tmp_path)
    assert source.classes == local.classes
    assert labels(source, "val") == labels(local, "val")
    assert read(source, "dog/5").image == read(local, "dog/5").image


def test_items_are_made_one_by_one(tmp_path: Path) -> None:
    """Listing a split holds its names, not its items."""
    put(tmp_path / "train.txt", "".join(f"cat/{number}\n" for number in range(20_000)).encode())
    class_folder(tmp_path, ["cat/0", "dog/0"])
    put(tmp_path / "val.txt", b"dog/0\n")
    source = opened(tmp_path)
    assert source.count("train") == 20_000

    tracemalloc.start()
    total = sum(1 for _ in source.items("train"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 20_000
    assert peak < 100_000 < 20_000 * sys.getsizeof(())
