"""For each source of files, and each way to its splits: good pictures, and how to replace one of them, the victim, with its target."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from PIL import Image

from tests.coco_data import annotation, box, coco_folder
from tests.folder_data import animals, class_folder, folders_config
from tests.mask_data import encoded, mask_folder, masks_config, put
from tests.voc_data import voc_folder, voc_mask
from trainer.config import CocoSource, RunConfig, VocSource
from trainer.config.source import VOC_CLASSES
from trainer.data.sources.splits import assign_splits
from trainer.storage import open_store

Size = tuple[int, int]
Samples = dict[str, list[str]]  # names by split

SHARES = (0.7, 0.3)
COLOURS = ((1, 1, 1), (2, 2, 2), (3, 3, 3))
ONE_FILE = {"images": "images", "annotations": "all.json"}


class SourceCase(Protocol):
    """A source with good data.

    Attributes:
        samples: the names of a good set's samples, by split.
        victim: the name of the sample of split `train` that is replaced; its target becomes class 1 everywhere.
        victim_file: its key, as messages name it, before it is replaced.
        twin: the name of the sample of split `val` that `copy_to_val` replaces; `twin_file` its key.
        is_drawn: splits are drawn by content, so which sample lies in which is not known beforehand.
    """

    samples: ClassVar[Samples]
    victim: str
    victim_file: str
    twin: str
    twin_file: str
    is_drawn: ClassVar[bool]

    def make(self, root: Path) -> None: ...

    def config(self, root: Path, **values: Any) -> RunConfig: ...

    def file(self, name: str, extension: str) -> str:
        """The key of a sample of split `train`, as messages name it."""
        ...

    def named(self, stem: str) -> str:
        """The name that the victim has with another stem."""
        ...

    def replace(self, root: Path, data: bytes, extension: str, size: Size, stem: str = "") -> None:
        """Put another file in the victim's place, with a target of that height and width."""
        ...


def copy_to_val(source: SourceCase, root: Path) -> None:
    """Put the victim's picture into split `val`, too, in the place of its twin."""
    put(root / source.twin_file, (root / source.victim_file).read_bytes())
    if source.is_drawn:
        pad_until_drawn_to("train", root, source.victim_file)
        pad_until_drawn_to("val", root, source.twin_file)


def pad_until_drawn_to(split: str, root: Path, file: str) -> None:
    """Add bytes behind a picture, which decoders pass over, until its content draws it to a split."""
    while file not in assign_splits(open_store(str(root)), [file], ("train", "val"), SHARES)[split]:
        put(root / file, (root / file).read_bytes() + b"\n")


class Masks:
    is_drawn = False
    samples: ClassVar[Samples] = {"train": [f"t{number}" for number in range(8)], "val": [f"v{number}" for number in range(4)]}
    victim, victim_file = "t3", "images/t3.png"
    twin, twin_file = "v1", "images/v1.png"

    def make(self, root: Path) -> None:
        mask_folder(root)

    def config(self, root: Path, **values: Any) -> RunConfig:
        return masks_config(root, **values)

    def file(self, name: str, extension: str) -> str:
        return f"images/{name}{extension}"

    def named(self, stem: str) -> str:
        return stem

    def replace(self, root: Path, data: bytes, extension: str, size: Size, stem: str = "") -> None:
        _replace_pair(root, "images", "masks", "t3", ".png", (data, extension, stem or "t3"))
        put(root / f"masks/{stem or 't3'}.png", encoded(Image.fromarray(np.full(size, 1, np.uint8))))
        change_text(root / "train.txt", lambda text: text.replace("t3\n", f"{stem or 't3'}\n"))


