from __future__ import annotations

import pytest
import torch

from trainer.config import DataConfig
from trainer.data.order import Place
from trainer.data.transforms import augment
from trainer.labels import IGNORE

PLACE = Place(epoch=0, index=5)


def coded(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image whose red and green are the row and the column, and a mask that is the row plus the column, below 255."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    image = torch.stack([rows, columns, rows * 0]).to(torch.uint8)
    return image, ((rows + columns) % 250).to(torch.uint8)


PLAIN = {"flip": 0.0, "photometric": 0.0, "scale": (1.0, 1.0)}


def test_the_crop_has_its_size_and_the_mask_stays_with_the_image() -> None:
    image, mask = augment(*coded(100, 120), PLACE, seed=0, config=DataConfig(crop=(40, 60), **PLAIN))

    assert image.shape == (3, 40, 60)
    assert torch.equal(mask, (image[0].int() + image[1].int()).to(torch.uint8) % 250)


def test_a_mirrored_crop_mirrors_the_mask_too() -> None:
    image, mask = augment(*coded(64, 64), PLACE, seed=0, config=DataConfig(crop=(64, 64), **{**PLAIN, "flip": 1.0}))

    assert image[1, 0].tolist() == list(reversed(range(64)))
    assert torch.equal(mask, (image[0].int() + image[1].int()).to(torch.uint8) % 250)


def test_what_lies_outside_a_small_image_is_ignored() -> None:
    image, mask = augment(*coded(20, 30), PLACE, seed=0, config=DataConfig(crop=(40, 40), **PLAIN))

    assert image.shape == (3, 40, 40)
    assert int((mask == IGNORE).sum()) == 40 * 40 - 20 * 30
    assert torch.equal(mask[10:30, 5:35], (image[0].int() + image[1].int()).to(torch.uint8)[10:30, 5:35] % 250)


def test_the_same_place_is_augmented_the_same_and_another_is_not() -> None:
    config = DataConfig(crop=(32, 32))
    first, _ = augment(*coded(64, 64), PLACE, seed=0, config=config)

    assert torch.equal(first, augment(*coded(64, 64), PLACE, seed=0, config=config)[0])
    for other in (Place(0, 6), Place(1, 5)):
        assert not torch.equal(first, augment(*coded(64, 64), other, seed=0, config=config)[0])
    assert not torch.equal(first, augment(*coded(64, 64), PLACE, seed=1, config=config)[0])


def test_no_global_random_state_is_used() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()

    augment(*coded(64, 64), PLACE, seed=0, config=DataConfig(crop=(32, 32)))

    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scale_enlarges_what_is_seen(scale: float) -> None:
    image, _ = augment(*coded(128, 128), PLACE, seed=0, config=DataConfig(crop=(32, 32), **{**PLAIN, "scale": (scale, scale)}))

    seen = int(image[0].max()) - int(image[0].min())
    assert seen == pytest.approx(32 / scale, abs=3)


def test_colours_change_within_the_strength_and_stay_uint8() -> None:
    grey = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    means = [augment(grey, mask, Place(0, index), 0, DataConfig(crop=(32, 32), flip=0.0, photometric=0.2))[0] for index in range(30)]

    assert all(image.dtype == torch.uint8 for image in means)
    values = [float(image.float().mean()) for image in means]
    assert max(values) - min(values) > 10
    assert all(100 * 0.8 * 0.8 - 2 <= value <= 100 * 1.2 * 1.2 + 2 for value in values)
