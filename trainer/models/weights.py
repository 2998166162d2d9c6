"""What a network starts from, where it does not start from nothing: a file of tensors, of this package's making or of timm's.

No pickle is read: a file is safetensors or it is refused.
"""

# safetensors is only partly typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from trainer.canonical import sha256_digest
from trainer.config import ModelConfig, RunConfig
from trainer.errors import ConfigError
from trainer.models.backbones import Colour, normalisation, published_weights
from trainer.reports import InitialWeights, ModelSpec
from trainer.storage import open_store, split_uri

Tensors = Mapping[str, Tensor]


class Offer(NamedTuple):
    """A file's tensors by the names that they would have in our network, and how images were normalised for them."""

    tensors: Tensors
    mean: Colour
    std: Colour


def load_initial_weights(model: nn.Module, spec: ModelSpec) -> ModelSpec:
    """Put what `model.weights` names into a new model, and the normalisation that goes with it.

    A tensor goes in where name and shape agree; so a head for other classes stays new.

    Returns:
        What the model is now: the spec, with the normalisation in use, and with what was loaded and what was not.

    Raises:
        ConfigError: the file is not safetensors, has another kind of norm, or nothing of it fits.
        StoreError: it cannot be read.
    """
    config = RunConfig.of({"model": spec.model}).model
    if config.weights == "none":
        return spec
    uri, data = _read(config)
    offer = _offer(_tensors(data, uri), config.backbone, uri)
    told = _fit(model, offer, uri, sha256_digest(data))
    return spec.model_copy(update={"mean": offer.mean, "std": offer.std, "initial_weights": told})


def _read(config: ModelConfig) -> tuple[str, bytes]:
    """Where the weights lie, and their bytes."""
    if config.weights == "timm":
        return published_weights(config.backbone)
    folder, name = split_uri(config.weights)
    return config.weights, open_store(folder).get(unquote(name) if folder.startswith("file:") else name)


def _tensors(data: bytes, uri: str) -> Tensors:
    try:
        return load(data)
    except SafetensorError as error:
        raise ConfigError(f"model.weights={uri} is not a safetensors file ({error}); write it with safetensors.torch.save_file") from None


def _offer(tensors: Tensors, backbone: str, uri: str) -> Offer:
    """A file of ours holds a whole network and its normalisation; any other is taken for the backbone, named as timm names it."""
    if not any(name.startswith("network.") for name in tensors):
        return Offer({f"network.backbone.{name}": tensor for name, tensor in tensors.items()}, *normalisation(backbone))
    for name in ("mean", "std"):
        if name not in tensors or tensors[name].numel() != 3:
            raise ConfigError(
                f"model.weights={uri} does not hold the {name} that images were normalised with; take the file of a whole model"
            )
    network = {name: tensor for name, tensor in tensors.items() if name not in {"mean", "std"}}
    return Offer(network, _colour(tensors["mean"]), _colour(tensors["std"]))


def _colour(values: Tensor) -> Colour:
    red, green, blue = (float(value) for value in values.flatten())
    return red, green, blue


def _fit(model: nn.Module, offer: Offer, uri: str, digest: str) -> InitialWeights:
    """Load what fits, and tell the rest."""
    wanted = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("network.")}
    own_names = {_comparable(name): name for name in wanted}
    offered = {own_names.get(_comparable(name), name): tensor for name, tensor in offer.tensors.items()}
    _require_same_norm(offered, wanted, uri)
    fitting = {name: tensor for name, tensor in offered.items() if name in wanted and tensor.shape == wanted[name].shape}
    if not fitting:
        raise ConfigError(
            f"nothing in model.weights={uri} fits this model: it holds {_first(offered)}, the model has {_first(wanted)}; "
            "take weights of the same model.backbone"
        )
    colours = {"mean": torch.tensor(offer.mean).view(3, 1, 1), "std": torch.tensor(offer.std).view(3, 1, 1)}
    model.load_state_dict({**fitting, **colours}, strict=False)
    return InitialWeights(
        uri=uri,
        digest=digest,
        loaded=len(fitting),
        left_out=tuple(_described(name, tensor, wanted) for name, tensor in sorted(offered.items()) if name not in fitting),
        missing=tuple(name for name in wanted if name not in fitting),
    )


def _comparable(name: str) -> str:
    """As names are compared: timm's features_only writes `stages.0` as `stages_0`, or puts all of it below `model`."""
    return name.replace("backbone.model.", "backbone.").replace(".", "_")


def _require_same_norm(offered: Tensors, wanted: Tensors, uri: str) -> None:
    """The weights of a batch norm are wrong without its running statistics."""
    for name in offered:
        statistics = f"{name.removesuffix('weight')}running_mean"
        if name in wanted and (statistics in offered) != (statistics in wanted):
            theirs, ours = ("batch", "group") if statistics in offered else ("group", "batch")
            raise ConfigError(
                f"model.weights={uri} has a {theirs} norm where this model has a {ours} norm ({name}), so its weights would be wrong; "
                f"set model.norm={theirs}"
            )


def _described(name: str, tensor: Tensor, wanted: Tensors) -> str:
    """With both shapes, where they are the reason."""
    return f"{name} {list(tensor.shape)} for {list(wanted[name].shape)}" if name in wanted else name


def _first(tensors: Tensors) -> str:
    return f"{', '.join(list(tensors)[:3])} ({len(tensors)} tensors)"
