"""Tasks, and the table of them."""

from __future__ import annotations

from trainer.config import DataConfig, TaskConfig
from trainer.tasks.base import Task
from trainer.tasks.segmentation import Segmentation

TASKS = {"segmentation": Segmentation.build}


def build_task(task: TaskConfig, data: DataConfig, classes: int) -> Task:
    """The task of a config, for so many classes."""
    return TASKS[task.name](data, classes)
