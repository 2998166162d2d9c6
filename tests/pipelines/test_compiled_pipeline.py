"""The compiled pipeline is the code, and the components are wiring."""

import ast
import inspect
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import components
from components import dsl, evaluate, prepare, register, train
from pipelines.compile import compile_pipelines
from pipelines.compiled import RECIPES, CompiledPipeline, open_pipeline
from trainer.errors import ConfigError
from trainer.recipe import load_config, recipe_names, stage_config

PIPELINE = CompiledPipeline("segmentation")


def document(path: Path) -> Any:
    loaded = YAML(typ="safe", pure=True).load(path.read_text())
    del loaded["sdkVersion"]
    return loaded


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("compiled")
    compile_pipelines(folder)
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_the_committed_yaml_is_what_the_code_compiles_to(compiled: Path, name: str) -> None:
    assert document(compiled / f"{name}.yaml") == document(CompiledPipeline(name).path)


def test_the_pipelines_of_all_tasks_are_one_graph() -> None:
    graphs = [document(CompiledPipeline(name).path)["root"]["dag"] for name in RECIPES]

    assert all(graph == graphs[0] for graph in graphs)


def test_stages_run_in_the_order_of_their_inputs() -> None:
    assert PIPELINE.stages == ("prepare", "train", "evaluate", "register")


def test_only_register_is_never_cached() -> None:
    assert [stage for stage in PIPELINE.stages if not PIPELINE.is_cached(stage)] == ["register"]


@pytest.mark.parametrize("module", [prepare, train, evaluate, register])
def test_a_component_holds_no_logic(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    statements = [node for node in function.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]

    assert len(statements) <= 3
    assert not [
        node for node in ast.walk(function) if isinstance(node, ast.If | ast.For | ast.While | ast.Try | ast.FunctionDef | ast.Lambda)
    ][1:]


def test_nothing_is_installed_when_a_stage_runs() -> None:
    assert "pip" not in PIPELINE.path.read_text().replace("pipeline", "").replace("pipefail", "")


def test_every_stage_has_our_image_in_the_version_of_the_package() -> None:
    project = tomllib.loads((Path(components.__file__).parent.parent / "pyproject.toml").read_text())["project"]
    executors = document(PIPELINE.path)["deploymentSpec"]["executors"].values()

    assert project["version"] == dsl.VERSION
    assert {executor["container"]["image"] for executor in executors} == {f"sightline-python-stage:{project['version']}"}


def test_parameters_default_to_the_recipe_and_to_the_cluster() -> None:
    inputs = document(PIPELINE.path)["root"]["inputDefinitions"]["parameters"]
    recipe = load_config(RECIPES["segmentation"])

    for stage in PIPELINE.stages:
        assert inputs[f"{stage}_config"]["defaultValue"] == stage_config(recipe, stage)
        assert inputs[f"{stage}_attempt"]["defaultValue"] == ""
    assert inputs["launcher"]["defaultValue"] == "pytorchjob"


def test_stages_hand_on_strings_only() -> None:
    for component in document(PIPELINE.path)["components"].values():
        assert "artifacts" not in component["inputDefinitions"]
        outputs = component["outputDefinitions"]["parameters"].values()
        assert {output["parameterType"] for output in outputs} == {"STRING"}


@pytest.mark.parametrize("module", [prepare, train, evaluate, register])
def test_the_components_are_named_like_their_stages(module: Any) -> None:
    stage = inspect.getmodulename(module.__file__)
    assert getattr(module, str(stage)).name == stage


def test_the_parameters_of_a_stage_come_from_the_arguments_and_the_stages_before() -> None:
    arguments = {"train_config": "{}", "out": "o", "launcher": "local", "train_attempt": "a", "code_version": "v"}

    parameters = PIPELINE.parameters("train", arguments, {"prepare": {"dataset": "d", "data_digest": "dd"}})

    assert parameters == {
        "config": "{}", "dataset": "d", "data_digest": "dd", "out": "o", "launcher": "local", "attempt": "a", "code_version": "v",
    }  # fmt: skip


def test_the_parameters_of_a_stage_are_not_known_before_the_outputs_that_it_takes_are() -> None:
    assert (
        PIPELINE.parameters("train", {"train_config": "{}", "out": "o", "launcher": "l", "train_attempt": "", "code_version": ""}, {})
        is None
    )


def test_every_pipeline_has_its_recipe_and_its_file() -> None:
    for name, recipe in RECIPES.items():
        assert open_pipeline(name).path.exists()
        assert recipe in recipe_names()


def test_a_pipeline_that_is_not_there_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="there are: segmentation"):
        open_pipeline("segmentaton")
