"""Which code this is: a digest of the source files by content, and the git commit beside it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from trainer.canonical import digest_of, sha256_digest

PACKAGES = ("trainer", "components", "pipelines")
SUFFIXES = (".py", ".yaml", ".j2", ".css")
_ROOT = Path(__file__).resolve().parent.parent


@cache
def code_version(root: Path = _ROOT) -> str:
    """A digest of what the packages do: the same in a checkout, an installed wheel and an image that holds the same files."""
    return digest_of({str(file.relative_to(root)): sha256_digest(file.read_bytes()) for file in _source_files(root)})


def git_commit(root: Path = _ROOT) -> str:
    """The commit of the checkout at `root`; empty where there is none, no commit, or no git."""
    if not (root / ".git").exists():
        return ""  # installed: a repository further up is somebody else's
    try:
        answer = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _source_files(root: Path) -> list[Path]:
    return [file for package in PACKAGES for file in sorted((root / package).rglob("*")) if file.suffix in SUFFIXES and file.is_file()]
