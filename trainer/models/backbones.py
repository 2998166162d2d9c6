"""What timm knows of its backbones: their names, their published weights, and how images are normalised for these."""

# timm and the hub's client are untyped here
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from pathlib import Path
from typing import cast

import timm
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from timm.models import PretrainedCfg

from trainer.errors import ConfigError, StoreUnavailableError

Colour = tuple[float, float, float]  # R, G, B, each in 0–255

_FILE = "model.safetensors"


def require_known(name: str) -> None:
    """Raise ConfigError for a name that timm does not know."""
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('_')[0]}*")[:5]
        raise ConfigError(f"model.backbone={name!r} is not a timm model; near it: {', '.join(near) or 'none'}")


def normalisation(name: str) -> tuple[Colour, Colour]:
    """Mean and deviation of the images that timm's weights of a backbone were trained on.

    Raises:
        ConfigError: timm does not say.
    """
    config = _published(name)
    return _in_bytes(config.mean), _in_bytes(config.std)


def published_weights(name: str) -> tuple[str, bytes]:
    """A backbone's weights from timm's hub, or from the hub's cache on this machine: their URI, and the file.

    Raises:
        ConfigError: none are published as safetensors, or the hub may not be asked.
        StoreUnavailableError: the hub cannot be reached.
    """
    repository, _, revision = (_published(name).hf_hub_id or "").partition("@")
    if not repository:
        raise ConfigError(f"model.weights=timm: timm publishes no weights for {name}; take another backbone, or model.weights=none")
    try:
        return f"hf://{repository}/{_FILE}", Path(hf_hub_download(repository, _FILE, revision=revision or None)).read_bytes()
    except LocalEntryNotFoundError as error:  # neither here nor there
        failure = ConfigError if constants.is_offline_mode() else StoreUnavailableError
        raise failure(
            f"model.weights=timm: {repository} is not in the hub's cache and cannot be fetched: {_one_line(error.__cause__ or error)}. "
            f"Fetch its {_FILE} where the hub can be reached, and name it in model.weights as file:///… or s3://…"
        ) from error
    except HfHubHTTPError as error:
        raise ConfigError(
            f"model.weights=timm: the hub gives no {repository}/{_FILE}: {_one_line(error)}. Take another backbone"
        ) from error


def _published(name: str) -> PretrainedCfg:
    config = timm.get_pretrained_cfg(name)
    if config is None:
        raise ConfigError(f"timm does not say how images are normalised for {name}'s weights; take another backbone, or model.weights=none")
    return config


def _in_bytes(colour: tuple[float, ...]) -> Colour:
    """From timm's, which are in 0–1."""
    return cast(Colour, tuple(255 * value for value in colour))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
