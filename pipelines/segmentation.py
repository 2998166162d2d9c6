"""The segmentation pipeline. `python -m pipelines.compile` writes it as YAML beside this file."""

from pipelines.compiled import RECIPES
from pipelines.supervised import supervised

segmentation = supervised(
    "segmentation", RECIPES["segmentation"], description="Prepare images, train a segmentation model, evaluate it, register it."
)
