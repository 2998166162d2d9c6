"""`sightline doctor`: what a store can do, a line for each thing that was tried."""

from __future__ import annotations

import argparse
import json
import sys

from trainer.errors import ExitCode
from trainer.storage import Patience, open_store

_PATIENCE = Patience(total_seconds=15.0, connect_seconds=5.0, read_seconds=10.0)  # somebody is waiting
_MARKS = {"good": "✓", "warning": "!", "bad": "✗"}


def doctor(args: argparse.Namespace) -> int:
    """Print it; returns 0 for a store that can be used, and 1 for one that cannot.

    Raises:
        ConfigError: the URI names no store.
    """
    from trainer.doctor import Finding, examine, is_usable

    findings: list[Finding] = []
    stream = sys.stderr if args.json else sys.stdout
    for finding in examine(open_store(args.store, _PATIENCE)):
        findings.append(finding)
        print(_line(finding.subject, finding.mark, finding.meaning, finding.advice), file=stream, flush=True)
    usable = is_usable(findings)
    print(f"{args.store} can be used" if usable else f"{args.store} cannot be used", file=stream)
    if args.json:
        print(json.dumps({"store": args.store, "usable": usable, "findings": [finding._asdict() for finding in findings]}))
    return ExitCode.OK if usable else ExitCode.UNCLASSIFIED


def _line(subject: str, mark: str, meaning: str, advice: str) -> str:
    return f"{_MARKS[mark]} {subject:<19} {meaning}" + (f"\n  {'':<19} → {advice}" if advice else "")
