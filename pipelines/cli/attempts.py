"""Which stages may be answered from KFP's cache.

KFP's cache looks at a stage's parameters and not at whether its outputs are still there. So each stage has a parameter
`attempt`: the one under which it last ran lets the cache answer, a new one makes it run. A stage gets the old one only where
every stage before it is answered too (its parameters are known then), it ran with the same parameters, and all that it handed
on is still in OUT. To run a stage once too often is cheap: it adopts what it finds.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.records import FRESH, StageRecord, recall
from pipelines.compiled import CompiledPipeline
from trainer.storage import open_store, split_uri


@dataclass(frozen=True)
class Plan:
    """The pipeline's arguments with an attempt for each stage, and the records of the stages that the cache is to answer.

    `because` says why the first stage after those has to run.
    """

    arguments: dict[str, str]
    expected: dict[str, StageRecord]
    because: str


def new_generation() -> str:
    """An attempt of train that starts anew."""
    return FRESH + secrets.token_hex(4)


def plan_attempts(pipeline: CompiledPipeline, arguments: Mapping[str, str], memory: Path, *, rerun_from: str = "", fresh: str = "") -> Plan:
    """Choose the attempts.

    Args:
        pipeline: what is to run.
        arguments: the pipeline's arguments but the attempts.
        memory: the folder of what stages did.
        rerun_from: this stage and those behind it run, whatever is known.
        fresh: the attempt of train, where that is to take a new generation.
    """
    token = secrets.token_hex(4)
    complete = {**arguments, **{f"{stage}_attempt": token for stage in pipeline.stages}}
    expected: dict[str, StageRecord] = {}
    because = ""
    for stage in pipeline.stages:
        if stage == rerun_from or (fresh and stage == "train"):
            because = "it was asked for"
            break
        answer = _answer(pipeline, stage, complete, expected, memory)
        if isinstance(answer, str):
            because = answer
            break
        expected[stage] = answer
        complete[f"{stage}_attempt"] = answer.parameters["attempt"]
    if fresh:
        complete["train_attempt"] = fresh
    return Plan(complete, expected, because)


def _answer(
    pipeline: CompiledPipeline, stage: str, arguments: Mapping[str, str], expected: Mapping[str, StageRecord], memory: Path
) -> StageRecord | str:
    """What the cache is to say of a stage, all before it being answered; or why the stage has to run."""
    if not pipeline.is_cached(stage):
        return "it always does"
    parameters = pipeline.parameters(stage, arguments, {name: record.outputs for name, record in expected.items()})
    if parameters is None or parameters.get("source_digest") == "":
        return "what it is given could not be looked at, so it may have changed"
    record = recall(memory, stage, parameters)
    if record is None:
        return "it has not run from this folder with this config, data and code"
    gone = [uri for uri in record.documents if not _exists(uri)]
    return f"{gone[0]} is gone" if gone else record


def _exists(uri: str) -> bool:
    folder, name = split_uri(uri)
    return open_store(folder).stat(name) is not None
