"""Which stages may be answered from KFP's cache."""

from pathlib import Path

import pytest

from components.records import StageRecord, stage_key
from pipelines.cli.attempts import Plan, new_generation, plan_attempts
from pipelines.compiled import CompiledPipeline

PIPELINE = CompiledPipeline("segmentation")
STAGES = PIPELINE.stages
ARGUMENTS = {
    "source_digest": "sha256:1",
    "out": "out",
    "launcher": "local",
    "code_version": "v",
    **{f"{stage}_config": "{}" for stage in STAGES},
}
OUTPUTS = {
    "prepare": {"dataset": "d", "data_digest": "dd"},
    "train": {"checkpoint": "c", "train_report_digest": "t"},
    "evaluate": {"report": "r", "report_digest": "rd"},
}


class Machine:
    """A folder in which stages ran: OUT and what is remembered of them."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out"
        self.memory = folder / "stages"
        self.out.mkdir()
        self.memory.mkdir()

    def run(self, plan: Plan) -> None:
        """Every stage runs, as kfp would let it."""
        for stage, outputs in OUTPUTS.items():
            parameters = PIPELINE.parameters(stage, plan.arguments, OUTPUTS)
            assert parameters is not None
            document = self.out / stage
            document.write_text("made")
            record = StageRecord(stage=stage, state="ran", parameters=parameters, outputs=outputs, documents=(str(document),))
            (self.memory / f"{stage_key(stage, parameters)}.json").write_bytes(record.to_bytes())

    def plan(self, rerun_from: str = "", fresh: str = "", **changes: str) -> Plan:
        return plan_attempts(PIPELINE, {**ARGUMENTS, **changes}, self.memory, rerun_from=rerun_from, fresh=fresh)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.run(machine.plan())
    return machine


def attempts(plan: Plan) -> dict[str, str]:
    return {stage: plan.arguments[f"{stage}_attempt"] for stage in STAGES}


def test_nothing_is_expected_from_the_cache_where_nothing_ran(tmp_path: Path) -> None:
    plan = Machine(tmp_path).plan()

    assert plan.expected == {}
    assert all(attempts(plan).values())


def test_what_ran_is_expected_from_the_cache_under_its_old_attempt(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    first = machine.plan()
    machine.run(first)

    again = machine.plan()

    assert list(again.expected) == ["prepare", "train", "evaluate"]
    for stage in again.expected:
        assert attempts(again)[stage] == attempts(first)[stage]


@pytest.mark.parametrize(
    ("changes", "cached"),
    [
        ({"register_config": "{1}"}, ["prepare", "train", "evaluate"]),
        ({"evaluate_config": "{1}"}, ["prepare", "train"]),
        ({"train_config": "{1}"}, ["prepare"]),
        ({"prepare_config": "{1}"}, []),
        ({"source_digest": "sha256:2"}, []),
        ({"source_digest": ""}, []),
        ({"code_version": "w"}, []),
        ({"out": "elsewhere"}, []),
    ],
)
def test_a_change_reruns_the_stage_that_reads_it_and_those_behind(changes: dict[str, str], cached: list[str], machine: Machine) -> None:
    plan = machine.plan(**changes)

    assert list(plan.expected) == cached
    for stage in set(STAGES) - set(cached):
        assert attempts(plan)[stage] not in attempts(machine.plan()).values()


@pytest.mark.parametrize(("lost", "cached"), [("prepare", []), ("train", ["prepare"]), ("evaluate", ["prepare", "train"])])
def test_a_stage_whose_outputs_are_gone_runs_again_and_so_do_those_behind(lost: str, cached: list[str], machine: Machine) -> None:
    before = attempts(machine.plan())
    (machine.out / lost).unlink()

    plan = machine.plan()

    assert list(plan.expected) == cached
    assert attempts(plan)[lost] != before[lost]


def test_a_source_that_cannot_be_looked_at_is_prepared_each_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.run(machine.plan(source_digest=""))

    assert machine.plan(source_digest="").expected == {}


@pytest.mark.parametrize(("stage", "cached"), [("prepare", []), ("train", ["prepare"]), ("register", ["prepare", "train", "evaluate"])])
def test_a_rerun_from_a_stage_takes_new_attempts_from_there_on(stage: str, cached: list[str], machine: Machine) -> None:
    before = attempts(machine.plan())

    plan = machine.plan(rerun_from=stage)

    assert list(plan.expected) == cached
    for behind in STAGES[STAGES.index(stage) :]:
        assert attempts(plan)[behind] != before[behind]


def test_a_fresh_training_keeps_the_data_and_its_result_is_what_the_next_run_finds(machine: Machine) -> None:
    generation = new_generation()

    fresh = machine.plan(fresh=generation)
    machine.run(fresh)
    after = machine.plan()

    assert list(fresh.expected) == ["prepare"]
    assert attempts(fresh)["train"] == generation
    assert attempts(after)["train"] == generation
    assert generation.startswith("fresh-")


def test_each_fresh_training_is_another() -> None:
    assert new_generation() != new_generation()


def test_the_plan_says_why_the_first_stage_that_runs_has_to(machine: Machine) -> None:
    assert machine.plan().because == "it always does"  # register
    assert machine.plan(train_config="{1}").because == "it has not run from this folder with this config, data and code"
    assert machine.plan(source_digest="").because == "what it is given could not be looked at, so it may have changed"
    assert machine.plan(rerun_from="evaluate").because == machine.plan(fresh=new_generation()).because == "it was asked for"
    (machine.out / "train").unlink()
    assert machine.plan().because == f"{machine.out}/train is gone"
