"""`sightline run --dry-run`: what a run would do, with which digests, and how large it would become. Writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from components.records import FRESH
from pipelines.cli.attempts import Plan
from pipelines.cli.ending import nearby
from pipelines.cli.execution import Request
from pipelines.cli.render import byte_size
from trainer.canonical import short
from trainer.config import RunConfig
from trainer.reports import train_report_key
from trainer.storage import join, open_store

if TYPE_CHECKING:
    from trainer.forecast import Forecast

_GENERATION = re.compile(r"generations/(\d+)\.json")
_CHECKPOINT = re.compile(r"checkpoints/(\d+)-(\d+)/manifest\.json")
_LATER = "known once the stage before has run"


@dataclass(frozen=True)
class Digests:
    """What the stages are keyed by; empty where it is not known yet."""

    config: str
    source: str
    dataset: str
    data: str
    train: str


@dataclass(frozen=True)
class Outlook:
    """What would become of a stage: `cached` does not run, `adopts` and `continues` run and find work of before. `where` is a URI."""

    state: Literal["cached", "adopts", "continues", "runs"]
    why: str
    where: str


def dry_run(request: Request, plan: Plan, config: RunConfig) -> int:
    """Tell it; returns the exit code.

    Raises:
        DataError: none of the images that were looked at can be used.
    """
    from trainer.forecast import forecast

    prospect = Prospect(request, plan, config)
    outlooks = {stage: prospect.outlook(stage) for stage in request.pipeline.stages}
    sizes = forecast(config)
    if not sizes.prepared:
        from pipelines.cli.data import require_usable

        require_usable(config.source)
    if request.as_json:
        told = {"pipeline": request.pipeline.name, "recipe": request.recipe, "out": request.out, "digests": asdict(prospect.digests)}
        stages = {stage: asdict(outlook) for stage, outlook in outlooks.items()}
        print(json.dumps({**told, "stages": stages, "sizes": asdict(sizes)}))
    else:
        lines = [*_digest_lines(request, prospect.digests), *_stage_lines(outlooks), *_size_lines(sizes, config), "nothing was written"]
        print("\n".join(lines))
    return 0


@dataclass(frozen=True)
class Prospect:
    """A run as it would be, by what lies in OUT and what is remembered here."""

    request: Request
    plan: Plan
    config: RunConfig

    @cached_property
    def digests(self) -> Digests:
        """As far as they are known: that of the data only where they have been prepared before."""
        source = self.plan.arguments["source_digest"]
        dataset = self.config.dataset_digest(source) if source else ""
        data = self._data_digest(dataset)
        return Digests(self.config.config_digest, source, dataset, data, self.config.train_digest(data) if data else "")

    def outlook(self, stage: str) -> Outlook:
        """What would become of a stage, and why."""
        if stage in self.plan.expected:
            return Outlook("cached", "it has run with the same parameters, and what it made is there", self.plan.expected[stage].report)
        first = self.request.pipeline.stages[len(self.plan.expected)]
        why = self.plan.because if stage == first else f"{first} runs before it"
        where = join(self.request.out, self._folder(stage))
        if stage == "prepare" and self.digests.data:
            return Outlook("adopts", f"{why}; the prepared set is there", where)
        if stage == "train" and self.digests.train:
            return self._training(where, why)
        return Outlook("runs", why, where)

    def _data_digest(self, dataset_digest: str) -> str:
        if "prepare" in self.plan.expected:
            return self.plan.expected["prepare"].outputs["data_digest"]
        if not dataset_digest:
            return ""
        from trainer.prepare import finished

        manifest = finished(open_store(join(self.request.out, f"datasets/{short(dataset_digest)}")))
        return manifest.digest if manifest else ""

    def _folder(self, stage: str) -> str:
        """Where a stage would write, below OUT; the folder above where its own is not known yet."""
        if stage == "register":
            return f"models/{self.config.registration.name}"
        dataset, training = self.digests.dataset, self.digests.train
        kind, digest = {"prepare": ("datasets", dataset), "train": ("training", training), "evaluate": ("evaluations", "")}[stage]
        return f"{kind}/{short(digest)}"

    def _training(self, where: str, why: str) -> Outlook:
        """Whether a training would begin, go on, or be found finished."""
        if self.plan.arguments["train_attempt"].startswith(FRESH):
            return Outlook("runs", f"{why}; it begins anew", where)
        keys = {entry.key for entry in open_store(where).keys()}
        generation = max((int(found[1]) for key in keys if (found := _GENERATION.fullmatch(key))), default=0)
        if train_report_key(generation) in keys:
            return Outlook("adopts", f"{why}; the training is finished", where)
        saved = [int(found[2]) for key in keys if (found := _CHECKPOINT.fullmatch(key)) and int(found[1]) == generation]
        return Outlook("continues", f"{why}; {max(saved)} samples were seen before", where) if saved else Outlook("runs", why, where)


def _digest_lines(request: Request, digests: Digests) -> list[str]:
    """Of the pipeline as a whole."""
    lines = [f"{request.pipeline.name}, recipe {request.recipe}, to {nearby(request.out)}"]
    return lines + [f"{name:<9} {digest or _LATER}" for name, digest in asdict(digests).items()]


def _stage_lines(outlooks: Mapping[str, Outlook]) -> list[str]:
    return [f"{stage:<9} {outlook.state:<9}  {nearby(outlook.where)}  ({outlook.why})" for stage, outlook in outlooks.items()]


def _size_lines(sizes: Forecast, config: RunConfig) -> list[str]:
    images = ", ".join(f"{split} {count}" for split, count in sizes.images.items())
    kept = config.checkpoint.keep_last + 1
    return [
        f"images    {images}" + (f"; all files of the source: {byte_size(sizes.source)}" if sizes.source else ""),
        f"set       about {byte_size(sizes.prepared)}",
        f"model     {sizes.parameters / 1e6:.2f} million parameters; {kept} checkpoints of about {byte_size(sizes.checkpoint)}",
    ]
