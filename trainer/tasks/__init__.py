"""Tasks, and the table of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainer.config import DataConfig, TaskConfig
from trainer.tasks.base import Task
from trainer.tasks.classification import Classification
from trainer.tasks.segmentation import Segmentation

TASKS: dict[str, Callable[[Any, DataConfig, int], Task]] = {
    "segmentation": Segmentation.build,
    "classification": Classification.build,
}


def build_task(task: TaskConfig, data: DataConfig, classes: int) -> Task:
    """The task of a config, for so many classes.

    Raises:
        ConfigError: its settings do not fit the classes.
    """
    return TASKS[task.name](task, data, classes)
