"""How many processors this process may really use: affinity and cgroup quota, not the host's count."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """Processors by affinity, or fewer where a quota (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`) allows less; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.floor(min(_quota(cgroup), allowed))))


def _quota(cgroup: Path) -> float:
    for quota, period in (
        _first_words(cgroup / "cpu.max"),
        _first_words(cgroup / "cpu/cpu.cfs_quota_us", cgroup / "cpu/cpu.cfs_period_us"),
    ):
        if quota.isdigit() and period.isdigit():
            return int(quota) / int(period)
    return math.inf


def _first_words(*files: Path) -> tuple[str, str]:
    """Quota and period, from one file of two words or from two files of one; empty where there is none."""
    try:
        words = [word for file in files for word in file.read_text().split()]
    except OSError:
        return "", ""
    return (words[0], words[1]) if len(words) == 2 else ("", "")
