"""What the sections of a page are made of."""

from __future__ import annotations

import math

import pytest
from report_documents import COMMAND, NAMES, evaluation, manifest, training

from trainer.report import sections
from trainer.reports import InitialWeights, Split
from trainer.tasks.segmentation import WORDS


def test_the_main_metric_comes_first_and_by_its_name() -> None:
    metrics = sections.metrics_of(evaluation(), WORDS)
    assert [name for name, _ in metrics] == ["Mean IoU", "Pixel accuracy", "Mean accuracy"]
    assert metrics[1][1] == pytest.approx(110 / 140)


def test_a_metric_that_no_one_named_keeps_its_key() -> None:
    metrics = sections.metrics_of(evaluation(metrics={"boundary_f": 0.5, "miou": 0.25}), WORDS)
    assert metrics == [("Mean IoU", 0.25), ("boundary_f", 0.5)]


def test_a_metric_that_is_not_finite_has_no_value() -> None:
    assert sections.metrics_of(evaluation(metrics={"miou": math.nan}), WORDS) == [("Mean IoU", None)]


def test_classes_keep_their_order_and_tell_their_share_of_the_pixels() -> None:
    rows = sections.class_rows(evaluation().classes, WORDS)
    assert [row.name for row in rows] == list(NAMES)
    assert [row.share for row in rows] == [pytest.approx(100 / 140), pytest.approx(40 / 140), 0.0]
    assert rows[1].main == pytest.approx(30 / 55)


def test_an_absent_class_has_no_scores() -> None:
    absent = sections.class_rows(evaluation().classes, WORDS)[2]
    assert absent.scores == (None, None)


def test_a_split_without_any_pixel_has_no_shares() -> None:
    rows = sections.class_rows(evaluation(confusion=[[0] * 3] * 3).classes, WORDS)
    assert [row.share for row in rows] == [None, None, None]


def test_the_sentence_names_the_hardest_and_the_easiest_class() -> None:
    sentence = sections.in_words(evaluation(), WORDS)
    assert "share 63.6% of the area" in sentence
    assert "Of 2 classes scored, “cat” is the hardest (54.5%) and “background” the easiest (72.7%)" in sentence


def test_the_sentence_says_when_no_class_was_scored() -> None:
    assert sections.in_words(evaluation(confusion=[[0] * 3] * 3), WORDS) == "No class of this split could be scored."


def test_rows_of_the_confusion_add_up_to_one() -> None:
    rows = sections.confusion_of(evaluation()).rows
    assert [cell.share for cell in rows[0]] == [0.8, 0.15, 0.05]
    assert [cell.count for cell in rows[1]] == [10, 30, 0]
    assert [cell.share for cell in rows[2]] == [None, None, None]


def test_the_worst_confusion_is_a_share_and_not_a_count() -> None:
    assert sections.confusion_of(evaluation()).worst == ("cat", "background", 0.25)  # 10 pixels; background lost 15 to cat


def test_a_perfect_model_confuses_nothing() -> None:
    assert sections.confusion_of(evaluation(confusion=[[5, 0, 0], [0, 3, 0], [0, 0, 1]])).worst is None


def test_the_balance_of_a_split_is_of_its_labelled_pixels() -> None:
    split = manifest().splits[0].model_copy(update={"ignored": 50})
    row = sections.split_rows(manifest().model_copy(update={"splits": (split,)}))[0]
    assert row.balance == (0.5, 0.25, 0.25)
    assert row.ignored == 0.2
    assert (row.samples, row.shards) == (2000, 1)


def test_an_empty_split_has_no_balance() -> None:
    empty = Split(name="val", samples=0, shards=(), target="mask", class_counts=(0, 0, 0), ignored=0, smallest=(0, 0), largest=(0, 0))
    row = sections.split_rows(manifest().model_copy(update={"splits": (empty,)}))[0]
    assert (row.balance, row.ignored) == ((0.0, 0.0, 0.0), None)


@pytest.mark.parametrize(("size", "text"), [(1, "1 rank"), (2, "2 ranks")])
def test_the_world_is_counted_in_ranks(size: int, text: str) -> None:
    assert dict(sections.training_facts(evaluation(), training(world_size=size)))["World size"] == text


def test_a_speed_that_was_not_measured_is_a_dash() -> None:
    facts = dict(sections.training_facts(evaluation(images_per_second=math.nan), training(seconds=math.inf)))
    assert facts["Evaluation speed"] == "— images/s"
    assert facts["Training time"] == "—"


def test_every_digest_stands_in_the_provenance() -> None:
    values = [value for _, value in sections.provenance(evaluation(), training())]
    assert values[:6] == ["sha256:model", "sha256:data", "sha256:train", "sha256:config", "sha256:trainreport", "sha256:code"]
    assert COMMAND not in values  # it has a field of its own


def test_two_versions_of_the_code_are_both_named() -> None:
    found = dict(sections.provenance(evaluation(), training(code_version="sha256:older")))
    assert (found["Code that trained"], found["Code that evaluated"]) == ("sha256:older", "sha256:code")
    assert "Code" not in found


def test_what_is_not_known_is_left_out() -> None:
    assert "Git commit" not in dict(sections.provenance(evaluation(), training(git_commit="")))


def test_settings_are_written_as_they_are_overridden() -> None:
    found = sections.settings(training())
    assert found == (("data.crop", "[64, 64]"), ("model.name", '"semantic_fpn"'), ("model.backbone", '"resnet18"'))


def test_colours_are_hexadecimal_and_distinct() -> None:
    colours = sections.colours(21)
    assert len(set(colours)) == 21
    assert colours[0] == "#707a8a"


def test_weights_that_it_started_from_are_named() -> None:
    initial = InitialWeights(uri="s3://bucket/w.safetensors", digest="sha256:w", loaded=3, left_out=("head",), missing=("head",))
    found = dict(sections.provenance(evaluation(), training(initial_weights=initial)))
    assert (found["Starts from"], found["Initial weights"]) == ("s3://bucket/w.safetensors", "sha256:w")
    assert "Starts from" not in dict(sections.provenance(evaluation(), training()))


@pytest.mark.parametrize(("skipped", "told"), [(0, None), (3, "3")])
def test_steps_that_fp16_skipped_are_told_where_there_are_any(skipped: int, told: str | None) -> None:
    assert dict(sections.training_facts(evaluation(), training(skipped_steps=skipped))).get("Steps skipped in fp16") == told
