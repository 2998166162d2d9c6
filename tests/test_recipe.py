from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.recipes import write_recipe
from trainer.config import (
    STAGE_SECTIONS,
    AdamWConfig,
    CocoSource,
    DigitsSource,
    FoldersSource,
    MasksSource,
    PolynomialConfig,
    ResizedCropConfig,
    RunConfig,
    Section,
    VocSource,
)
from trainer.errors import ConfigError
from trainer.recipe import load_config, parse_sections, recipe_names, recipes_for, stage_config

DIGITS = "segmentation-digits"


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_whole(name: str) -> None:
    config = load_config(name, data="somewhere" if "digits" not in name else None)

    assert config.registration.name == name


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("schedule.total_steps=70", "schedule", "total_steps", 70),
        ("schedule.peak_lr=1e-3", "schedule", "peak_lr", 0.001),
        ("schedule.peak_lr=1", "schedule", "peak_lr", 1.0),
        ("optimiser.betas=[0.8, 0.9]", "optimiser", "betas", (0.8, 0.9)),
        ("registration.name=no", "registration", "name", "no"),
        ("registration.name='7'", "registration", "name", "7"),
        ("training.select=last", "training", "select", "last"),
    ],
)
def test_one_value_can_be_changed(override: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load_config(DIGITS, [override]), section), key) == value


def test_the_last_of_two_changes_wins() -> None:
    assert load_config(DIGITS, ["training.seed=1", "training.seed=2"]).training.seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "schedule.total_step=3",
            r"there is no schedule.total_step \(did you mean total_steps\?\); schedule of cosine has: peak_lr",
        ),
        ("schedul.total_steps=3", r"there is no schedul \(did you mean schedule\?\)"),
        ("source.sise=3", r"there is no source.sise \(did you mean size\?\)"),
        ("schedule.total_steps=1e3", r"schedule.total_steps=1000.0: input should be a valid integer"),
        ("schedule.total_steps=20", r"warmup_steps=50 is not below total_steps=20, .* lower warmup_steps"),
        ("schedule.final_lr=9", r"final_lr=9.0 is above peak_lr=0.0\d+; lower final_lr"),
        ("training.precision=fp8", r"training.precision='fp8': input should be 'auto', 'float32', 'float64', 'bf16' or 'fp16'"),
        ("training.global_batch=0", r"training.global_batch=0: input should be greater than 0"),
        ("training.seed=yes", r"training.seed='yes': input should be a valid integer"),
        ("training.select_by=mio", r"training.select_by=mio is not a metric of task segmentation \(did you mean miou\?\)"),
        ("registration.metric=f1", r"registration.metric=f1 is not a metric of task segmentation; it has: miou"),
        ("registration.name=a/b", r"registration.name='a/b'"),
        ("data.val_split=test", r"data.val_split=test is not among the splits of the source, \['train', 'val'\]"),
        ("evaluation.split=test", r"evaluation.split=test is not among the splits"),
        ("data.scale=[2, 1]", r"scale=\[2.0, 1.0\] is the wrong way round"),
        ("data.crop=5", r"data.crop=5: input should be a valid array"),
        ("data.flip=1.5", r"data.flip=1.5: input should be less than or equal to 1"),
        ("model.channels=100", r"model.channels=100: input should be a multiple of 32"),
        ("source.digit_size=[20, 90]", r"digit_size reaches 90 pixels, which is more than size=64"),
        ("source.digits_per_scene=[5, 2]", r"digits_per_scene=\[5, 2\] is the wrong way round"),
        ("source.uri=/somewhere", r"source.uri='/somewhere'"),
        ("source.format=cocoa", r"there is no source.format=cocoa \(did you mean coco\?\); there are: digits, masks, coco"),
        ("source.format=coco", r"there is no source.size; source of coco has: "),
        ("checkpoint.keep_last=1", r"checkpoint.keep_last=1: input should be greater than or equal to 2"),
        ("source.classes=[a, b]", r"there is no source.classes; source of digits has: policy, max_skipped"),
        ("source.masks=3", r"there is no source.masks; source of digits has"),
        ("masks.uri=x", r"there is no masks.*; a recipe has: source, data"),
        ("optimiser.momentum=0.5", r"there is no optimiser.momentum; optimiser of adamw has: name, weight_decay"),
        ("optimiser.betas=[1.0, 0.9]", r"optimiser.betas.0=1.0: input should be less than 1"),
        ("optimiser.name=adam", r"there is no optimiser.name=adam \(did you mean adamw\?\); there are: adamw, sgd"),
        ("task.name=detection", r"there is no task.name=detection; there are: segmentation, classification"),
        ("data.transform=resized_crop", r"there is no data.scale; data of resized_crop has: "),
        ("model.name=classifier", r"there is no model.channels; model of classifier has: "),
        ("model.weights=imagenet", r"model.weights: 'imagenet' is neither none, timm, nor the URI of a .safetensors file"),
        ("schedule.name=poly", r"there is no schedule.name=poly; there are: cosine, polynomial"),
        ("source.target=label", r"target=label names one digit a picture, but digits_per_scene=\[2, 5\]; set digits_per_scene=\[1, 1\]"),
        ("loader.prefetch=9", r"there is no loader.prefetch"),
        ("schedule=3", r"--set schedule=3 is not of the form section.key=value"),
        ("schedule.total_steps", r"is not of the form section.key=value"),
        ("optimiser.betas=[0.8", r"--set optimiser.betas=\[0.8: "),
        ("training.seed=.nan", r"holds a value that a config cannot"),
    ],
)
def test_what_cannot_be_meant_is_told(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(DIGITS, [override])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'segmentation-digit' \(did you mean segmentation-digits\?\)"):
        load_config("segmentation-digit")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a mapping of sections"),
        ("a: [", r"is not YAML: .*found .<stream end>. at line 1, column 5"),
        ("- a\n- b\n", r"holds list; write a mapping of sections"),
        ("training: 5\n", r"training=5: input should be an object"),
        ("training: {seed: 1}\ntraining: {seed: 2}\n", "is not YAML.*duplicate key"),
        ("source: [1]\n", "source"),
    ],
)
def test_a_file_that_is_no_recipe_is_told_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=rf"mine\.yaml.*{message}|{message}"):
        load_config(str(path))


