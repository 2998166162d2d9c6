"""What becomes of bad input: one table of inputs by sources, each cell under both policies, through the real `prepare` on real files.

A cell says how good data is spoilt and what must come of it. Under `raise`, what is of no use stops the stage and nothing is committed;
under `skip`, it is listed with its file and a reason. Whatever is used, every sample of the shards decodes, and no other is in them.
"""

from __future__ import annotations

from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bad_cells import TABLE
from tests.bad_matrix import GAPS, ROWS
from tests.bad_outcomes import Cell, Outcome, Policy
from tests.bad_sources import SOURCES, Samples
from tests.mask_data import Array
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.prepare import prepare
from trainer.reports import DatasetManifest, DatasetReport
from trainer.storage import open_store

IN_PROCESSES = [("truncated", "masks"), ("missing mask", "voc"), ("duplicate ids", "coco")]


@pytest.mark.parametrize("policy", ["raise", "skip"])
@pytest.mark.parametrize("cell", TABLE, ids=[f"{cell.row}-{cell.source}" for cell in TABLE])
def test_bad_input(cell: Cell, policy: Policy, tmp_path: Path) -> None:
    comes_of_it(cell, policy, tmp_path, processes=1)


@pytest.mark.parametrize("cell", [cell for cell in TABLE if cell[:2] in IN_PROCESSES], ids=lambda cell: f"{cell.row}-{cell.source}")
def test_bad_input_among_several_processes(cell: Cell, tmp_path: Path) -> None:
    comes_of_it(cell, "skip", tmp_path, processes=2)


def comes_of_it(cell: Cell, policy: Policy, folder: Path, processes: int) -> None:
    source, data, out = SOURCES[cell.source], folder / "data", folder / "out"
    source.make(data)
    cell.spoil(data)
    config = source.config(data, **{"policy": policy, "max_skipped": 0.5, "samples_per_shard": 8, **cell.settings})

    if error := cell.outcome.error(policy):
        with pytest.raises(error[0]) as caught:
            prepare(config, source_digest="", out=str(out), processes=processes)
        assert error[1] in str(caught.value)
        assert not list(out.rglob("manifest.json"))
    else:
        report = prepare(config, source_digest="", out=str(out), processes=processes)
        check(report, cell.outcome, cell.outcome.samples(source.samples), source.is_drawn)


def check(report: DatasetReport, outcome: Outcome, samples: Samples, is_drawn: bool) -> None:
    """What is told, and what lies in the shards."""
    manifest = read_manifest(open_store(report.dataset))
    assert manifest.skipped == report.skipped
    assert manifest.notices == report.notices == outcome.notices
    assert [(skipped.file, skipped.reason[: len(left.reason)]) for skipped, left in zip(report.skipped, outcome.left, strict=True)] == [
        (left.file, left.reason) for left in outcome.left
    ]
    images, targets = dict[str, Array](), dict[str, Array | int]()
    found = Samples()
    for split in samples:
        some_images, some_targets = decoded(report.dataset, manifest, split)
        assert sorted(some_images) == sorted(some_targets)
        assert report.samples[split] == len(some_images)
        found[split] = sorted(some_images)
        images |= some_images
        targets |= some_targets
    if is_drawn:
        assert sorted(chain(*found.values())) == sorted(chain(*samples.values()))
    else:
        assert found == {split: sorted(names) for split, names in samples.items()}
    outcome.check(images, targets)


def decoded(dataset: str, manifest: DatasetManifest, split: str) -> tuple[dict[str, Array], dict[str, Array | int]]:
    """Every sample of a split, read with Pillow."""
    shards = ShardedSplit(open_store(dataset), manifest.split(split))
    files = [shards.read(place) for place in range(len(shards))]
    images = {name: np.asarray(Image.open(BytesIO(image)).convert("RGB")) for name, (image, _) in zip(shards.names, files, strict=True)}
    targets = {
        name: int(target) if shards.target == "label" else np.asarray(Image.open(BytesIO(target)))
        for name, (_, target) in zip(shards.names, files, strict=True)
    }
    return images, targets


def test_every_source_of_files_is_in_the_table() -> None:
    from trainer.data.sources import SOURCES as ALL

    assert {source.config(Path()).source.format for source in SOURCES.values()} == set(ALL) - {"digits"}


def test_each_cell_is_there_once() -> None:
    assert len({(cell.row, cell.source) for cell in TABLE}) == len(TABLE)


def test_every_cell_is_there_or_told_why_it_is_not() -> None:
    gaps = [(row, source) for gap in GAPS for source in gap.sources for row in gap.rows]
    there = {(cell.row, cell.source) for cell in TABLE}
    assert sorted({gap for gap in gaps if gaps.count(gap) > 1}) == []
    assert sorted(there.intersection(gaps)) == []
    assert sorted(there.union(gaps) ^ {(row, source) for row in ROWS for source in SOURCES}) == []
