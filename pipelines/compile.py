"""`python -m pipelines.compile`: each pipeline as the YAML beside it, which is what runs, on a laptop and in a cluster."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def compile_segmentation(path: Path) -> None:
    """Write the compiled segmentation pipeline."""
    from kfp.compiler import Compiler

    from pipelines.segmentation import segmentation

    Compiler().compile(segmentation, str(path))


if __name__ == "__main__":
    compile_segmentation(FOLDER / "segmentation.yaml")
