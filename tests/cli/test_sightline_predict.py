"""`sightline predict`: which model is meant, what is said, and the exit codes; the predictions are test_predict's."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mask_data import encoded, picture, put
from PIL import Image
from released_models import NAMES, SEGMENTS, model_folder
from sightline_process import COMMAND, environment, sightline

from components.registry import StoreRegistry
from components.registry.files import describe_model
from pipelines.cli.main import main
from pipelines.cli.predict import telling
from pipelines.cli.versions import find_model
from tests.report_documents import evaluation
from trainer.canonical import sha256_digest, short
from trainer.config import RegistrationConfig
from trainer.errors import ConfigError
from trainer.predict import Settings
from trainer.reports import Skipped
from trainer.storage import FolderStore
from trainer.tiling import Tiling


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT with two versions of the model `cells`, the second of which is the champion."""
    folder = tmp_path_factory.mktemp("registered")
    registry = StoreRegistry(FolderStore(str(folder / "outputs")), "cells")
    for norm, miou in (("group", 0.5), ("batch", 0.9)):
        source = FolderStore(str(model_folder(folder / norm, SEGMENTS, norm=norm)))
        files = describe_model(source, sha256_digest(source.get("model.safetensors")))
        report = evaluation(metrics={"miou": miou}, model_digest=files[0].digest)
        registry.promote(registry.register(source, files, report), report, RegistrationConfig.of({"max_drop": 1.0}))
    return folder


