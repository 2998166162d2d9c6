"""The memory of preparing, over all its processes, does not grow with the number of images; the benchmark's own bounds hold it to that."""

import subprocess
import sys

from benchmarks.prepare_memory import beyond, masks, memory


def test_eight_times_as_many_images_take_no_more_memory() -> None:
    """Their pixels alone would be 70 MB, of both processes and the one above them together at about 200."""
    few, many = masks(200, side=128), masks(1600, side=128)
    assert (many.report.samples, many.report.skipped) == ({"train": 1440, "val": 160}, ())
    assert many.peak <= 1.15 * few.peak
    assert many.peak < 500e6


CHILD = "data = bytearray(b'x' * 50_000_000); print('up', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def test_what_child_processes_hold_is_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        held = memory(process.pid)
        process.communicate("\n")
    assert 50e6 < held < 150e6


def test_a_value_beyond_its_bound_is_told() -> None:
    assert beyond("times the memory", 1.2, 1.1) == ["1.20 times the memory; 1.10 is the most"]
    assert beyond("times the memory", 1.1, 1.1) == []
