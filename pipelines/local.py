"""`python -m pipelines.local`: run a compiled pipeline with kfp's local runner, as a child of `sightline run`.

A process of its own, because kfp's output belongs to a log and not to the terminal, and because its end must
end the stages: they are in its process group.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import json
import sys
from pathlib import Path


def main(pipeline: str, arguments: str, root: str, cache: str) -> None:
    """Run the YAML at `pipeline` with the JSON at `arguments`; raises RuntimeError where a task failed."""
    from trainer.lifeline import die_with_parent

    die_with_parent()
    from kfp import components, local

    runner = local.SubprocessRunner(use_venv=False)
    local.init(runner=runner, pipeline_root=root, enable_caching=True, cache_root=cache)
    run = components.load_component_from_file(pipeline)
    run(**json.loads(Path(arguments).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*sys.argv[1:])
