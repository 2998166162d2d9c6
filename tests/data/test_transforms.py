from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainer.config import ResizedCropConfig, ScaledCropConfig
from trainer.data.order import Place
from trainer.data.transforms import augment, open_view
from trainer.labels import IGNORE

PLACE = Place(epoch=0, index=5)


def coded(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image whose red and green are the row and the column, and a mask that is the row plus the column, below 255."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([rows, columns, rows * 0]).to(torch.uint8)
    return image, ((rows + columns) % 250).to(torch.uint8)


PLAIN = {"flip": 0.0, "photometric": 0.0, "scale": (1.0, 1.0)}


def test_the_crop_has_its_size_and_the_mask_stays_with_the_image() -> None:
    image, mask = augment(open_view(ScaledCropConfig(crop=(40, 60), **PLAIN)), *coded(100, 120), PLACE, seed=0)

    assert image.shape == (3, 40, 60)
    assert torch.equal(mask, (image[0].int() + image[1].int()).to(torch.uint8) % 250)


def test_a_mirrored_crop_mirrors_the_mask_too() -> None:
    image, mask = augment(open_view(ScaledCropConfig(crop=(64, 64), **{**PLAIN, "flip": 1.0})), *coded(64, 64), PLACE, seed=0)

    assert image[1, 0].tolist() == list(reversed(range(64)))
    assert torch.equal(mask, (image[0].int() + image[1].int()).to(torch.uint8) % 250)


def test_what_lies_outside_a_small_image_is_ignored() -> None:
    image, mask = augment(open_view(ScaledCropConfig(crop=(40, 40), **PLAIN)), *coded(20, 30), PLACE, seed=0)

    assert image.shape == (3, 40, 40)
    assert int((mask == IGNORE).sum()) == 40 * 40 - 20 * 30
    assert torch.equal(mask[10:30, 5:35], (image[0].int() + image[1].int()).to(torch.uint8)[10:30, 5:35] % 250)


def test_the_same_place_is_augmented_the_same_and_another_is_not() -> None:
    config = ScaledCropConfig(crop=(32, 32))
    first, _ = augment(open_view(config), *coded(64, 64), PLACE, seed=0)

    assert torch.equal(first, augment(open_view(config), *coded(64, 64), PLACE, seed=0)[0])
    for other in (Place(0, 6), Place(1, 5)):
        assert not torch.equal(first, augment(open_view(config), *coded(64, 64), other, seed=0)[0])
    assert not torch.equal(first, augment(open_view(config), *coded(64, 64), PLACE, seed=1)[0])


def test_no_global_random_state_is_used() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()

    augment(open_view(ScaledCropConfig(crop=(32, 32))), *coded(64, 64), PLACE, seed=0)

    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scale_enlarges_what_is_seen(scale: float) -> None:
    image, _ = augment(open_view(ScaledCropConfig(crop=(32, 32), **{**PLAIN, "scale": (scale, scale)})), *coded(128, 128), PLACE, seed=0)

    seen = int(image[0].max()) - int(image[0].min())
    assert seen == pytest.approx(32 / scale, abs=3)


def test_colours_change_within_the_strength_and_stay_uint8() -> None:
    grey = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    view = open_view(ScaledCropConfig(crop=(32, 32), flip=0.0, photometric=0.2))
    means = [augment(view, grey, mask, Place(0, index), 0)[0] for index in range(30)]

    assert all(image.dtype == torch.uint8 for image in means)
    values = [float(image.float().mean()) for image in means]
    assert max(values) - min(values) > 10
    assert all(100 * 0.8 * 0.8 - 2 <= value <= 100 * 1.2 * 1.2 + 2 for value in values)


CENTRE = ResizedCropConfig(crop=(20, 20), resize=30, area=(0.25, 0.5), flip=0.0, photometric=0.0)


def test_scores_of_scaled_crops_are_taken_on_whole_images() -> None:
    view = open_view(ScaledCropConfig(crop=(32, 32)))
    image, mask = coded(50, 70)

    assert all(torch.equal(*pair) for pair in zip(view.evaluate(image, mask), (image, mask), strict=True))
    assert view.evaluated_size(50, 70) == (50, 70)


@pytest.mark.parametrize(("height", "width"), [(60, 60), (60, 240), (1, 400), (25, 21)])
def test_scores_of_resized_crops_are_taken_on_the_centre(height: int, width: int) -> None:
    view = open_view(CENTRE)
    image, mask = view.evaluate(torch.full((3, height, width), 7, dtype=torch.uint8), torch.ones(height, width, dtype=torch.uint8))

    assert view.evaluated_size(height, width) == image.shape[1:] == mask.shape == (20, 20)
    assert image.unique().tolist() == [7]


def test_the_centre_is_what_is_left_when_as_much_is_cut_on_either_side() -> None:
    image, _ = open_view(CENTRE).evaluate(*coded(60, 60))

    rows = image[0, :, 0].float()
    assert (float(rows[0]), float(rows[-1])) == (pytest.approx(10.5, abs=1), pytest.approx(48.5, abs=1))


LONG = """
import resource, torch
from trainer.config import ResizedCropConfig
from trainer.data.transforms import open_view
view = open_view(ResizedCropConfig(crop=(224, 224), resize=256))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for shape in ((1, 4000), (4000, 1)):
    image, _ = view.evaluate(torch.full((3, *shape), 7, dtype=torch.uint8), torch.tensor(0))
    assert image.shape == (3, 224, 224) and image.unique().tolist() == [7]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_the_centre_of_a_long_picture_takes_no_more_memory_than_it_shows() -> None:
    ended = subprocess.run([sys.executable, "-c", LONG], capture_output=True, check=True, text=True, cwd=Path.cwd())

    assert int(ended.stdout) < 100_000  # KiB; resized as a whole they would take 1.8 GB


def test_a_resized_crop_takes_a_part_of_the_area_asked_for() -> None:
    view = open_view(CENTRE)
    seen = [augment(view, *coded(100, 100), Place(0, index), seed=0)[0] for index in range(50)]

    shares = [(int(image[0].max()) - int(image[0].min()) + 5) * (int(image[1].max()) - int(image[1].min()) + 5) / 1e4 for image in seen]
    assert all(image.shape == (3, 20, 20) for image in seen)
    assert 0.2 < min(shares) < 0.35 < max(shares) < 0.6


def test_a_mask_goes_with_its_resized_crop() -> None:
    image, mask = augment(open_view(CENTRE), *coded(100, 100), PLACE, seed=0)

    assert (mask.float() - image[:2].float().sum(dim=0)).abs().max() < 8  # the mask takes the nearest pixel, the image the mean of some


@pytest.mark.parametrize("config", [CENTRE, ScaledCropConfig(crop=(20, 20))])
def test_a_label_stays_as_it_is(config: ResizedCropConfig | ScaledCropConfig) -> None:
    view, label = open_view(config), torch.tensor(7)

    assert int(augment(view, coded(64, 64)[0], label, PLACE, seed=0)[1]) == 7
    assert int(view.evaluate(coded(64, 64)[0], label)[1]) == 7


def test_a_part_that_is_wider_than_the_image_is_cut_to_it() -> None:
    view = open_view(ResizedCropConfig(crop=(8, 8), resize=8, area=(1.0, 1.0), aspect=(0.1, 10.0)))

    for index in range(20):
        assert augment(view, *coded(9, 200), Place(0, index), seed=0)[0].shape == (3, 8, 8)