@pytest.fixture
def folder(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two pictures and the registry."""
    monkeypatch.chdir(tmp_path)
    Path("outputs").symlink_to(registered / "outputs")
    for number, name in enumerate("ab"):
        put(Path(f"photos/{name}.png"), encoded(Image.fromarray(picture(number))))
    return tmp_path


def digest(number: int) -> str:
    (version,) = [one for one in StoreRegistry(FolderStore("outputs"), "cells").versions() if one.number == number]
    return short(version.version)


def predicted(capsys: pytest.CaptureFixture[str], model: str, *flags: str, code: int = 0) -> dict[str, Any]:
    assert main(["predict", model, "photos", "--out", "out", "--json", *flags]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("model", "number"), [("cells@champion", 2), ("cells:1", 1), ("cells:2", 2)])
def test_a_model_is_named_by_its_alias_or_its_number(model: str, number: int, folder: Path) -> None:
    assert find_model(model, "outputs").endswith(f"outputs/models/cells/versions/{digest(number)}")


@pytest.mark.parametrize("digits", [4, 16])
def test_a_model_is_named_by_the_first_digits_of_its_digest(digits: int, folder: Path) -> None:
    assert find_model(f"cells@{digest(1)[:digits]}", "outputs").endswith(digest(1))


@pytest.mark.parametrize("uri", ["./model", "/some/model@home:2", "s3://bucket/models/x", "file:///model", "model"])
def test_anything_else_is_a_folder(uri: str, folder: Path) -> None:
    assert find_model(uri, "outputs") == uri


@pytest.mark.parametrize(
    ("model", "out", "message"),
    [
        ("cell@champion", "outputs", r"there is no model cell in outputs; there are: cells; --registry names"),
        ("cells@champion", "nowhere", r"there is no model cells in nowhere; there is none"),
        ("cells:7", "outputs", r"cells has no version 7; there are: 1 \([0-9a-f]{16}\), 2 \([0-9a-f]{16}\)"),
        ("cells@best", "outputs", r"cells has neither an alias nor a single version best; there are: champion, \w{16}, \w{16}$"),
        ("cells", "outputs", r"cells is a model of outputs, but which version\? Write cells@ALIAS or cells:NUMBER, e\.g\. cells@champion"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_there_is_told_with_those_that_are(model: str, out: str, message: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        find_model(model, out)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreRegistry:
    """A registry whose only version did not pass the gate."""
    monkeypatch.chdir(tmp_path)
    registry = StoreRegistry(FolderStore("outputs"), "cells")
    source = FolderStore(str(model_folder(tmp_path / "model", SEGMENTS)))
    files = describe_model(source, sha256_digest(source.get("model.safetensors")))
    report = evaluation(metrics={"miou": 0.5}, model_digest=files[0].digest)
    registry.promote(registry.register(source, files, report), report, RegistrationConfig.of({"minimum": 0.9}))
    return registry


def test_without_an_alias_the_gate_is_told_and_the_version_that_there_is(refused: StoreRegistry) -> None:
    with pytest.raises(ConfigError) as told:
        find_model("cells@champion", "outputs")

    there_is = f"there is version 1 ({digest(1)}): use cells:1"
    assert str(told.value) == f"cells has no alias champion: no version passed the gate yet; {there_is}"
    with pytest.raises(ConfigError, match="neither an alias nor a single version 00000000"):
        find_model("cells@00000000", "outputs")


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_folder_of_a_model_points_to_its_versions(slash: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", f"outputs/models/cells{slash}", "photos", "--out", "out"]) == 2

    said = capsys.readouterr().err
    assert "is the folder of a model, not of one of its versions; there are: " in said
    for number in (1, 2):
        assert f"outputs/models/cells/versions/{digest(number)}" in said


def test_without_a_terminal_progress_is_a_line_every_half_minute() -> None:
    stream, times = io.StringIO(), iter([0.0, 29.0, 30.0, 59.0, 60.0])
    with telling(stream, lambda: next(times)) as tell:
        for number in range(4):
            tell(Skipped(file=f"{number}.png", reason="is broken"), 9)

    skipped = [f"skipped: {number}.png is broken" for number in range(4)]
    assert stream.getvalue().splitlines() == [*skipped[:2], "2/9 images", *skipped[2:], "4/9 images"]


def test_digits_that_are_too_few_name_no_version(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither an alias nor a single version"):
        find_model(f"cells@{digest(1)[:3]}", "outputs")


def test_a_registered_model_is_asked_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = predicted(capsys, "cells@champion", "--device", "cpu", "--batch", "1")

    assert (told["name"], told["number"], short(told["version"])) == ("cells", 2, digest(2))
    assert [one["image"] for one in told["predictions"]] == ["photos/a.png", "photos/b.png"]
    assert json.loads(Path("out/predictions.json").read_text()) == told


def test_the_files_of_a_version_are_all_it_needs(folder: Path, tmp_path: Path) -> None:
    """In a folder of its own, in a process of its own, without the registry."""
    apart = tmp_path / "apart"
    (apart / "model").mkdir(parents=True)
    for name in ("model.safetensors", "model.json"):
        shutil.copy(folder / "outputs/models/cells/versions" / digest(1) / name, apart / "model")
    shutil.move(folder / "photos", apart)

    answer = sightline(apart, "predict", "./model", "photos", "--out", "out")

    assert answer.exit_code == 0, answer.err
    assert answer.out.startswith("2 images by ./model on cpu in ")
    assert answer.err == ""
    assert set(np.unique(np.asarray(Image.open(apart / "out/a.mask.png")))) <= set(range(len(NAMES)))


def test_a_broken_image_is_told_counted_and_the_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(Path("photos/c.png"), b"no picture")

    assert main(["predict", "cells:1", "photos", "--out", "out"]) == 1

    said = capsys.readouterr()
    assert said.err == "skipped: photos/c.png cannot be decoded: its format is not recognised\n"
    assert said.out.splitlines()[0].startswith("2 images by cells version 1 on cpu in ")
    assert said.out.splitlines()[-1] == "1 image could not be used"


def test_tiles_are_told_with_how_to_do_without(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(Path("photos/large.png"), encoded(Image.fromarray(picture(3, 100, 200))))

    assert main(["predict", "cells:2", "photos", "--out", "out", "--pass-pixels", "10000", "--passes", "3"]) == 0

    assert "1 image too large to be seen whole: in tiles; where there is more memory, --pass-pixels N" in capsys.readouterr().out


def test_a_damaged_model_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(Path("outputs/models/cells/versions") / digest(1), "model")
    weights = Path("model/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")

    assert main(["predict", "model", "photos", "--out", "out"]) == 1
    assert "model/model.safetensors has the digest sha256:" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict"], "MODEL"),
        (["predict", "cells:1"], "IMAGES"),
        (["predict", "cells:1", "photos"], "--out"),
        (["predict", "cells:9", "photos", "--out", "out"], "cells has no version 9"),
        (["predict", "cells:1", "photo", "--out", "out"], "there is no image at photo"),
        (["predict", "cells:1", "photos", "--out", "photos/out"], "--out photos/out lies in photos"),
        (["predict", "cells:1", "photos", "--out", "out", "--device", "gpu"], "device gpu is not here"),
        (["predict", "cells:1", "photos", "--out", "out", "--batch", "0"], "'0' is not a number of at least 1"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code

    said = capsys.readouterr()
    assert (code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err
    assert not Path("out").exists()


def test_on_a_terminal_a_bar_shows_how_far_it_is(folder: Path) -> None:
    put(Path("photos/c.png"), b"no picture")
    terminal, end = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.dup2(end, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execvpe(COMMAND[0], [*COMMAND, "predict", "cells:1", "photos", "--out", "out"], {**environment(), "TERM": "xterm"})  # noqa: S606
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 1
    assert b"100%" in shown
    assert b"skipped: photos/c.png" in shown


@pytest.mark.parametrize("value", [Settings().batch, Tiling().most_pixels, Tiling().most_passes])
def test_help_names_the_defaults_and_an_example(value: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--help"])

    said = " ".join(capsys.readouterr().out.split())
    assert f"(default: {value})" in said
    assert "sightline predict segmentation-digits@champion photos --out predicted" in said


def test_the_trainers_own_verb_needs_no_registry(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from trainer.cli import main as trainer

    model = str(Path("outputs/models/cells/versions") / digest(1))

    assert trainer(["predict", model, "photos", "--out", "out", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["number"] == 1

    put(Path("photos/c.png"), b"no picture")
    assert trainer(["predict", model, "photos", "--out", "out"]) == 10
    assert "1 images could not be used, the first: photos/c.png" in capsys.readouterr().err