def test_a_file_that_cannot_be_read_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")

    with pytest.raises(ConfigError, match=r"folder\.yaml cannot be read: Is a directory$"):
        load_config(str(tmp_path / "folder.yaml"))
    with pytest.raises(ConfigError, match=r"latin\.yaml is not text in UTF-8: invalid continuation byte, at byte 3$"):
        load_config(str(tmp_path / "latin.yaml"))


def test_a_misspelt_key_is_told_before_the_one_that_is_missing_for_it() -> None:
    with pytest.raises(ConfigError) as told:
        load_config(DIGITS, ["source.clases=[a, b]"], source="masks", data="here")

    first, second = str(told.value).splitlines()
    assert "there is no source.clases (did you mean classes?)" in first
    assert "source.classes must be given" in second


def test_the_recipes_of_a_task_are_found() -> None:
    found = {task: recipes_for(task) for task in ("segmentation", "classification")}

    assert sorted(name for names in found.values() for name in names) == recipe_names()
    assert all(name.startswith(task) for task, names in found.items() for name in names)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^there is no file nowhere/mine\.yaml$"):
        load_config("nowhere/mine.yaml")


def test_a_source_of_another_format_takes_that_formats_defaults() -> None:
    config = load_config(DIGITS, ["source.classes=[background, cell]"], source="masks", data="s3://bucket/images")

    assert config.source == MasksSource(uri="s3://bucket/images", classes=("background", "cell"))


def test_the_recipes_own_source_keeps_its_values() -> None:
    config = load_config("segmentation-microscopy", source="masks", data="here")

    assert isinstance(config.source, MasksSource)
    assert config.source.classes == ("background", "nucleus")


