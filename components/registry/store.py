"""A registry in a Store: versions keyed by content, running numbers, and aliases that move by compare-and-swap.

models/<name>/versions/<16 hex>/{model.safetensors, model.json, version.json}    version.json is the commit
models/<name>/numbers/000001.json                                                which version has the number
models/<name>/aliases/<alias>/000001.json                                        who took the alias; the last one holds it
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple

from components.registry.documents import Log, read_document, settle
from components.registry.files import SPEC, copy_file, version_digest
from components.registry.gate import judge
from trainer.canonical import short
from trainer.config import RegistrationConfig
from trainer.errors import CorruptObjectError
from trainer.reports import VERSION_FILE, EvaluationReport, FileDigest, ModelSpec, ModelVersion, Report
from trainer.storage import Store

_CLASSES_TOLD = 5


class NumberClaim(Report):
    """`numbers/<number>.json`."""

    kind: Literal["number-claim"] = "number-claim"
    version: str


class AliasHolder(Report):
    """`aliases/<alias>/<generation>.json`: the version that took the alias, with the metrics that the gate judged."""

    kind: Literal["alias-holder"] = "alias-holder"
    version: str
    number: int
    metrics: dict[str, float]
    report_digest: str


class Decision(NamedTuple):
    """What became of the alias; the states are those of RegistrationReport."""

    state: Literal["promoted", "refused", "adopted"]
    reason: str


class StoreRegistry:
    """The versions and aliases of one model, in a store that is rooted at OUT."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store.below(f"models/{name}")

    def register(self, source: Store, files: Sequence[FileDigest], evaluation: EvaluationReport, run: str = "") -> ModelVersion:
        """Copy a model's files and commit them as a version; one that is there already is adopted as it stands.

        A crash on the way leaves no version, and another try takes the same folder and the same number.

        Raises:
            CorruptObjectError: the files of `source` are not those described.
        """
        digest = version_digest(files)
        if present := self.version(digest):
            return present
        folder = self._folder(digest)
        for file in files:
            copy_file(source, folder, file)
        version = ModelVersion(
            name=self.name,
            version=digest,
            number=self._number(digest),
            files=tuple(files),
            metrics=evaluation.metrics,
            data_digest=evaluation.data_digest,
            train_digest=evaluation.train_digest,
            config_digest=evaluation.config_digest,
            report_digest=evaluation.digest,
            code_version=evaluation.code_version,
            run=run,
        )
        return settle(folder, VERSION_FILE, version)

    def promote(self, version: ModelVersion, evaluation: EvaluationReport, config: RegistrationConfig) -> Decision:
        """Give the alias to a version if it passes the gate; where another one takes it meanwhile, judge again against that one."""
        log = self._aliases(config.alias)
        candidate = AliasHolder(version=version.version, number=version.number, metrics=evaluation.metrics, report_digest=evaluation.digest)
        while True:
            generation = log.last_number()
            holder = log.read(generation)
            is_holder = holder is not None and holder.version == version.version
            if holder and (difference := self._difference(version, holder)):
                return Decision("refused", f"the present {config.alias} {difference}; give this model a registration.name of its own")
            verdict = judge(evaluation.metrics, holder.metrics if holder and not is_holder else None, config)
            if not verdict.passed:
                return Decision("refused", verdict.reason)
            if is_holder:
                return Decision("adopted", f"it is {config.alias} already")
            if log.settle(generation + 1, candidate) == candidate:
                return Decision("promoted", verdict.reason)

    def champion(self, alias: str) -> AliasHolder | None:
        """The present holder of an alias."""
        log = self._aliases(alias)
        return log.read(log.last_number())

    def version(self, digest: str) -> ModelVersion | None:
        """The version of that digest, if it is committed."""
        folder = self._folder(digest)
        version = read_document(folder, VERSION_FILE, ModelVersion)
        if version and version.version != digest:
            raise CorruptObjectError(f"{folder.uri}/{VERSION_FILE} describes {version.version} instead of {digest}; delete that folder")
        return version

    def versions(self) -> list[ModelVersion]:
        """Every committed version, in order of their numbers."""
        folder = self._store.below("versions")
        keys = [entry.key for entry in folder.keys("") if entry.key.endswith(f"/{VERSION_FILE}")]
        found = [ModelVersion.from_bytes(folder.get(key), f"{folder.uri}/{key}") for key in keys]
        return sorted(found, key=lambda version: version.number)

    def uri(self, version: ModelVersion) -> str:
        """The folder that holds a version's files."""
        return self._folder(version.version).uri

    def _difference(self, version: ModelVersion, holder: AliasHolder) -> str:
        """Why two models' scores do not compare; empty where they do."""
        ours, theirs = (self._spec(digest) for digest in (version.version, holder.version))
        if ours.task.get("name") != theirs.task.get("name"):
            return f"is for {theirs.task.get('name')}, this model for {ours.task.get('name')}"
        if ours.classes != theirs.classes:
            return f"knows the classes {_few(theirs.classes)}, this model {_few(ours.classes)}, so their scores do not compare"
        return ""

    def _spec(self, digest: str) -> ModelSpec:
        folder = self._folder(digest)
        return ModelSpec.from_bytes(folder.get(SPEC), f"{folder.uri}/{SPEC}")

    def _folder(self, digest: str) -> Store:
        return self._store.below(f"versions/{short(digest)}")

    def _aliases(self, alias: str) -> Log[AliasHolder]:
        return Log(self._store.below(f"aliases/{alias}"), AliasHolder)

    def _number(self, digest: str) -> int:
        """The number that the version has claimed before or, if none, the next free one. One read for each number there is."""
        log, claim = Log(self._store.below("numbers"), NumberClaim), NumberClaim(version=digest)
        return next(number for number in itertools.count(1) if (log.read(number) or log.settle(number, claim)) == claim)


def _few(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:_CLASSES_TOLD]) + (f" and {len(classes) - _CLASSES_TOLD} more" if len(classes) > _CLASSES_TOLD else "")
