"""One trajectory: the weights after some steps do not depend on how many ranks shared the work (invariant 1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import Launch
from tests.recipes import final_weights, report_of, write_recipe

CASES = {
    "float64 adamw": ("segmentation", {"training": {"precision": "float64"}}, 1e-8),
    "float32 sgd": (
        "segmentation",
        {"training": {"precision": "float32"}, "optimiser": {"name": "sgd"}, "schedule": {"peak_lr": 0.02}},
        1e-4,
    ),
    "weighted classes in channels_last": (
        "segmentation",
        {
            "task": {"class_weights": [0.05, *(number / 7 for number in range(1, 11))], "label_smoothing": 0.1},
            "training": {"precision": "float64", "channels_last": True},
            "schedule": {"name": "polynomial"},
        },
        1e-8,
    ),
    "classification": ("classification", {"training": {"precision": "float64"}}, 1e-8),
}
RANKS = (1, 2, 3)


@pytest.mark.parametrize("case", CASES)
def test_one_two_and_three_ranks_end_with_the_same_weights(case: str, tiny_datasets: Callable[[str], str], tmp_path: Path) -> None:
    task, changes, tolerance = CASES[case]
    recipe = write_recipe(tmp_path, task, **changes)
    for ranks in RANKS:
        code, output = Launch(recipe, tiny_datasets(task), tmp_path / str(ranks), "--nproc-per-node", str(ranks)).finish()
        assert code == 0, output

    alone, two, three = (final_weights(tmp_path / str(ranks)) for ranks in RANKS)

    assert (alone - two).norm() / alone.norm() < tolerance
    assert (alone - three).norm() / alone.norm() < tolerance
    assert [report_of(tmp_path / str(ranks))["world_size"] for ranks in RANKS] == [1, 2, 3]
    scores = [report_of(tmp_path / str(ranks))["scores"]["mean_accuracy"] for ranks in RANKS]
    assert max(scores) - min(scores) < 1e-3


def test_micro_batches_and_loader_workers_do_not_matter(tiny_dataset: str, tmp_path: Path) -> None:
    for name, loader in (("plain", {"micro_batch": 7}), ("cut", {"micro_batch": 3, "workers": 2})):
        recipe = write_recipe(tmp_path / name, loader=loader)
        code, output = Launch(recipe, tiny_dataset, tmp_path / name).finish()
        assert code == 0, output

    plain, cut = (final_weights(tmp_path / name) for name in ("plain", "cut"))

    assert (plain - cut).norm() / plain.norm() < 1e-8