def test_built_in_scenes_take_no_data() -> None:
    with pytest.raises(ConfigError, match=r"--data here .* the source is digits, which is built in; add --source masks"):
        load_config(DIGITS, data="here")


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no source 'mask' \(did you mean masks\?\)"):
        load_config(DIGITS, source="mask")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": ("a", "b"), "ignore": (1,)}, r"ignore=\[1\] names \[1\], which are indices of the 2 classes"),
        ({"classes": ("a", "a")}, r"classes=\['a', 'a'\] names one twice"),
        ({"classes": ("a", "b"), "splits": ("x", "x")}, r"splits=\['x', 'x'\] names one twice"),
    ],
)
def test_labels_that_clash_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MasksSource(**values)  # pyright: ignore


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source.target=mask", r"source.format=digits gives a mask for each image; task classification learns from a label"),
        ("registration.metric=miou", r"registration.metric=miou is not a metric of task classification; it has: top1, top5"),
        ("model.name=semantic_fpn", r"model.name=semantic_fpn is not a model for task classification; it has: classifier"),
    ],
)
def test_sections_that_do_not_go_with_the_task_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("classification-digits", [override])


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (MasksSource, {"classes": ("a", "b"), "colours": ((0, 0, 0),)}, r"colours has 1 entries for 2 classes"),
        (MasksSource, {"classes": ("a", "b"), "ignore_colours": ((0, 0, 0),)}, r"cannot act without colours"),
        (MasksSource, {"classes": ("a", "b"), "colours": ((0, 0, 0), (0, 0, 0))}, r"names one twice"),
        (CocoSource, {"classes": ("cat", "background")}, r"background and classes=.* names one twice"),
        (VocSource, {"classes": ("a", "b"), "ignore": (0,)}, r"names \[0\], which are indices of the 2 classes"),
        (FoldersSource, {"classes": ("a", "a")}, r"names one twice"),
        (FoldersSource, {"split_shares": (0.5,)}, r"has 1 shares for the 2 splits"),
        (FoldersSource, {"split_shares": (0.5, 0.4)}, r"add up to 0.9; make them add up to 1"),
        (ResizedCropConfig, {"crop": (64, 80), "resize": 72}, r"resize=72 is below crop=\[64, 80\]"),
        (ResizedCropConfig, {"area": (0.9, 0.5)}, r"area=\[0.9, 0.5\] is the wrong way round"),
        (PolynomialConfig, {"warmup_steps": 10, "total_steps": 10}, r"warmup_steps=10 is not below total_steps=10"),
    ],
)
def test_values_of_a_section_that_disagree_are_refused(section: type[Section], values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        section(**values)


def test_a_recipe_without_a_source_is_checked_against_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("data: {val_split: nope}\n")

    with pytest.raises(ConfigError, match=r"data.val_split=nope is not among the splits of the source, \['train', 'val'\]"):
        load_config(str(tmp_path / "recipe.yaml"))


def test_the_split_to_train_on_is_the_first_of_the_source() -> None:
    with pytest.raises(ConfigError, match=r"data.train_split=train is not the first of source.splits=\['val', 'train'\]"):
        load_config("segmentation-microscopy", ["source.splits=[val, train]"], data="x")


def test_a_recipe_that_names_no_metric_gets_the_main_one_of_its_task(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, "classification", training={"select_by": "top5"}, registration={})
    values = json.loads(recipe.read_text())
    del values["registration"]
    recipe.write_text(json.dumps(values))

    config = load_config(str(recipe))

    assert (config.training.select_by, config.registration.metric) == ("top5", "top1")


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_the_sections_of_the_stage_train_are_a_recipe_for_it(task: str, tmp_path: Path) -> None:
    config = load_config(str(write_recipe(tmp_path, task)))
    (tmp_path / "stage.yaml").write_text(stage_config(config, "train"))

    stage = load_config(str(tmp_path / "stage.yaml"), reads_source=False)

    assert stage.sections(*STAGE_SECTIONS["train"]) == config.sections(*STAGE_SECTIONS["train"])


def test_a_stage_gets_its_own_sections_and_no_other() -> None:
    config = load_config(DIGITS, ["evaluation.examples=3"])

    assert stage_config(config, "evaluate") == '{"evaluation":{"examples":3,"split":"val"}}'
    assert parse_sections(stage_config(config, "evaluate")).evaluation == config.evaluation
    for stage in STAGE_SECTIONS:
        again = parse_sections(stage_config(config, stage))
        assert again.sections(*STAGE_SECTIONS[stage]) == config.sections(*STAGE_SECTIONS[stage])


def test_sections_that_cannot_be_read_are_told() -> None:
    with pytest.raises(ConfigError, match=r"there is no training\.sed"):
        parse_sections('{"training": {"sed": 1}}')


DATA = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("override", "dataset", "training"),
    [
        ("source.size=48", True, False),
        ("data.flip=0.1", False, True),
        ("model.backbone=resnet18", False, True),
        ("optimiser.weight_decay=0.1", False, True),
        ("schedule.peak_lr=0.1", False, True),
        ("training.seed=5", False, True),
        ("evaluation.examples=3", False, False),
        ("registration.minimum=0.1", False, False),
        ("loader.workers=3", False, False),
        ("checkpoint.every_steps=7", False, False),
        ("telemetry.every_steps=7", False, False),
    ],
)
def test_only_what_can_change_a_result_changes_its_digest(override: str, dataset: bool, training: bool) -> None:
    plain, changed = load_config(DIGITS), load_config(DIGITS, [override])

    assert (plain.dataset_digest("x") != changed.dataset_digest("x")) == dataset
    assert (plain.train_digest(DATA) != changed.train_digest(DATA)) == training
    assert plain.config_digest != changed.config_digest


def test_where_the_images_lie_does_not_name_them() -> None:
    here, there = (load_config("segmentation-microscopy", source="masks", data=uri) for uri in ("here", "s3://there/x"))

    assert here.dataset_digest("x") == there.dataset_digest("x")
    assert here.dataset_digest("x") != here.dataset_digest("y")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().source = DigitsSource()  # pyright: ignore


def test_reading_a_recipe_loads_none_of_the_heavy_packages() -> None:
    code = (
        "import sys, trainer.config, trainer.recipe; trainer.recipe.load_config('segmentation-digits'); "
        "print([name for name in ('torch', 'timm', 'kfp', 'kubernetes', 'boto3', 'numpy') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_sections_without_a_source_are_not_held_against_its_splits(tmp_path: Path) -> None:
    path = tmp_path / "stage.yaml"
    path.write_text(
        stage_config(
            load_config(
                "segmentation-microscopy", ["source.splits=[a, b]", "data.train_split=a", "data.val_split=b", "evaluation.split=b"]
            ),
            "train",
        )
    )

    assert load_config(str(path), reads_source=False).data.val_split == "b"


def test_a_section_that_names_no_kind_is_of_the_default_kind(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("optimiser: {weight_decay: 0.5}\nsource: {size: 48}\n")

    config = load_config(str(path))

    assert config.optimiser == AdamWConfig(weight_decay=0.5)
    assert config.source == DigitsSource(size=48)
