"""The classification pipeline. `python -m pipelines.compile` writes it as YAML beside this file."""

from pipelines.compiled import RECIPES
from pipelines.supervised import supervised

classification = supervised(
    "classification", RECIPES["classification"], description="Prepare images, train a classifier, evaluate it, register it."
)