class Voc:
    is_drawn = False
    samples: ClassVar[Samples] = {
        "train": [f"2007_{number:06d}" for number in range(12)],
        "val": [f"2007_{number:06d}" for number in range(12, 16)],
    }
    victim, victim_file = "2007_000003", "JPEGImages/2007_000003.jpg"
    twin, twin_file = "2007_000013", "JPEGImages/2007_000013.jpg"

    def make(self, root: Path) -> None:
        voc_folder(root)

    def config(self, root: Path, **values: Any) -> RunConfig:
        return RunConfig(source=VocSource.model_validate({"uri": str(root), "classes": VOC_CLASSES[:5], **values}))

    def file(self, name: str, extension: str) -> str:
        return f"JPEGImages/{name}{extension}"

    def named(self, stem: str) -> str:
        return stem

    def replace(self, root: Path, data: bytes, extension: str, size: Size, stem: str = "") -> None:
        stem = stem or self.victim
        _replace_pair(root, "JPEGImages", "SegmentationClass", self.victim, ".jpg", (data, extension, stem))
        put(root / f"SegmentationClass/{stem}.png", voc_mask(np.full(size, 1, np.uint8)))
        change_text(root / "ImageSets/Segmentation/train.txt", lambda text: text.replace(self.victim, stem))


class Coco:
    is_drawn = False
    samples: ClassVar[Samples] = {
        "train": [f"{number:04d}" for number in range(1, 13)],
        "val": [f"{number:04d}" for number in range(13, 17)],
    }
    victim, victim_file = "0003", "train/0003.png"
    twin, twin_file = "0014", "val/0014.png"

    def make(self, root: Path) -> None:
        coco_folder(root)

    def config(self, root: Path, **values: Any) -> RunConfig:
        return RunConfig(source=CocoSource.model_validate({"uri": str(root), **values}))

    def file(self, name: str, extension: str) -> str:
        return f"train/{name}{extension}"

    def named(self, stem: str) -> str:
        return stem

    def replace(self, root: Path, data: bytes, extension: str, size: Size, stem: str = "") -> None:
        name = f"{stem or self.victim}{extension}"
        (root / "train/0003.png").unlink()
        put(root / "train" / name, data)
        with changed_document(root) as document:
            document["images"][2] |= {"file_name": name, "height": size[0], "width": size[1]}
            others = [entry for entry in document["annotations"] if entry["image_id"] != 3]
            document["annotations"] = [*others, annotation(999, box(0, 0, size[1], size[0]), image=3)]


class Folders:
    is_drawn = False
    samples: ClassVar[Samples] = {
        "train": [f"{name}/{number}" for name in ("cat", "dog") for number in range(4)],
        "val": [f"{name}/{number}" for name in ("cat", "dog") for number in (4, 5)],
    }
    victim, victim_file = "dog/3", "train/dog/3.png"
    twin, twin_file = "cat/5", "val/cat/5.png"

    def make(self, root: Path) -> None:
        animals(root)

    def config(self, root: Path, **values: Any) -> RunConfig:
        return folders_config(root, **values)

    def file(self, name: str, extension: str) -> str:
        return f"train/{name}{extension}"

    def named(self, stem: str) -> str:
        return f"dog/{stem}"

    def replace(self, root: Path, data: bytes, extension: str, size: Size, stem: str = "") -> None:
        (root / "train/dog/3.png").unlink()
        put(root / f"train/dog/{stem or '3'}{extension}", data)


class ListedFolders(Folders):
    """The same with lists instead of a folder for each split."""

    victim_file = "dog/3.png"
    twin_file = "cat/5.png"

    def make(self, root: Path) -> None:
        for split, paths in self.samples.items():
            put(root / f"{split}.txt", "".join(f"{path}\n" for path in paths).encode())
        class_folder(root, [path for paths in self.samples.values() for path in paths])

    def file(self, name: str, extension: str) -> str:
        return f"{name}{extension}"

    def replace(self, root: Path, data: bytes, extension: str, size: Size, stem: str = "") -> None:
        (root / "dog/3.png").unlink()
        put(root / f"dog/{stem or '3'}{extension}", data)
        change_text(root / "train.txt", lambda text: text.replace("dog/3\n", f"dog/{stem or '3'}\n"))


class ColouredMasks(Masks):
    """Masks whose colours are classes."""

    def make(self, root: Path) -> None:
        mask_folder(root)
        for path in root.glob("masks/*.png"):
            with Image.open(path) as mask:
                values = np.asarray(mask)
            put(path, encoded(Image.fromarray(np.array(COLOURS, np.uint8)[values])))

    def config(self, root: Path, **values: Any) -> RunConfig:
        return masks_config(root, colours=COLOURS, **values)


