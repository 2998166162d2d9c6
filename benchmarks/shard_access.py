"""Reading prepared samples: ours at random, through the index; webdataset's in the order of the tar. Raw bytes, nothing decoded."""

# webdataset is untyped
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import webdataset

from benchmarks._pairs import compare
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.prepare import prepare, source_digest
from trainer.recipe import load_config
from trainer.storage import open_store

SAMPLES = 2000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = load_config("segmentation-digits", [f"source.train_scenes={SAMPLES}", "source.val_scenes=1"])
        dataset = prepare(config, source_digest=source_digest(config), out=folder).dataset
        store = open_store(dataset)
        split = ShardedSplit(store, read_manifest(store).split("train"))
        order = np.random.default_rng(0).permutation(SAMPLES)
        tars = sorted(str(path) for path in Path(dataset).glob("train-*.tar"))

        def at_random() -> int:
            return sum(len(split.read(int(index))) == 2 for index in order)

        def in_order() -> int:
            return sum(1 for _ in webdataset.WebDataset(tars, shardshuffle=False))

        compare("shard_access", at_random, in_order, labels=("index, in random order", "webdataset, in the tar's order"))


if __name__ == "__main__":
    main()
