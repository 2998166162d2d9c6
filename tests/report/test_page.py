"""The page as a whole: complete, self-contained, safe to open."""

from __future__ import annotations

import base64
import math
import re
from html.parser import HTMLParser

import pytest
from report_documents import COMMAND, evaluation, history, manifest, page, picture, training

from trainer.errors import DataError
from trainer.report.page import render_page
from trainer.reports import ClassScore, Example, HistoryRecord
from trainer.tasks import classification
from trainer.tasks.segmentation import WORDS

SECTIONS = ["headline", "curves", "classes", "confusion", "examples", "data", "training", "provenance"]
VOID = {"meta", "link", "br", "img", "col"}
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether each tag was closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """The words of the page, style sheet left out, each space one."""
        body = "".join(self.texts[self.texts.index("Sightline · evaluation report · segmentation") :])
        return " ".join(body.split())

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def test_every_tag_is_closed_in_its_turn() -> None:
    parsed = Page(page())
    assert parsed.open == []
    assert parsed.unbalanced == []


def test_every_section_is_there_in_the_order_a_reader_asks() -> None:
    assert [attributes.get("id") for attributes in Page(page()).tags("section")] == SECTIONS


def test_the_headline_has_the_main_metric_and_what_was_scored() -> None:
    text = Page(page()).text
    assert "semantic_fpn on resnet18 split val" in text
    for words in ("Mean IoU 63.6%", "Pixel accuracy78.6%", "Images evaluated1,400", "Speed212 images/s"):
        assert words in text


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = page()
    sources = [
        value or ""
        for _, attributes in Page(html).elements
        for key, value in attributes.items()
        if key in {"src", "href", "srcset", "data"}
    ]
    assert len(sources) == 2  # the picture, and an icon that keeps browsers from asking for one
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"https?://|@import|url\(", html)


