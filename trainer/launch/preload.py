"""What the fork server loads before it makes ranks. Its first act is to end with the agent; then torch, once for all ranks."""

from trainer.lifeline import die_with_parent

die_with_parent()

import trainer.train  # noqa: E402, F401  # pyright: ignore[reportUnusedImport]
