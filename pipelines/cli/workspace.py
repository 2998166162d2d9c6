"""`./.sightline`: the runs of this folder, what stages did in them, and kfp's own files.

runs/<id>/    run.json, stages/<stage>.json, events.jsonl, kfp.log, arguments.json
stages/       what each stage did with which parameters, in any run
kfp/  cache/  kfp's working folder and its cache
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from components.records import StageRecord, read_record
from pipelines.cli.runs import RunRecord
from trainer.errors import ConfigError
from trainer.storage import FolderStore


class Workspace:
    """The folder of this working directory, made when something is written."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or Path(".sightline")).absolute()
        self.stages = self.folder / "stages"
        self.kfp_root = self.folder / "kfp"
        self.kfp_cache = self.folder / "cache" / "kfp"

    def run_folder(self, run: str) -> Path:
        return self.folder / "runs" / run

    def save(self, record: RunRecord) -> None:
        FolderStore(str(self.run_folder(record.run))).put("run.json", record.to_bytes())

    def load(self, run: str) -> RunRecord:
        """A run by its id; `last` is the newest.

        Raises:
            ConfigError: there is none.
        """
        known = self.runs()
        chosen = known[:1] if run == "last" else [name for name in known if name == run]
        if not chosen:
            newest = f"; the newest is {known[0]}" if known else f": {self.folder} holds none"
            raise ConfigError(f"there is no run {run}{newest}")
        path = self.run_folder(chosen[0]) / "run.json"
        return RunRecord.from_bytes(path.read_bytes(), str(path)).in_order()

    def runs(self) -> list[str]:
        """The ids of the runs, newest first."""
        return sorted((path.parent.name for path in self.folder.glob("runs/*/run.json")), key=_time_of, reverse=True)

    def stage_records(self, run: str) -> dict[str, StageRecord]:
        """The records that the stages of a run have left so far."""
        records = map(read_record, self.run_folder(run).glob("stages/*.json"))
        return {record.stage: record for record in records if record}


def new_run_id(pipeline: str, now: datetime | None = None) -> str:
    """`<pipeline>-<UTC yyyymmdd-hhmmss>-<4 hex>`."""
    return f"{pipeline}-{now or datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _time_of(run: str) -> tuple[str, ...]:
    return tuple(run.split("-")[-3:])
