"""The command `sightline`: `arguments` says what can be typed, `verbs` what it calls.

Exit codes: 0 done, 1 a stage failed, 2 wrong usage or config, 3 the gate was not passed, 128 + n ended by signal n.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from pipelines.cli.arguments import build_parser
from trainer.errors import ExitCode, SightlineError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    args = build_parser().parse_args(argv)
    try:
        exit_code = args.call(args)
        sys.stdout.flush()
        return exit_code
    except SightlineError as error:
        print(f"{args.prog}: {error}", file=sys.stderr)
        return ExitCode.USAGE if error.exit_code == ExitCode.USAGE else ExitCode.UNCLASSIFIED
    except OSError as error:  # of the folder .sightline or of stdout: a full disk, say; a store's own are typed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what it still holds would fail once more at Python's end
        if isinstance(error, BrokenPipeError):  # who read it has read enough
            return 128 + signal.SIGPIPE
        print(f"{args.prog}: {error}", file=sys.stderr)
        return ExitCode.UNCLASSIFIED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
