import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.config import DigitsSource
from trainer.data.sources import digits
from trainer.data.sources.digits import DigitScenes, Scene, load_material

LUMINANCE = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def source() -> DigitScenes:
    return DigitScenes(DigitsSource())


def test_a_scene_is_the_same_in_every_process(source: DigitScenes) -> None:
    program = (
        "import sys, hashlib; from trainer.config import DigitsSource; from trainer.data.sources.digits import *;"
        "sys.stdout.write(hashlib.sha256(DigitScenes(DigitsSource()).read(Scene('val', 7)).image).hexdigest())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=Path.cwd())
    assert elsewhere.stdout == hashlib.sha256(source.read(Scene("val", 7)).image).hexdigest()


def test_a_scene_does_not_depend_on_those_read_before_it(source: DigitScenes) -> None:
    fresh = DigitScenes(DigitsSource())
    fresh.read(Scene("train", 3))
    assert fresh.read(Scene("train", 11)).image == source.read(Scene("train", 11)).image


def test_scenes_differ_by_number_split_and_seed(source: DigitScenes) -> None:
    other_seed = DigitScenes(DigitsSource(seed=1))
    scenes = [source.read(Scene(*place)) for place in (("train", 0), ("train", 1), ("val", 0))]
    scenes.append(other_seed.read(Scene("train", 0)))
    assert len({scene.image for scene in scenes}) == 4


def test_the_file_in_the_shard_is_the_composed_scene(source: DigitScenes, tmp_path: Path) -> None:
    scene = source.read(Scene("train", 5))
    (tmp_path / "scene.png").write_bytes(scene.image)
    with Image.open(tmp_path / "scene.png") as image:
        assert (image.format, image.mode, scene.extension) == ("PNG", "RGB", "png")
        assert np.array_equal(np.asarray(image), scene.pixels)


def test_items_are_as_many_as_the_section_says() -> None:
    source = DigitScenes(DigitsSource(train_scenes=7, val_scenes=3))
    assert [(split, source.count(split), len(list(source.items(split)))) for split in source.splits] == [("train", 7, 7), ("val", 3, 3)]


def test_no_digit_is_in_both_splits() -> None:
    train, val = load_material("train"), load_material("val")
    seen = {glyph.tobytes() for glyph in train.glyphs}
    assert len(train.glyphs) + len(val.glyphs) == 1797
    assert len(val.glyphs) >= 300
    assert not [glyph for glyph in val.glyphs if glyph.tobytes() in seen]


def test_both_splits_hold_every_digit_about_as_often() -> None:
    for split in ("train", "val"):
        counts = np.bincount(load_material(split).digits, minlength=10)
        assert counts.min() >= 0.7 * counts.max(), (split, counts)


def test_the_photographs_regions_do_not_overlap() -> None:
    train, val = (set(range(640)[digits.REGIONS[split]]) for split in ("train", "val"))
    assert not train & val
    for split, columns in (("train", train), ("val", val)):
        assert [photograph.size for photograph in load_material(split).photographs] == [(len(columns), 427)] * 2


def test_mask_values_are_digit_plus_one_and_every_class_appears(source: DigitScenes) -> None:
    found = set[int]()
    for number in range(60):
        found |= set(np.unique(source.read(Scene("val", number)).target).tolist())
    assert found == set(range(11))
    assert source.classes == ("background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def test_ink_contrasts_with_what_surrounds_it() -> None:
    """One digit a scene, measured from the finished picture: ink against a ring of two pixels around it."""
    source = DigitScenes(DigitsSource(digits_per_scene=(1, 1)))
    differences = [contrast(source.read(Scene(split, number)).pixels, source.read(Scene(split, number)).target > 0)
                   for split in source.splits for number in range(150)]  # fmt: skip
    assert np.mean(np.array(differences) >= 50) >= 0.95


def contrast(pixels: np.ndarray, ink: np.ndarray) -> float:
    luminance = pixels @ LUMINANCE
    ring = grown(grown(grown(ink))) & ~grown(ink)  # the pixels that touch the ink are blended
    return abs(float(luminance[ink].mean() - luminance[ring].mean()))


def grown(shape: np.ndarray) -> np.ndarray:
    padded = np.pad(shape, 1)
    return padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def test_digits_do_not_cover_one_another(source: DigitScenes) -> None:
    """Covered digits would leave scraps: every digit that is seen has the pixels of a whole one."""
    smallest = DigitScenes(DigitsSource(digits_per_scene=(1, 1), digit_size=(14, 14)))
    least = min(int((smallest.read(Scene("train", number)).target > 0).sum()) for number in range(200))
    for number in range(40):
        mask = source.read(Scene("train", number)).target
        assert min(np.count_nonzero(mask == value) for value in np.unique(mask)[1:]) >= 0.8 * least


@pytest.mark.parametrize(
    "section",
    [
        DigitsSource(size=400, digit_size=(300, 400)),
        DigitsSource(size=16, digit_size=(1, 16), digits_per_scene=(1, 1)),
        DigitsSource(size=64, digit_size=(64, 64), digits_per_scene=(9, 9)),
        DigitsSource(size=16, digit_size=(1, 1), digits_per_scene=(3, 3)),
    ],
)
def test_scenes_of_any_size_can_be_composed(section: DigitsSource) -> None:
    source = DigitScenes(section)
    for split in source.splits:
        scene = source.read(Scene(split, 0))
        assert scene.pixels.shape == (section.size, section.size, 3)
        assert scene.target.shape == (section.size, section.size)
        assert scene.pixels.dtype == scene.target.dtype == np.uint8


def test_the_digest_does_not_depend_on_settings_that_stand_in_the_config() -> None:
    assert DigitScenes(DigitsSource(seed=1)).digest() == DigitScenes(DigitsSource(size=128)).digest()
    assert DigitScenes(DigitsSource()).digest().startswith("sha256:")


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from trainer.config import DigitsSource; from trainer.data.sources import open_source\n"
        "open_source(DigitsSource())\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = result.stderr.splitlines()[-1]
    assert "MissingExtraError: the digits source needs the package scikit-learn" in last
    assert last.endswith("pip install 'sightline[digits]'")
