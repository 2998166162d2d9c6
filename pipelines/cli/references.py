"""Who refers to what in OUT: the runs that are kept there or were started here, and the aliases of its registry.

A run refers to every folder that its documents name, whichever version wrote them, and to a training that it did not bring to
its end, so that it can go on. An alias refers to what its model was made from and judged by. Other registered versions refer
to nothing: their own files are all that is needed to use them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.registry import StoreRegistry
from pipelines.cli.status import current
from pipelines.cli.workspace import Workspace
from trainer.canonical import digest_of, sha256_digest, short
from trainer.config import TRAIN_SECTIONS
from trainer.errors import DataError, ObjectMissingError
from trainer.reports import ModelVersion
from trainer.storage import FolderStore, Store, open_store

_DOCUMENTS = {"datasets": "manifest.json", "evaluations": "evaluation.json"}  # whose digests stand in versions
_MENTION = re.compile(r"\b(?:datasets|training|evaluations)/[0-9a-f]{16}\b")
_ALIAS = re.compile(r"models/([^/]+)/aliases/([^/]+)/")


@dataclass(frozen=True)
class References:
    """The folders that are referred to, as keys of OUT, and by how many runs and aliases. `running` are runs that have not ended."""

    folders: frozenset[str]
    runs: int
    aliases: int
    running: tuple[str, ...]


class ReferenceWatch:
    """Asks all runs and aliases of a store, as often as wanted. Runs are read again only when some have come, gone or changed.

    Args:
        workspace: knows more about the runs that were started from it: how far they have come, whether they are alive, and those
            whose record OUT does not hold.
    """

    def __init__(self, store: Store, workspace: Workspace) -> None:
        self._store = store
        self._workspace = workspace
        self._listing: object = None
        self._by_runs = References(frozenset(), 0, 0, ())

    def references(self, folders: Sequence[str]) -> References:
        """As they are now.

        Args:
            folders: the keys of those that aliases are asked about.

        Raises:
            DataError: a document cannot be read, so it is not known what it refers to.
        """
        listing = (tuple(self._store.keys("runs/")), _runs_of_here(self._store, self._workspace))
        if listing != self._listing:
            entries, here = listing
            self._by_runs = self._ask({*here, *(entry.key.split("/")[1] for entry in entries if entry.key.count("/") > 1)})
            self._listing = listing
        aliases = sorted({found.groups() for entry in self._store.keys("models/") if (found := _ALIAS.match(entry.key))})
        by_aliases = {folder for model, alias in aliases for folder in _made_from(self._store, model, alias, folders)}
        return replace(self._by_runs, folders=self._by_runs.folders | by_aliases, aliases=len(aliases))

    def _ask(self, runs: set[str]) -> References:
        store, workspace = self._store, self._workspace
        folders = {folder for run in runs for text, where in _documents(store, workspace, run) for folder in _named(text, where)}
        running = tuple(run for run in sorted(runs) if _is_running(store, workspace, run))
        return References(frozenset(folders), len(runs), 0, running)


def named_sets(store: Store, training: str) -> set[str]:
    """The prepared sets that the reports of a training name; none before its first."""
    reports = [entry.key for entry in store.keys(f"{training}/reports/")]
    named = {folder for key in reports for folder in _MENTION.findall(store.get(key).decode(errors="replace"))}
    return {folder for folder in named if folder.startswith("datasets/")}


def _runs_of_here(store: Store, workspace: Workspace) -> tuple[str, ...]:
    """The runs that were started here with this store as OUT, or with one that cannot be read any more."""
    outs = {run: _record(FolderStore(str(workspace.run_folder(run)))).get("out") for run in workspace.runs()}
    return tuple(run for run, out in outs.items() if not out or _is_at(store, out))


def _record(folder: Store) -> dict[str, Any]:
    """A run's record, whichever version wrote it; empty where there is none.

    Raises:
        DataError: it is not JSON.
    """
    try:
        record: Any = json.loads(folder.get("run.json"))
    except ObjectMissingError:
        return {}
    except ValueError:
        raise _not_json(f"{folder.uri}/run.json") from None
    return record


def _is_at(store: Store, out: str) -> bool:
    if not isinstance(store, FolderStore) or out.startswith("s3://"):
        return store.uri == out
    other = open_store(out)
    return isinstance(other, FolderStore) and other.root == store.root  # however the two were written


def _not_json(where: str) -> DataError:
    return DataError(f"{where} is not JSON, so it is not known what the run refers to; delete it if the run is of no use")


def _documents(store: Store, workspace: Workspace, run: str) -> Iterator[tuple[str, str]]:
    """The text of each document of a run, and where it lies: in OUT, and here, where a run that was killed has left more."""
    here = FolderStore(str(workspace.run_folder(run)))
    for place in (store.below(f"runs/{run}"), here):
        for entry in place.keys():
            if entry.key.endswith(".json"):
                yield place.get(entry.key).decode(errors="replace"), f"{place.uri}/{entry.key}"


def _named(text: str, where: str) -> set[str]:
    """The folders that a document names, and the one of a training that it was the beginning of."""
    named = set(_MENTION.findall(text))
    try:
        document: Any = json.loads(text)
    except ValueError:
        raise _not_json(where) from None
    if where.endswith("/stages/train.json"):
        named.add(_training_of(document["parameters"]))
    return named


def _training_of(parameters: dict[str, str]) -> str:
    """Where the training of a stage with these parameters lies. From the config as it was written: this version's may have other keys."""
    sections: dict[str, Any] = json.loads(parameters["config"])
    learnt = {name: sections[name] for name in TRAIN_SECTIONS if name in sections}
    return f"training/{short(digest_of({'data_digest': parameters['data_digest'], **learnt}))}"


def _is_running(store: Store, workspace: Workspace, run: str) -> bool:
    """Whether its record says so, and nothing is known here of its end."""
    record = _record(store.below(f"runs/{run}")) or _record(FolderStore(str(workspace.run_folder(run))))
    if record.get("state") != "running":
        return False
    return run not in workspace.runs() or current(workspace.load(run), workspace).state == "running"


def _made_from(store: Store, model: str, alias: str, folders: Sequence[str]) -> set[str]:
    """The folders from which the holder of an alias was made."""
    registry = StoreRegistry(store, model)
    holder = registry.champion(alias)
    version = registry.version(holder.version) if holder else None
    if version is None:
        raise DataError(f"{store.uri}/models/{model}: the holder of the alias {alias} is missing, so what it was made from is not known")
    return {folder for folder in folders if _has_made(store, folder, version)}


def _has_made(store: Store, folder: str, version: ModelVersion) -> bool:
    kind, _, name = folder.partition("/")
    if kind == "training":
        return name == short(version.train_digest)
    digest = version.data_digest if kind == "datasets" else version.report_digest
    try:
        return sha256_digest(store.get(f"{folder}/{_DOCUMENTS[kind]}")) == digest
    except ObjectMissingError:
        return False