def test_the_page_forbids_scripts_and_holds_none() -> None:
    parsed = Page(page())
    policy = next(meta["content"] for meta in parsed.tags("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert parsed.tags("script") == []
    assert not any(key.startswith("on") for _, attributes in parsed.elements for key in attributes)


def test_pictures_are_inlined_byte_for_byte() -> None:
    source = Page(page()).tags("img")[0]["src"] or ""
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == picture()


def test_a_picture_that_was_not_handed_over_is_named() -> None:
    with pytest.raises(DataError, match=r"'7\.png'.*it was given: \['other\.png'\]"):
        render_page(evaluation(), training(), history(), manifest(), {"other.png": picture()}, WORDS)


def test_no_text_of_the_documents_becomes_markup() -> None:
    examples = (evaluation().examples[0].model_copy(update={"sample": EVIL}),)
    names = ("background", EVIL, '"><img src=x onerror=alert(1)>')
    html = render_page(
        evaluation(names, examples=examples, protocol=EVIL, checkpoint=EVIL),
        training(command=f"sightline {EVIL}", sections={"model": {"name": EVIL, "backbone": EVIL}}),
        history(),
        manifest(names, skipped=1),
        {"7.png": picture()},
        WORDS,
        registered_as=EVIL,
    )
    parsed = Page(html)
    assert parsed.tags("script") == []
    assert len(parsed.tags("img")) == 1
    assert not any("onerror" in attributes for _, attributes in parsed.elements)
    assert f"sightline {EVIL}" in parsed.text  # shown, as text
    assert parsed.unbalanced == []


def test_the_same_documents_give_the_same_page() -> None:
    assert page() == page()


def test_an_absent_class_is_shown_with_dashes() -> None:
    assert "dog — — 0.0%" in Page(page()).text


def test_a_class_that_was_never_there_has_an_empty_row_in_the_matrix() -> None:
    assert "dog———" in Page(page()).text.replace(" ", "")


def test_the_matrix_shows_percentages_of_the_truth_and_its_labels() -> None:
    text = Page(page()).text
    assert "prediction →truth ↓" in text
    assert "background80.015.05.0" in text.replace(" ", "")
    assert "Most often mistaken: “cat” for “background” (25.0%)" in text


def test_a_page_without_examples_says_so() -> None:
    parsed = Page(page(examples=()))
    assert parsed.tags("img") == []
    assert "No examples were asked for." in parsed.text


def test_an_empty_history_leaves_a_page_without_charts() -> None:
    html = render_page(evaluation(), training(), [], manifest(), {"7.png": picture()}, WORDS)
    assert Page(html).tags("svg") == []
    assert Page(html).text.count("Nothing was recorded.") == 4


def test_figures_that_are_not_finite_are_dashes() -> None:
    records = [HistoryRecord(step=1, samples_seen=32, loss=math.nan), HistoryRecord(step=2, samples_seen=64, loss=0.5)]
    broken = evaluation(metrics={"miou": math.nan}, images_per_second=math.nan)
    text = Page(render_page(broken, training(), records, manifest(), {"7.png": picture()}, WORDS)).text
    assert "Mean IoU —" in text
    assert "1 recorded value is not finite and not drawn." in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_a_split_without_pixels_has_a_page() -> None:
    parsed = Page(page(confusion=[[0] * 3] * 3))
    assert "No class of this split could be scored." in parsed.text
    assert parsed.unbalanced == []


def test_an_unfinished_training_is_told() -> None:
    html = render_page(evaluation(), training(completed=False), history(), manifest(), {"7.png": picture()}, WORDS)
    assert "The training had not come to its end" in Page(html).text
    assert "The training had not come to its end" not in Page(page()).text


@pytest.mark.parametrize(
    ("skipped", "words", "collapsed"), [(0, "No image was left out.", 2), (2, "Left out: 2", 2), (6, "6 images were left out", 3)]
)
def test_skipped_images_are_listed_and_many_are_folded(skipped: int, words: str, collapsed: int) -> None:
    parsed = Page(render_page(evaluation(), training(), history(), manifest(skipped=skipped), {"7.png": picture()}, WORDS))
    assert words in parsed.text
    assert parsed.text.count("truncated") == skipped
    assert len(parsed.tags("details")) == collapsed


def test_the_command_and_each_digest_can_be_copied_whole() -> None:
    fields = re.findall(r'<code class="copy">(.*?)</code>', page())
    assert fields[0] == COMMAND
    assert {"sha256:model", "sha256:data", "sha256:train", "sha256:config", "sha256:code", "0123abcd"} <= set(fields)


def test_a_registered_model_is_named_in_the_header() -> None:
    html = render_page(evaluation(), training(), history(), manifest(), {"7.png": picture()}, WORDS, registered_as="digits v3")
    assert "registered as digits v3" in Page(html).text
    assert "registered as" not in Page(page()).text


def test_what_can_be_scrolled_can_be_reached_by_keyboard() -> None:
    boxes = [attributes for _, attributes in Page(page()).elements if attributes.get("class") == "scroll"]
    assert len(boxes) >= 3
    assert all(box.get("tabindex") == "0" and box.get("aria-label") for box in boxes)


def test_two_hundred_classes_have_a_page() -> None:
    names = [f"class {c}" for c in range(200)]
    confusion = [[int(t == p) for p in range(200)] for t in range(200)]
    parsed = Page(page(names, confusion))
    assert "class 199 100.0% 100.0% 0.5%" in parsed.text
    assert parsed.unbalanced == []


def test_examples_stand_in_groups_from_the_worst_to_the_best() -> None:
    examples = tuple(
        Example(sample=f"val-{rank}", score=0.5, picture="7.png", rank=rank, caption=f"said of {rank}")
        for rank in ("worst", "median", "best")
    )
    text = Page(page(examples=examples)).text
    assert re.findall(r"Worst|Median|Best|val-\w+ ?said of (?:worst|median|best)", text) == [
        "Worst", "val-worstsaid of worst", "Median", "val-mediansaid of median", "Best", "val-bestsaid of best",
    ]  # fmt: skip


def test_a_page_of_a_classification_speaks_of_images() -> None:
    scores = tuple(ClassScore(name=name, scores={"f1": 0.5, "precision": 0.25, "recall": None}, support=9) for name in ("cat", "dog"))
    report = evaluation(("cat", "dog"), ((1, 2), (3, 4)), classes=scores, task="classification", metrics={"top1": 0.5, "top5": 1.0})
    html = render_page(report, training(), history(), manifest(("cat", "dog")), {"7.png": picture(2)}, classification.WORDS)
    text = " ".join("".join(Page(html).texts).split())
    for words in ("Top-1 accuracy 50.0%", "ClassF1PrecisionRecallImages", "Of all images of a true class", "True class 50.0%"):
        assert words in text
    assert "Truth" not in text
    assert Page(html).unbalanced == []


def test_what_the_preparation_noticed_is_told() -> None:
    noticed = manifest().model_copy(update={"notices": ("class dog is in no split",)})
    html = render_page(evaluation(), training(), history(), noticed, {"7.png": picture()}, WORDS)
    assert "No image was left out. class dog is in no split" in Page(html).text
