"""`sightline gc`: what lies in OUT that no run and no alias refers to; `references` says who refers to what.

Registered versions are never touched, and what no stage has written is only named.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from pipelines.cli.references import References, find_references
from pipelines.cli.render import byte_size
from pipelines.cli.workspace import Workspace
from trainer.errors import ConfigError
from trainer.storage import FolderStore, Store, join, open_store

_KINDS = {"datasets": "prepared set", "training": "training", "evaluations": "evaluation"}
_LAST = {"datasets": "manifest.json", "training": "reports/", "evaluations": "evaluation.json"}  # what is written when all else is there
_FOLDER = re.compile(r"(datasets|training|evaluations)/[0-9a-f]{16}(?=/)")
_KEPT = ("models/", "runs/")


@dataclass(frozen=True)
class Folder:
    """A prepared set, a training or an evaluation; `finished` where its stage came to the end of it."""

    key: str
    bytes: int = 0
    objects: int = 0
    finished: bool = False


@dataclass(frozen=True)
class Findings:
    """What lies in OUT, the folders sorted by key. `unknown` are names of what no stage has written."""

    unreferenced: Sequence[Folder]
    kept: int
    unknown: Sequence[str]
    references: References

    @property
    def bytes(self) -> int:
        return sum(folder.bytes for folder in self.unreferenced)


def gc(args: argparse.Namespace) -> int:
    """Tell it, and delete it where that is asked for; returns the exit code.

    Raises:
        ConfigError: there is nothing at OUT; or something is to be deleted while a run is on its way, which may come to need it.
    """
    store = open_store(args.out)
    findings = look_through(store, Workspace())
    if args.delete:
        _require_quiet(args.out, findings.references.running)
        for folder in findings.unreferenced:
            delete(store, folder.key)
    print(_as_json(findings, args) if args.json else "\n".join(_as_lines(findings, args)))
    return 0


def look_through(store: Store, workspace: Workspace) -> Findings:
    """Which folders there are, and which of them nobody refers to."""
    folders, unknown = survey(store)
    references = find_references(store, workspace, list(folders))
    unreferenced = [folder for key, folder in sorted(folders.items()) if key not in references.folders]
    return Findings(unreferenced, len(folders) - len(unreferenced), unknown, references)


def survey(store: Store) -> tuple[dict[str, Folder], list[str]]:
    """Every folder that a stage has written, by its key, and the names of what none has. Lists the whole store once.

    Raises:
        ConfigError: there is nothing.
    """
    folders = _on_disk(store)
    unknown: set[str] = set()
    empty = not folders
    for entry in store.keys():
        empty = False
        if found := _FOLDER.match(entry.key):
            folder = folders.get(found[0], Folder(found[0]))
            finished = folder.finished or _is_last(entry.key)
            folders[found[0]] = replace(folder, bytes=folder.bytes + entry.size, objects=folder.objects + 1, finished=finished)
        elif not entry.key.startswith(_KEPT):
            unknown.add(_name_of_unknown(entry.key))
    if empty:
        raise ConfigError(f"there is nothing at {store.uri}; give what the runs were given as --out")
    return folders, sorted(unknown)


def delete(store: Store, folder: str) -> None:
    """Delete a folder. The documents by which its content counts go first: cut short, this leaves nothing that seems whole."""
    keys = [entry.key for entry in store.keys(f"{folder}/")]
    for key in sorted(keys, key=lambda key: not (_is_last(key) or key.endswith("/manifest.json"))):  # a checkpoint has a manifest too
        store.delete(key)
    if isinstance(store, FolderStore):
        shutil.rmtree(store.root / folder)  # empty folders, and files that were never finished, which a store does not list


def _is_last(key: str) -> bool:
    kind, _, rest = key.partition("/")
    return rest.partition("/")[2].startswith(_LAST[kind])


def _on_disk(store: Store) -> dict[str, Folder]:
    """The folders of a store that is one, with the bytes of files that were never finished: a store does not list those.

    A bucket has no such files, only uploads that were not completed.
    """
    if not isinstance(store, FolderStore):
        return {}
    paths = {f"{kind}/{path.name}": path for kind in _KINDS for path in (store.root / kind).glob("*/")}
    hidden = {key: path.rglob(".*") for key, path in paths.items() if _FOLDER.match(f"{key}/")}
    return {key: Folder(key, bytes=sum(file.stat().st_size for file in files if file.is_file())) for key, files in hidden.items()}


def _name_of_unknown(key: str) -> str:
    parts = key.split("/")
    depth = 2 if parts[0] in _KINDS else 1
    return "/".join(parts[:depth]) + ("/" if len(parts) > depth else "")


def _require_quiet(out: str, running: Sequence[str]) -> None:
    if running:
        record = join(out, "runs", running[0], "run.json")
        raise ConfigError(
            f"nothing was deleted: {running[0]} is running, and may come to need what nobody refers to now. Wait for its end; "
            f"if it was killed on another machine, delete {record}"
        )


def _as_json(findings: Findings, args: argparse.Namespace) -> str:
    told = {"out": args.out, "deleted": args.delete, "unreferenced": [asdict(folder) for folder in findings.unreferenced]}
    running = list(findings.references.running)
    return json.dumps({**told, "bytes": findings.bytes, "kept": findings.kept, "running": running, "unknown": list(findings.unknown)})


def _as_lines(findings: Findings, args: argparse.Namespace) -> list[str]:
    references = findings.references
    runs, aliases = _count(references.runs, "run"), _count(references.aliases, "alias")
    lines = [_row(folder) for folder in findings.unreferenced]
    lines += [_total(findings, args), f"kept: {_count(findings.kept, 'folder')}, to which {runs} and {aliases} refer"]
    lines += [f"running: {run}; nothing is deleted before its end" for run in references.running]
    return [*lines, f"not of Sightline, left alone: {', '.join(findings.unknown)}"] if findings.unknown else lines


def _row(folder: Folder) -> str:
    kind = _KINDS[folder.key.partition("/")[0]] + ("" if folder.finished else ", unfinished")
    return f"{folder.key:<28}  {byte_size(folder.bytes):>9}  {_count(folder.objects, 'file'):>9}  {kind}"


def _total(findings: Findings, args: argparse.Namespace) -> str:
    if not findings.unreferenced:
        return "there is nothing to delete; to let a run go, delete its folder below runs/"
    total = f"{_count(len(findings.unreferenced), 'folder')}, {byte_size(findings.bytes)}"
    return f"deleted: {total}" if args.delete else f"unreferenced: {total}; delete with: sightline gc {args.out} --delete"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")
