"""A compiled pipeline, read: its stages in order, and which parameter of a stage comes from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError
from trainer.recipe import nearest, read_yaml

# the recipe of each pipeline, where no data are given
RECIPES = {"segmentation": "segmentation-digits", "classification": "classification-digits"}
_FOLDER = Path(__file__).parent


def open_pipeline(name: str) -> CompiledPipeline:
    """The named pipeline.

    Raises:
        ConfigError: there is none.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no pipeline {name!r}{nearest(name, RECIPES)}; there are: {', '.join(RECIPES)}")
    return CompiledPipeline(name)


@dataclass(frozen=True)
class CompiledPipeline:
    """The YAML document that KFP runs."""

    name: str

    @property
    def path(self) -> Path:
        return _FOLDER / f"{self.name}.yaml"

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """In the order in which they run."""
        return tuple(TopologicalSorter({name: task.get("dependentTasks", []) for name, task in self._tasks.items()}).static_order())

    def is_cached(self, stage: str) -> bool:
        """Whether KFP may answer the stage from its cache."""
        return bool(self._tasks[stage]["cachingOptions"].get("enableCache"))

    def parameters(self, stage: str, arguments: Mapping[str, str], outputs: Mapping[str, Mapping[str, str]]) -> dict[str, str] | None:
        """What a stage is given, from the pipeline's arguments and the outputs of the stages before; None where these are not all known."""
        given: dict[str, str] = {}
        for name, source in self._tasks[stage]["inputs"]["parameters"].items():
            if "componentInputParameter" in source:
                given[name] = arguments[source["componentInputParameter"]]
            elif (produced := source["taskOutputParameter"])["producerTask"] in outputs:
                given[name] = outputs[produced["producerTask"]][produced["outputParameterKey"]]
            else:
                return None
        return given

    @cached_property
    def _tasks(self) -> dict[str, Any]:
        return read_yaml(self.path.read_text(encoding="utf-8"), str(self.path))["root"]["dag"]["tasks"]
