from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainer.cpus import usable_cpus

HERE = len(os.sched_getaffinity(0))


def test_without_a_quota_it_is_the_affinity(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == HERE


@pytest.mark.parametrize(("quota", "cpus"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", HERE), ("99900000 100000", HERE)])
def test_a_quota_of_cgroup_v2_limits_it(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(quota)

    assert usable_cpus(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("100000", 1), ("-1", HERE)])
def test_a_quota_of_cgroup_v1_limits_it(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")

    assert usable_cpus(tmp_path) == cpus


def test_affinity_limits_it(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cpus(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
