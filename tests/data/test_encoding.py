"""What becomes of a source's errors in the processes that encode."""

from pathlib import Path

import pytest

from tests.mask_data import mask_folder, masks_config, put
from trainer.config import CocoSource
from trainer.data.encoding import Encoded, encoder
from trainer.data.sources import open_source
from trainer.errors import ConfigError
from trainer.reports import Skipped


@pytest.mark.parametrize("processes", [1, 2])
def test_the_error_of_a_source_that_does_not_open_is_its_own(processes: int) -> None:
    with pytest.raises(ConfigError, match="source coco needs data: pass --data URI"), encoder(CocoSource(), processes) as encode:
        list(encode(["an item", "another"]))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_cannot_be_used_is_told_in_its_place(processes: int, tmp_path: Path) -> None:
    section = masks_config(mask_folder(tmp_path)).source
    put(tmp_path / "images/t3.png", b"no picture")
    items = open_source(section).items("train")
    with encoder(section, processes) as encode:
        results = list(encode(items))
    assert [type(result) for result in results] == [Skipped if number == 3 else Encoded for number in range(8)]
    assert [result.file for result in results] == [f"images/t{number}.png" for number in range(8)]
