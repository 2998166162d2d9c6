"""`python -m pipelines.compile`: each pipeline as the YAML beside it, which is what runs, on a laptop and in a cluster."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def compile_pipelines(folder: Path) -> None:
    """Write every pipeline, as `<name>.yaml`."""
    from kfp.compiler import Compiler

    from pipelines.classification import classification
    from pipelines.segmentation import segmentation

    for pipeline in (segmentation, classification):
        Compiler().compile(pipeline, str(folder / f"{pipeline.name}.yaml"))


if __name__ == "__main__":
    compile_pipelines(FOLDER)
