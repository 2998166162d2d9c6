"""`trainer.predict`, on models that know nothing and pictures of noise: what is written, and what is refused."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mask_data import encoded, picture, put
from PIL import Image
from released_models import CLASSIFIES, NAMES, SEGMENTS, model_folder

from tests.recipes import write_recipe
from trainer.canonical import sha256_digest
from trainer.checkpoint.documents import Position
from trainer.data.shards import ShardedSplit, read_manifest
from trainer.data.sources.pictures import read_labels
from trainer.errors import CheckpointMismatchError, ConfigError, CorruptObjectError, DataError, ObjectMissingError
from trainer.models.released import load_released
from trainer.predict import Prediction, PredictionReport, Settings, predict
from trainer.recipe import load_config
from trainer.report.palette import class_palette
from trainer.reports import ModelVersion, Skipped
from trainer.storage import FolderStore, open_store
from trainer.tiling import Tiling
from trainer.train import train
from trainer.world import World

CPU = Settings(device="cpu")


def photo(path: Path, number: int = 0, height: int = 40, width: int = 50, **options: Any) -> Path:
    form = {".jpg": "JPEG"}.get(path.suffix, path.suffix[1:].upper())
    return put(path, encoded(Image.fromarray(picture(number, height, width)), form, **options))


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(model_folder(tmp_path_factory.mktemp("segments") / "model", SEGMENTS))


@pytest.fixture(scope="module")
def classifies(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(model_folder(tmp_path_factory.mktemp("classifies") / "model", CLASSIFIES, classes=tuple("abcdefg")))


def test_a_mask_holds_class_indices_with_the_colours_of_the_report(segments: str, tmp_path: Path) -> None:
    image = photo(tmp_path / "in/a.png")

    report = predict(segments, [str(image)], out=str(tmp_path / "out"), settings=CPU)

    mask = Image.open(tmp_path / "out/a.mask.png")
    labels = np.asarray(mask)
    asked = load_released(open_store(segments), torch.device("cpu")).model(torch.tensor(picture(0, 40, 50)).permute(2, 0, 1)[None])
    assert (mask.mode, mask.size) == ("P", (50, 40))
    assert np.array_equal(labels, asked.argmax(dim=1)[0].numpy())
    assert np.array_equal(np.array(mask.getpalette()).reshape(-1, 3)[: len(NAMES)], class_palette(len(NAMES)))
    assert report.predictions[0].figures == {name: float((labels == c).mean()) for c, name in enumerate(NAMES)}


def test_the_overlay_is_the_image_tinted_by_class(segments: str, tmp_path: Path) -> None:
    predict(segments, [str(photo(tmp_path / "in/a.png"))], out=str(tmp_path / "out"), settings=CPU)

    overlay, labels = np.asarray(Image.open(tmp_path / "out/a.overlay.png")), np.asarray(Image.open(tmp_path / "out/a.mask.png"))
    assert overlay.shape == (40, 50, 3)
    colours = class_palette(len(NAMES))[labels]
    nearer = np.abs(overlay.astype(int) - colours) <= np.abs(picture(0, 40, 50).astype(int) - colours) + 1
    assert nearer.all()


def test_labels_come_with_their_probabilities_likeliest_first(classifies: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/a.jpg", 1)
    photo(tmp_path / "in/b.png", 2, 33, 70)

    report = predict(classifies, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU)

    assert files_in(tmp_path / "out") == {"a.overlay.png", "b.overlay.png", "predictions.csv", "predictions.json"}
    rows = list(csv.DictReader((tmp_path / "out/predictions.csv").read_text().splitlines()))
    assert [Path(row["image"]).name for row in rows] == ["a.jpg", "b.png"]
    for row, prediction in zip(rows, report.predictions, strict=True):
        probabilities = [float(row[f"probability_{place}"]) for place in range(1, 6)]
        assert probabilities == sorted(probabilities, reverse=True)
        assert len({row[f"label_{place}"] for place in range(1, 6)}) == 5
        assert row["label_1"] == prediction.figures["label_1"]
        assert sum(probabilities) <= 1.0


def test_a_checkpoint_predicts_what_it_was_scored_for(tmp_path: Path, tiny_dataset: str) -> None:
    config = load_config(str(write_recipe(tmp_path, schedule={"total_steps": 8}, training={"precision": "float32"})))
    trained = train(config, dataset=tiny_dataset, out=str(tmp_path / "run"), world=World())
    store = open_store(tiny_dataset)
    split = ShardedSplit(store, read_manifest(store).split("val"))
    truths: list[Any] = []
    for index in range(len(split)):
        image, truth = split.read(index)
        put(tmp_path / f"in/{index:02d}.png", image)
        truths.append(read_labels(truth, "truth"))

    report = predict(trained.checkpoint, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU)

    called = [np.asarray(Image.open(tmp_path / "out" / prediction.files[0])) for prediction in report.predictions]
    assert float(np.mean(np.stack(called) == np.stack(truths))) == pytest.approx(trained.scores["pixel_accuracy"], abs=1e-4)
    assert report.model_digest == trained.model_digest


def test_the_index_names_the_model_and_every_file(segments: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/a.png")

    report = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU)

    assert PredictionReport.from_bytes((tmp_path / "out/predictions.json").read_bytes(), "here") == report
    assert report.model_digest == sha256_digest((Path(segments) / "model.safetensors").read_bytes())
    assert (report.name, report.number, report.version, report.classes) == ("", None, "", NAMES)
    assert files_in(tmp_path / "out") == {*report.predictions[0].files, "predictions.csv", "predictions.json"}


def test_equal_names_in_several_folders_stay_apart(segments: str, tmp_path: Path) -> None:
    for number, place in enumerate(("in/a/x.png", "in/b/x.png", "in/b/deep/x.png")):
        photo(tmp_path / place, number)

    below = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "below"), settings=CPU)
    apart = predict(segments, [str(tmp_path / "in/b/x.png"), str(tmp_path / "in/a")], out=str(tmp_path / "apart"), settings=CPU)

    assert [prediction.files[0] for prediction in below.predictions] == ["a/x.mask.png", "b/deep/x.mask.png", "b/x.mask.png"]
    assert [prediction.files[0] for prediction in apart.predictions] == ["b/x.mask.png", "a/x.mask.png"]


def test_names_that_differ_in_their_extension_alone_keep_it(segments: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/x.png", 1)
    photo(tmp_path / "in/x.jpg", 2)

    report = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU)

    assert [prediction.files[0] for prediction in report.predictions] == ["x.jpg.mask.png", "x.png.mask.png"]


def test_an_image_that_is_named_twice_is_predicted_once(segments: str, tmp_path: Path) -> None:
    image = photo(tmp_path / "in/x.png")

    report = predict(segments, [str(image), str(tmp_path / "in"), str(image)], out=str(tmp_path / "out"), settings=CPU)

    assert len(report.predictions) == 1


def test_a_broken_image_is_told_and_the_others_are_done(segments: str, tmp_path: Path) -> None:
    for number, name in enumerate(("a", "c", "d")):
        photo(tmp_path / f"in/{name}.png", number)
    put(tmp_path / "in/b.png", b"no picture")
    put(tmp_path / "in/notes.txt", b"not asked for")
    told: list[tuple[bool, int]] = []

    def tell(one: Prediction | Skipped, total: int) -> None:
        told.append((isinstance(one, Skipped), total))

    report = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU, tell=tell)

    assert [Path(prediction.image).name for prediction in report.predictions] == ["a.png", "c.png", "d.png"]
    assert [(Path(skipped.file).name, skipped.reason) for skipped in report.skipped] == [
        ("b.png", "cannot be decoded: its format is not recognised")
    ]
    assert sorted(told) == [(False, 4)] * 3 + [(True, 4)]


def test_with_every_image_broken_the_index_still_says_so(segments: str, tmp_path: Path) -> None:
    put(tmp_path / "in/b.png", b"")

    report = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU)

    assert (len(report.predictions), len(report.skipped)) == (0, 1)
    assert (tmp_path / "out/predictions.csv").read_text() == "image\n"


def test_a_rotated_jpeg_is_turned_upright(segments: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(tmp_path / "in/a.jpg", exif=exif.tobytes())

    report = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=CPU)

    assert report.predictions[0].size == (50, 40)
    assert np.asarray(Image.open(tmp_path / "out/a.mask.png")).shape == (50, 40)


def test_batches_change_nothing(segments: str, tmp_path: Path) -> None:
    for number in range(5):
        photo(tmp_path / f"in/{number}.png", number, *((40, 50) if number < 3 else (24, 24)))

    one = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "one"), settings=Settings(device="cpu", batch=1))
    four = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "four"), settings=Settings(device="cpu", batch=4))

    assert one.predictions == four.predictions
    for name in one.predictions[3].files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "four" / name).read_bytes()


def test_a_large_image_is_seen_in_tiles_and_says_so(segments: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/large.png", 0, 300, 400)
    photo(tmp_path / "in/small.png", 1, 40, 50)
    tiled = Settings(device="cpu", tiling=Tiling(most_pixels=100_000, most_passes=1))

    whole = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "whole"), settings=CPU)
    pieces = predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "pieces"), settings=tiled)

    assert [(one.tiles, one.passes, one.norm_change) for one in whole.predictions] == [(1, 1, 0.0)] * 2
    assert [one.tiles > 1 for one in pieces.predictions] == [True, False]
    assert (pieces.predictions[0].passes, pieces.predictions[0].norm_change) == (1, None)
    assert np.asarray(Image.open(tmp_path / "pieces/large.mask.png")).shape == (300, 400)
    assert (tmp_path / "whole/small.mask.png").read_bytes() == (tmp_path / "pieces/small.mask.png").read_bytes()


def test_a_classifier_sees_a_large_image_whole(classifies: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/large.png", 0, 300, 400)

    report = predict(
        classifies, [str(tmp_path / "in")], out=str(tmp_path / "out"), settings=Settings("cpu", tiling=Tiling(most_pixels=2_000))
    )

    assert report.predictions[0].tiles == 1


def test_from_a_bucket_to_a_bucket(segments: str, bucket: str, tmp_path: Path) -> None:
    data = photo(tmp_path / "x.png").read_bytes()
    open_store(bucket).put("photos/a/x.png", data)
    open_store(bucket).put("photos/y.png", data)
    for name in ("model.safetensors", "model.json"):
        open_store(bucket).put(f"model/{name}", (Path(segments) / name).read_bytes())

    report = predict(f"{bucket}/model", [f"{bucket}/photos", f"{bucket}/photos/y.png"], out=f"{bucket}/out", settings=CPU)

    local = predict(segments, [str(tmp_path / "x.png")], out=str(tmp_path / "out"), settings=CPU)
    assert [one.image for one in report.predictions] == [f"{bucket}/photos/a/x.png", f"{bucket}/photos/y.png"]
    assert open_store(bucket).get("out/a/x.mask.png") == (tmp_path / "out" / local.predictions[0].files[0]).read_bytes()


def test_a_place_without_an_image_is_refused_before_anything_is_written(segments: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/x.png")
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigError, match=r"there is no image at .*empty; a folder's images end in \.png"):
        predict(segments, [str(tmp_path / "in"), str(tmp_path / "empty")], out=str(tmp_path / "out"), settings=CPU)
    assert not (tmp_path / "out").exists()


def test_out_below_the_images_is_refused(segments: str, tmp_path: Path) -> None:
    photo(tmp_path / "in/x.png")

    with pytest.raises(ConfigError, match=r"--out .*in/out lies in .*in: the next time"):
        predict(segments, [str(tmp_path / "in")], out=str(tmp_path / "in/out"), settings=CPU)


def test_a_device_that_is_not_here_is_told_with_those_that_are(segments: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"device tpu is not here; there is: cpu"):
        predict(segments, [str(photo(tmp_path / "x.png"))], out=str(tmp_path / "out"), settings=Settings(device="tpu"))


def copied(model: str, folder: Path) -> Path:
    folder.mkdir()
    for name in ("model.safetensors", "model.json"):
        (folder / name).write_bytes((Path(model) / name).read_bytes())
    return folder


def released(folder: Path) -> None:
    """`version.json` for the files of a folder."""
    from components.registry.files import describe_model, version_digest

    store = FolderStore(str(folder))
    files = describe_model(store, sha256_digest((folder / "model.safetensors").read_bytes()))
    rest = dict.fromkeys(("data_digest", "train_digest", "config_digest", "report_digest", "code_version"), "sha256:0")
    version = ModelVersion(name="cells", version=version_digest(files), number=3, files=files, metrics={}, run="", **rest)
    store.put("version.json", version.to_bytes())


def test_a_registered_version_is_named_in_the_index(segments: str, tmp_path: Path) -> None:
    released(folder := copied(segments, tmp_path / "model"))

    report = predict(str(folder), [str(photo(tmp_path / "x.png"))], out=str(tmp_path / "out"), settings=CPU)

    assert (report.name, report.number, report.version.startswith("sha256:")) == ("cells", 3, True)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_version_whose_files_have_changed_is_refused(segments: str, tmp_path: Path, name: str) -> None:
    released(folder := copied(segments, tmp_path / "model"))
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b" ")

    with pytest.raises(CorruptObjectError, match=rf"{name} has the digest sha256:.*the document beside it says sha256:"):
        load_released(open_store(str(folder)), torch.device("cpu"))


def test_a_checkpoint_whose_weights_have_changed_is_refused(segments: str, tmp_path: Path) -> None:
    from trainer.checkpoint.commit import commit

    files = {name: (Path(segments) / name).read_bytes() for name in ("model.safetensors", "model.json")}
    commit(FolderStore(str(tmp_path)), Position(1, 7), files)
    folder = tmp_path / Position(1, 7).folder

    assert load_released(open_store(str(folder)), torch.device("cpu")).version is None
    (folder / "model.safetensors").write_bytes(files["model.safetensors"][:-1] + b"\1")
    with pytest.raises(CorruptObjectError, match=r"has the digest xxh3:"):
        load_released(open_store(str(folder)), torch.device("cpu"))


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissingError, match=r"model\.safetensors does not exist"):
        load_released(open_store(str(tmp_path)), torch.device("cpu"))


def test_weights_that_are_cut_short_are_told(segments: str, tmp_path: Path) -> None:
    weights = copied(segments, tmp_path / "model") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(CorruptObjectError, match=r"model\.safetensors is not a file of weights"):
        load_released(open_store(str(weights.parent)), torch.device("cpu"))


def test_weights_of_another_model_are_told(segments: str, classifies: str, tmp_path: Path) -> None:
    folder = copied(segments, tmp_path / "model")
    (folder / "model.safetensors").write_bytes((Path(classifies) / "model.safetensors").read_bytes())

    with pytest.raises(CheckpointMismatchError, match=r"holds another model"):
        load_released(open_store(str(folder)), torch.device("cpu"))


def test_a_description_of_another_version_is_told(segments: str, tmp_path: Path) -> None:
    spec = copied(segments, tmp_path / "model") / "model.json"
    values = json.loads(spec.read_text())
    values["model"]["rotary"] = True
    spec.write_text(json.dumps(values))

    with pytest.raises(DataError, match=r"model\.json describes a model that this version does not know: model\..*rotary"):
        load_released(open_store(str(spec.parent)), torch.device("cpu"))


MEASURED = """
import re, sys
from pathlib import Path
from trainer.predict import Settings, predict
from trainer.tiling import Tiling
report = predict(sys.argv[1], [sys.argv[2]], out=sys.argv[3], settings=Settings("cpu", tiling=Tiling(most_passes=1)))
print(report.predictions[0].size, *re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()))
"""


def test_twelve_megapixels_fit_into_two_gigabytes(tmp_path: Path) -> None:
    """All of the process, torch included. More passes need no more; how near they come is told in test_tiling."""
    model = model_folder(tmp_path / "model", SEGMENTS, channels=64)
    buffer = BytesIO()
    Image.fromarray(picture(0, 300, 400)).resize((4000, 3000)).save(buffer, "JPEG")
    image = put(tmp_path / "x.jpg", buffer.getvalue())

    command = [sys.executable, "-c", MEASURED, str(model), str(image), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    size, kilobytes = done.stdout.rsplit(maxsplit=1)
    assert size == "(3000, 4000)"
    assert int(kilobytes) < 2_000_000_000 / 1024