class MasksInFolders(Masks):
    """A sub-folder for each split, no lists."""

    victim_file = "images/train/t3.png"
    twin_file = "images/val/v1.png"

    def make(self, root: Path) -> None:
        mask_folder(root)
        for split, names in self.samples.items():
            (root / f"{split}.txt").unlink()
            for folder in ("images", "masks"):
                (root / folder / split).mkdir()
                for name in names:
                    (root / f"{folder}/{name}.png").rename(root / f"{folder}/{split}/{name}.png")


class DrawnMasks(Masks):
    is_drawn = True

    def make(self, root: Path) -> None:
        mask_folder(root)
        _remove(root, "*.txt")

    def config(self, root: Path, **values: Any) -> RunConfig:
        return masks_config(root, **{"split_shares": SHARES, **values})


class DrawnVoc(Voc):
    is_drawn = True

    def make(self, root: Path) -> None:
        voc_folder(root)
        _remove(root, "ImageSets/**/*.txt")

    def config(self, root: Path, **values: Any) -> RunConfig:
        return super().config(root, **{"split_shares": SHARES, **values})


class ListedCoco(Coco):
    """One file of annotations for all splits, which lists tell apart."""

    victim_file = "images/0003.png"
    twin_file = "images/0014.png"

    def make(self, root: Path) -> None:
        coco_folder(root)
        documents = [json.loads((root / f"annotations/instances_{split}.json").read_text()) for split in self.samples]
        merged = {field: [entry for document in documents for entry in document[field]] for field in ("images", "annotations")}
        put(root / "all.json", json.dumps({**documents[0], **merged}).encode())
        _remove(root, "annotations/*.json")
        (root / "images").mkdir()
        for split, names in self.samples.items():
            put(root / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())
            for name in names:
                (root / f"{split}/{name}.png").rename(root / f"images/{name}.png")

    def config(self, root: Path, **values: Any) -> RunConfig:
        return super().config(root, **ONE_FILE, **values)


class DrawnCoco(ListedCoco):
    is_drawn = True

    def make(self, root: Path) -> None:
        super().make(root)
        _remove(root, "*.txt")

    def config(self, root: Path, **values: Any) -> RunConfig:
        return super().config(root, **{"split_shares": SHARES, **values})


class DrawnFolders(ListedFolders):
    is_drawn = True

    def make(self, root: Path) -> None:
        super().make(root)
        _remove(root, "*.txt")

    def config(self, root: Path, **values: Any) -> RunConfig:
        return folders_config(root, **{"split_shares": SHARES, **values})


SOURCES: dict[str, SourceCase] = {
    "masks": Masks(),
    "masks in colours": ColouredMasks(),
    "masks in folders": MasksInFolders(),
    "drawn masks": DrawnMasks(),
    "voc": Voc(),
    "drawn voc": DrawnVoc(),
    "coco": Coco(),
    "listed coco": ListedCoco(),
    "drawn coco": DrawnCoco(),
    "folders": Folders(),
    "listed folders": ListedFolders(),
    "drawn folders": DrawnFolders(),
}


@contextmanager
def changed_document(root: Path, split: str = "train", file: str = "") -> Generator[dict[str, Any]]:
    """COCO's annotations of a split, or another file, to be changed in place."""
    path = root / (file or f"annotations/instances_{split}.json")
    document = json.loads(path.read_text())
    yield document
    path.write_text(json.dumps(document))


def change_text(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def _remove(root: Path, pattern: str) -> None:
    for path in root.glob(pattern):
        path.unlink()


def _replace_pair(root: Path, images: str, masks: str, old: str, old_extension: str, new: tuple[bytes, str, str]) -> None:
    data, extension, stem = new
    (root / images / f"{old}{old_extension}").unlink()
    (root / masks / f"{old}.png").unlink()
    put(root / images / f"{stem}{extension}", data)
