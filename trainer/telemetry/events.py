"""Events: what a process tells whoever started it, one JSON object a line.

A stage's stdout belongs to the pipeline runner, so events go to the file that SIGHTLINE_EVENTS names,
where one is named. Fields are numbers and strings; a NaN is written as null. Known events:

    stage_started   stage
    progress        stage, done, total, unit, and what is known: loss, learning_rate, images_per_second,
                    data_wait (share of the time, 0–1), eta_seconds
    scores          stage, step, and each metric
    notice          stage, text
    stage_finished  stage, seconds, outputs (a mapping), report (URI), metrics (a mapping), state
    stage_failed    stage, seconds, exit_code, cause
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from trainer import environment


def emit(event: str, **fields: Any) -> None:
    """Append one event. Lines of several processes do not mix: each is one write in append mode."""
    if path := os.environ.get(environment.EVENTS):
        line = json.dumps({"time": time.time(), "event": event, **_json_safe(fields)}) + "\n"
        with Path(path).open("ab", buffering=0) as file:
            file.write(line.encode())


def _json_safe(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_safe(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
