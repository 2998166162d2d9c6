"""Which code this is."""

from pathlib import Path

import pytest

from trainer.code_version import code_version, git_commit


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("trainer/loop.py", "components/train.py", "pipelines/segmentation.yaml", "trainer/report/page.html.j2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("content")
    return tmp_path


@pytest.mark.parametrize(
    "changed", ["trainer/loop.py", "components/train.py", "pipelines/segmentation.yaml", "trainer/report/page.html.j2"]
)
def test_the_code_version_changes_with_each_source_file(changed: str, source: Path) -> None:
    before = code_version(source)
    (source / changed).write_text("other content")
    code_version.cache_clear()

    assert code_version(source) != before


def test_a_new_source_file_changes_the_code_version(source: Path) -> None:
    before = code_version(source)
    (source / "trainer/new.py").write_text("")
    code_version.cache_clear()

    assert code_version(source) != before


def test_the_code_version_does_not_see_other_files_nor_where_the_code_lies(source: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("moved") / "source"
    before = code_version(source)
    (source / "trainer/__pycache__").mkdir()
    (source / "trainer/__pycache__/loop.cpython-311.pyc").write_bytes(b"compiled")
    (source / "README.md").write_text("words")
    source.rename(elsewhere)

    assert code_version(elsewhere) == before


def test_the_code_version_names_its_algorithm() -> None:
    assert code_version().startswith("sha256:")


def test_an_installed_package_has_no_commit_though_a_repository_lies_further_up(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "site-packages").mkdir()

    assert git_commit(tmp_path / "site-packages") == ""


def test_a_checkout_without_a_commit_has_none(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    assert git_commit(tmp_path) == ""
