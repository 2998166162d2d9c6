"""`sightline completion`: what a shell makes of the script."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.main import main
from trainer.config import SOURCES
from trainer.recipe import recipe_names

ASK = """
source {script}
COMP_WORDS=({words})
COMP_CWORD={place}
_shtab_sightline
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "sightline.bash"
    done = subprocess.run([sys.executable, "-m", "pipelines.cli", "completion", "bash"], capture_output=True, text=True, check=True)
    path.write_text(done.stdout)
    return path


def completed(script: Path, *words: str, folder: Path | None = None) -> set[str]:
    """What bash offers for the last word."""
    ask = ASK.format(script=script, words=" ".join(shlex.quote(word) for word in words), place=len(words) - 1)
    done = subprocess.run(["bash", "--norc", "-c", ask], cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_accepts_the_script(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_verbs_are_offered(script: Path) -> None:
    assert {"run", "rerun", "status", "config", "gc", "completion"} <= completed(script, "sightline", "")
    assert completed(script, "sightline", "rer") == {"rerun"}


def test_pipelines_recipes_and_formats_are_offered(script: Path) -> None:
    assert completed(script, "sightline", "run", "seg") == {"segmentation"}
    assert completed(script, "sightline", "run", "segmentation", "--recipe", "") == set(recipe_names())
    assert completed(script, "sightline", "run", "segmentation", "--source", "") == set(SOURCES)
    assert completed(script, "sightline", "config", "segmentation-m") == {"segmentation-microscopy"}
    assert completed(script, "sightline", "completion", "z") == {"zsh"}


def test_flags_are_offered(script: Path) -> None:
    assert completed(script, "sightline", "run", "segmentation", "--d") == {"--data", "--dry-run"}
    assert completed(script, "sightline", "gc", "outputs", "--de") == {"--delete"}


def test_folders_are_offered_where_a_uri_is_asked_for(script: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images.txt").touch()

    assert completed(script, "sightline", "run", "segmentation", "--data", "im", folder=tmp_path) == {"images"}
    assert completed(script, "sightline", "gc", "im", folder=tmp_path) == {"images"}


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_theirs(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0

    text = capsys.readouterr().out
    assert text.startswith({"zsh": "#compdef sightline", "tcsh": "# AUTOMATICALLY GENERATED"}[shell])
    assert "segmentation-microscopy" in text


def test_another_shell_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["completion", "ksh"])

    assert end.value.code == 2
    assert "bash" in capsys.readouterr().err


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)  # as if it were not installed

    assert main(["completion", "bash"]) == 2
    assert "pip install 'sightline[pipelines]'" in capsys.readouterr().err
