"""Which model a person means: a version of the registry by name, or a folder that holds one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from components.registry import StoreRegistry
from trainer.canonical import short
from trainer.errors import ConfigError
from trainer.reports import ModelVersion
from trainer.storage import Store, join, open_store

_OF_REGISTRY = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:@(?P<label>[A-Za-z0-9][A-Za-z0-9._-]*)|:(?P<number>\d+))")
_DIGEST = re.compile(r"[0-9a-f]+")
_LEAST_DIGITS = 4  # of a version's digest: fewer would soon be ambiguous


def find_model(model: str, out: str) -> str:
    """The URI of a model's folder.

    Args:
        model: `NAME@ALIAS`, `NAME:NUMBER`, `NAME@DIGEST` (its first digits do), or the URI of a folder.
        out: where the registry lies: what the runs were given as --out.

    Raises:
        ConfigError: there is no such model, alias or version; the message lists those that there are.
    """
    meant = _OF_REGISTRY.fullmatch(model)
    if not meant:
        return _folder(model, out)
    store = open_store(out)
    _require_model(meant["name"], store)
    registry = StoreRegistry(store, meant["name"])
    if meant["number"]:
        return registry.uri(_by_number(registry, int(meant["number"])))
    return registry.uri(_by_label(registry, store, meant["label"]))


def _folder(uri: str, out: str) -> str:
    """A folder, unless a model of the registry has that name, or it is the folder of a model's versions on this disk."""
    if versions := sorted(path.name for path in Path(uri, "versions").glob("*/")):
        there_are = _there_are([join(uri, "versions", version) for version in versions])
        raise ConfigError(f"{uri} is the folder of a model, not of one of its versions{there_are}")
    if uri in _models(open_store(out)):
        raise ConfigError(f"{uri} is a model of {out}, but which version? Write {uri}@ALIAS or {uri}:NUMBER, e.g. {uri}@champion")
    return uri


def _models(store: Store) -> list[str]:
    return sorted({entry.key.split("/")[1] for entry in store.keys("models/")})


def _require_model(name: str, store: Store) -> None:
    models = _models(store)
    if name not in models:
        raise ConfigError(f"there is no model {name} in {store.uri}{_there_are(models)}; --registry names the --out of other runs")


def _by_number(registry: StoreRegistry, number: int) -> ModelVersion:
    versions = registry.versions()
    found = [version for version in versions if version.number == number]
    if not found:
        raise ConfigError(f"{registry.name} has no version {number}{_there_are([_told(version) for version in versions])}")
    return found[0]


def _by_label(registry: StoreRegistry, store: Store, label: str) -> ModelVersion:
    """The holder of an alias, or else the version of a digest."""
    versions = registry.versions()
    if holder := registry.champion(label):
        wanted = holder.version
    else:
        named = [version.version for version in versions if len(label) >= _LEAST_DIGITS and _hex(version).startswith(label)]
        wanted = named[0] if len(named) == 1 else ""
    found = [version for version in versions if version.version == wanted]
    if not found:
        aliases = _aliases(registry, store)
        if versions and not aliases and not _DIGEST.fullmatch(label):
            raise ConfigError(_none_passed(registry.name, label, versions))
        there_are = _there_are([*aliases, *(short(version.version) for version in versions)])
        raise ConfigError(f"{registry.name} has neither an alias nor a single version {label}{there_are}")
    return found[0]


def _none_passed(name: str, alias: str, versions: Sequence[ModelVersion]) -> str:
    told = ", ".join(_told(version) for version in versions)
    newest = max(version.number for version in versions)
    there_are = f"there is version {told}" if len(versions) == 1 else f"there are versions {told}"
    return f"{name} has no alias {alias}: no version passed the gate yet; {there_are}: use {name}:{newest}"


def _aliases(registry: StoreRegistry, store: Store) -> list[str]:
    return sorted({entry.key.split("/")[3] for entry in store.keys(f"models/{registry.name}/aliases/")})


def _told(version: ModelVersion) -> str:
    return f"{version.number} ({short(version.version)})"


def _hex(version: ModelVersion) -> str:
    return version.version.rpartition(":")[2]


def _there_are(names: list[str]) -> str:
    return f"; there are: {', '.join(names)}" if names else "; there is none"
