"""`sightline gc`: what lies in OUT that no run and no alias refers to; `references` says who refers to what.

Registered versions are never touched, and what no stage has written is only named. Work that `sightline run` did not start, by hand
or on a cluster, leaves no word of itself in OUT. So that none is destroyed unawares,

- a training that nobody refers to is deleted only with `--trainings`. Until then it keeps the prepared set that it names; one that
  is unfinished does not name it yet, and keeps them all. Prepared sets and evaluations can be made again from what is kept;
- what is unfinished is looked at twice, `--watch` seconds apart at the least, and kept if it has changed. A bucket does not show an
  upload before its end, so there the time must be longer than that of one object;
- runs and aliases are asked again before each folder, since deleting may take long. Once a run is on its way, nothing more is deleted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.cli.outputs import KINDS, Folder, delete, look, survey
from pipelines.cli.references import References, ReferenceWatch, named_sets
from pipelines.cli.render import byte_size
from pipelines.cli.workspace import Workspace
from trainer.errors import ConfigError
from trainer.storage import Store, join, open_store

_UNKNOWN_RUN = "no run is known that made it; --trainings lets it go"


@dataclass(frozen=True)
class Findings:
    """What lies in OUT, the folders sorted by key.

    Args:
        spared: why some of the unreferenced folders are not deleted, by their keys.
        kept: how many folders somebody refers to.
        unknown: names of what no stage has written.
    """

    unreferenced: Sequence[Folder]
    spared: Mapping[str, str]
    kept: int
    unknown: Sequence[str]
    references: References

    @property
    def garbage(self) -> list[Folder]:
        """What is to be deleted, or was."""
        return [folder for folder in self.unreferenced if folder.key not in self.spared]

    @property
    def bytes(self) -> int:
        return sum(folder.bytes for folder in self.garbage)


def gc(args: argparse.Namespace) -> int:
    """Tell it, and delete it where that is asked for; returns the exit code.

    Raises:
        ConfigError: there is nothing of ours at OUT; or something is to be deleted while a run is on its way, which may come to need it.
    """
    store = open_store(args.out)
    begin = time.monotonic()
    watch = ReferenceWatch(store, Workspace())
    findings = look_through(store, watch, trainings=args.trainings)
    if args.delete:
        _require_quiet(args.out, findings.references.running)
        findings = delete_garbage(store, watch, findings, watched_since=begin, watch_seconds=args.watch)
    print(_as_json(findings, args) if args.json else "\n".join(_as_lines(findings, args)))
    return 0


def look_through(store: Store, watch: ReferenceWatch, *, trainings: bool) -> Findings:
    """Which folders there are, and which of them nobody refers to; `trainings` may go too."""
    folders, unknown = survey(store)
    references = watch.references(list(folders))
    unreferenced = [folder for key, folder in sorted(folders.items()) if key not in references.folders]
    spared = {} if trainings else _spared(store, unreferenced)
    return Findings(unreferenced, spared, len(folders) - len(unreferenced), unknown, references)


def delete_garbage(store: Store, watch: ReferenceWatch, findings: Findings, *, watched_since: float, watch_seconds: float) -> Findings:
    """Delete what is still garbage when its turn comes; what is not is spared, and why is told."""
    if any(_may_be_at_work(folder) for folder in findings.garbage):
        time.sleep(max(0.0, watched_since + watch_seconds - time.monotonic()))
    spared = dict(findings.spared)
    for folder in findings.garbage:
        if reason := _why_not_now(store, watch, folder):
            spared[folder.key] = reason
        else:
            delete(store, folder)
    return Findings(findings.unreferenced, spared, findings.kept, findings.unknown, watch.references([]))


def _spared(store: Store, unreferenced: Sequence[Folder]) -> dict[str, str]:
    """Trainings of which no run is known, and the prepared sets that they may read."""
    trainings = [folder for folder in unreferenced if folder.kind == "training"]
    unfinished = next((folder.key for folder in trainings if not folder.finished), "")
    read = {key: folder.key for folder in trainings for key in named_sets(store, folder.key)}
    sets = [folder.key for folder in unreferenced if folder.kind == "datasets"]
    readers = {key: reader for key in sets if (reader := read.get(key) or unfinished)}
    return {
        **{folder.key: _UNKNOWN_RUN for folder in trainings},
        **{key: f"{reader} may read it; --trainings lets both go" for key, reader in readers.items()},
    }


def _may_be_at_work(folder: Folder) -> bool:
    return folder.kind == "training" or not folder.finished  # a training that is finished may have been begun anew


def _why_not_now(store: Store, watch: ReferenceWatch, folder: Folder) -> str:
    references = watch.references([folder.key])
    if references.running:
        return f"{references.running[0]} is running, and may come to need it"
    if folder.key in references.folders:
        return "it is referred to by now"
    return "" if look(store, folder.key) == folder else "it has changed while it was watched, so somebody is writing it"


def _require_quiet(out: str, running: Sequence[str]) -> None:
    if running:
        record = join(out, "runs", running[0], "run.json")
        raise ConfigError(
            f"nothing was deleted: {running[0]} is running, and may come to need what nobody refers to now. Wait for its end; if it was "
            f"killed, call this in the folder in which it was started, where that is known; if that machine is gone, delete {record}"
        )


def _as_json(findings: Findings, args: argparse.Namespace) -> str:
    folders = [{**folder.told(), "spared": findings.spared.get(folder.key, "")} for folder in findings.unreferenced]
    told = {"out": args.out, "deleted": args.delete, "unreferenced": folders, "bytes": findings.bytes, "kept": findings.kept}
    return json.dumps({**told, "running": list(findings.references.running), "unknown": list(findings.unknown)})


def _as_lines(findings: Findings, args: argparse.Namespace) -> list[str]:
    references = findings.references
    runs, aliases = _count(references.runs, "run"), _count(references.aliases, "alias")
    lines = [_row(folder, findings.spared.get(folder.key, "")) for folder in findings.unreferenced]
    lines += [_total(findings, args), f"kept: {_count(findings.kept, 'folder')}, to which {runs} and {aliases} refer"]
    lines += [f"running: {run}; nothing is deleted before its end" for run in references.running]
    return [*lines, f"not of Sightline, left alone: {', '.join(findings.unknown)}"] if findings.unknown else lines


def _row(folder: Folder, spared: str) -> str:
    kind = KINDS[folder.kind] + ("" if folder.finished else ", unfinished")
    row = f"{folder.key:<28}  {byte_size(folder.bytes):>9}  {_count(len(folder.objects), 'file'):>9}  {kind}"
    return row + (f"; kept: {spared}" if spared else "")


def _total(findings: Findings, args: argparse.Namespace) -> str:
    if not findings.garbage:
        run = join(args.out, "runs/<id>")
        return f"there is nothing to delete; to let a run go, delete its folder {run}, and .sightline/runs/<id> where it was started"
    total = f"{_count(len(findings.garbage), 'folder')}, {byte_size(findings.bytes)}"
    flags = "--delete --trainings" if args.trainings else "--delete"
    return f"deleted: {total}" if args.delete else f"unreferenced: {total}; delete with: sightline gc {args.out} {flags}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")
