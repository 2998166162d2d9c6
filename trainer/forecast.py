"""What a run would come to, estimated before anything of it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from trainer.config import RunConfig
from trainer.data.encoding import Encoded, encode
from trainer.data.sources import Source, open_source
from trainer.storage import open_store

_LOOKED_AT = 16  # images of each split
_TAR_BYTES = 2 * (512 + 256)  # of a sample's two members: their headers, and half a block each to fill the last one up
_MOMENTS = {"adamw": 2, "sgd": 1}  # values that the optimiser keeps for each parameter


@dataclass(frozen=True)
class Forecast:
    """Sizes in bytes, where nothing else is said.

    Args:
        images: by split, those that cannot be used included.
        source: all files below the source's URI; 0 where the source is built in.
        prepared: the shards, by the first images of each split.
        parameters: how many the model has.
        checkpoint: one of them; a run keeps `checkpoint.keep_last` and the best.
    """

    images: dict[str, int]
    source: int
    prepared: int
    parameters: int
    checkpoint: int


def forecast(config: RunConfig) -> Forecast:
    """Look at the source and at the model; writes nothing.

    Raises:
        ConfigError: the source or the model cannot be meant.
        DataError: the source cannot be listed.
    """
    source = open_source(config.source)
    images = {split: source.count(split) for split in source.splits}
    parameters = count_parameters(config, len(source.classes))
    bytes_each = 8 if config.training.precision == "float64" else 4
    return Forecast(
        images=images,
        source=sum(entry.size for entry in open_store(config.source.uri).keys()) if config.source.uri else 0,
        prepared=sum(round(_mean_bytes(source, split) * count) for split, count in images.items()),
        parameters=parameters,
        checkpoint=parameters * bytes_each * (1 + _MOMENTS[config.optimiser.name]),
    )


def count_parameters(config: RunConfig, classes: int) -> int:
    """How many parameters the model has."""
    import torch  # takes seconds

    from trainer.models import MODELS

    with torch.device("meta"):  # shapes without values
        network = MODELS[config.model.name](config.model, classes)
    return sum(parameter.numel() for parameter in network.parameters())


def _mean_bytes(source: Source[Any], split: str) -> float:
    """Of a sample in a shard; 0 where none of the first ones can be used."""
    sizes = list(_sizes(source, split))
    return sum(sizes) / len(sizes) if sizes else 0.0


def _sizes(source: Source[Any], split: str) -> Iterator[int]:
    for item in islice(source.items(split), _LOOKED_AT):
        result = encode(source, item)
        if isinstance(result, Encoded):
            yield len(result.sample.image) + len(result.sample.target) + _TAR_BYTES
