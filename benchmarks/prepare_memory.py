"""The memory of `python -m trainer prepare`, all its processes together, as images get more; of COCO some are broken.

Exits with 1 where a bound is exceeded: what preparing takes at all, and more for more images; what reading COCO's annotations takes,
as a multiple of their file. `--full` takes the sizes for which the bounds are promised: 10,000 images with masks, 20,000 of COCO.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._image_sets import write_coco, write_masks
from trainer.reports import DatasetReport

PEAK_BYTES = 1_000_000_000
MOST_RATIO = 1.1  # of the peaks for ten times as many images
MOST_READING = 5.0  # times the size of an annotation file
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Measured:
    """One run: bytes of all its processes together at their most, and wall seconds, start and listing included."""

    source: str
    images: int
    peak: int
    seconds: float
    report: DatasetReport

    def __str__(self) -> str:
        rate, skipped = self.images / self.seconds, len(self.report.skipped)
        return f"{self.source:<8} {self.images:>8,} {self.peak / 1e6:>9.0f} {rate:>10.0f} {skipped:>9,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000 and 10,000 images, 20,000 of COCO; takes minutes")
    few, many, coco = (1000, 10_000, 20_000) if parser.parse_args().full else (300, 3000, 1000)
    print(f"{'source':<8} {'images':>8} {'peak MB':>9} {'images/s':>10} {'skipped':>9}")
    exceeded = [*_masks(few, many), *_coco(coco)]
    if exceeded:
        raise SystemExit("\n".join(exceeded))


def _masks(few: int, many: int) -> list[str]:
    small, large = masks(few), masks(many)
    ratio = large.peak / small.peak
    print(small, large, f"ratio prepare_memory {ratio:.2f}", sep="\n", flush=True)
    return [*beyond("bytes for images with masks", large.peak, PEAK_BYTES), *beyond("times the memory", ratio, MOST_RATIO)]


def _coco(count: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source, broken = write_coco(root / "data", count)
        measured = measure(root, source, count)
        reading = _reading(root / "data", source)
    print(measured, f"ratio annotation_reading {reading:.2f}", sep="\n", flush=True)
    otherwise = sorted(broken ^ {skipped.file for skipped in measured.report.skipped})
    told = [f"{len(otherwise)} of {len(broken)} broken images are not listed, or others are: {otherwise[:3]}"] if otherwise else []
    over = [*beyond("bytes for COCO", measured.peak, PEAK_BYTES), *beyond("times the size of the annotations", reading, MOST_READING)]
    return told + over


def masks(count: int, **values: int) -> Measured:
    """Prepare that many images with masks."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), write_masks(Path(folder, "data"), count, **values), count)


def beyond(what: str, value: float, bound: float) -> list[str]:
    """What to say of a value that exceeds its bound; nothing of another."""
    return [f"{value:,.2f} {what}; {bound:,.2f} is the most"] if value > bound else []


def measure(root: Path, source: dict[str, Any], images: int) -> Measured:
    """Prepare a source, as a user would, and watch. The folder holds the recipe and what is made."""
    recipe = root / "recipe.yaml"
    recipe.write_text(json.dumps({"source": source}))  # JSON is YAML
    command = [sys.executable, "-m", "trainer", "prepare", str(recipe), "--out", str(root / "out")]
    begin, peak = time.monotonic(), 0
    with (root / "report.json").open("wb") as output, subprocess.Popen(command, stdout=output) as process:
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(SAMPLE_SECONDS)
    seconds = time.monotonic() - begin
    if process.returncode:
        raise SystemExit(process.returncode)
    return Measured(source["format"], images, peak, seconds, DatasetReport.from_bytes((root / "report.json").read_bytes(), "the report"))


def memory(pid: int) -> int:
    """Bytes of a process and all below it, those that several share counted once."""
    return sum(_proportional_set_size(member) for member in _family(pid))


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []  # it has ended
    return [pid] + [member for child in children for member in _family(child)]


def _proportional_set_size(pid: int) -> int:
    """Bytes, those that several processes share in equal parts; see proc_pid_smaps_rollup(5)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


_READING = """
import sys
from pathlib import Path
import ijson, numpy  # what every process of this kind holds
from trainer.config import CocoSource
from trainer.data.sources import open_source

def status(field):
    return next(int(line.split()[1]) << 10 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))

source = open_source(CocoSource(uri=sys.argv[1], splits=("train",)))
before = status("VmRSS")
source.count("train")
print(status("VmHWM") - before)
"""


def _reading(root: Path, source: dict[str, Any]) -> float:
    """By how much a process grows at most that reads annotations, in sizes of their file."""
    done = subprocess.run([sys.executable, "-c", _READING, source["uri"]], capture_output=True, text=True, check=True)
    return int(done.stdout) / (root / "annotations/instances_train.json").stat().st_size


if __name__ == "__main__":
    main()
