"""What is loaded before it is needed: nothing heavy."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sightline_process import COMMAND, environment

HEAVY = ("torch", "torchvision", "timm", "kfp", "kubernetes", "boto3", "sklearn")


@pytest.mark.parametrize(
    "statement",
    [
        "import trainer.config",
        "import trainer.recipe",
        "import trainer.code_version",
        "import components.stages",
        "import components.launcher",
        "import pipelines.compiled",
        "import pipelines.local",
        "import pipelines.cli.run, pipelines.cli.rerun, pipelines.cli.status, pipelines.cli.resolved",
        "import pipelines.cli.gc, pipelines.cli.dry_run, pipelines.cli.completion, pipelines.cli.schema",
        "import pipelines.cli.main\ntry: pipelines.cli.main.main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_loaded_by(statement: str, tmp_path: Path) -> None:
    code = f"{statement}\nimport sys\nsys.exit(', '.join(name for name in {HEAVY!r} if name in sys.modules) or 0)"

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.returncode == 0


def test_help_answers_within_half_a_second(tmp_path: Path) -> None:
    def seconds() -> float:
        begin = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], cwd=tmp_path, env=environment(), capture_output=True, check=True)
        return time.perf_counter() - begin

    assert min(seconds() for _ in range(3)) < 0.5  # the quickest: this is about what is imported, not about the machine
