"""The JSON documents that stages hand on, versioned, each with the digests of what it was made from."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.canonical import canonical_json, sha256_digest
from trainer.errors import DataError


class Part(BaseModel):
    """Base of everything in a document: frozen, strict."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Report(Part):
    """Base of the documents: read and written as canonical JSON."""

    def to_bytes(self) -> bytes:
        return canonical_json(self.model_dump(mode="json")).encode()

    @property
    def digest(self) -> str:
        return sha256_digest(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Self:
        """Read a document.

        Raises:
            DataError: it is not one, or of another version.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(
                f"{where} is not a {cls.__name__} of this version: {place}: {first['msg']}; make it again with this version"
            ) from None


class FileDigest(Part):
    """A file beside a document. `digest` is `algorithm:hex`; `size` in bytes."""

    name: str
    size: int
    digest: str


class Skipped(Part):
    """An image that was left out, and why."""

    file: str
    reason: str


class Shard(Part):
    """One tar file and its index, `<name>.tar` and `<name>.index.json`."""

    name: str
    samples: int
    tar: FileDigest
    index: FileDigest


class Split(Part):
    """One split of a prepared data set. Sizes are (height, width) in pixels; `class_counts[c]` counts class c, in the manifest's unit."""

    name: str
    target: Literal["mask", "label"]  # what there is to learn of an image
    samples: int
    shards: tuple[Shard, ...]
    class_counts: tuple[int, ...]
    ignored: int
    smallest: tuple[int, int]
    largest: tuple[int, int]


class DatasetManifest(Report):
    """`manifest.json` of prepared shards. Holds no path, time or host: its digest is the `data_digest`.

    `mean` and `std` are of the first split's pixels, for each of R, G, B, in 0–255. Classes are counted in `unit`. The shards' masks
    use 255 for pixels that belong to no class, whatever the source used. `notices` are sentences about the whole set.
    """

    format: Literal[2] = 2
    unit: Literal["pixels", "images"]
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    splits: tuple[Split, ...]
    skipped: tuple[Skipped, ...]
    notices: tuple[str, ...] = ()

    def split(self, name: str) -> Split:
        """The named split.

        Raises:
            DataError: there is none.
        """
        for split in self.splits:
            if split.name == name:
                return split
        raise DataError(f"the data set has no split {name!r}; it has: {', '.join(split.name for split in self.splits)}")


class DatasetReport(Report):
    """What prepare did. `dataset` is the URI of the folder that holds `manifest.json`."""

    kind: Literal["dataset"] = "dataset"
    dataset: str
    data_digest: str
    source_digest: str
    adopted: bool
    seconds: float
    samples: dict[str, int]
    skipped: tuple[Skipped, ...]
    notices: tuple[str, ...] = ()


class InitialWeights(Part):
    """The file that a model started from: how many of its tensors went in, which did not, and which of the model's are not from it."""

    uri: str
    digest: str
    loaded: int
    left_out: tuple[str, ...]
    missing: tuple[str, ...]


class ModelSpec(Report):
    """`model.json` beside `model.safetensors`: everything that is needed to build the model and read its output."""

    format: Literal[1] = 1
    model: dict[str, Any]
    task: dict[str, Any]
    data: dict[str, Any]
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    initial_weights: InitialWeights | None = None


class TrainReport(Report):
    """What train did. `checkpoint` is the URI of the selected checkpoint's folder."""

    kind: Literal["train"] = "train"
    completed: bool
    checkpoint: str
    samples_seen: int
    steps: int
    scores: dict[str, float]
    model_digest: str
    generation: int
    dataset: str
    data_digest: str
    train_digest: str
    config_digest: str
    code_version: str
    git_commit: str
    world_size: int
    precision: str
    parameters: int
    initial_weights: InitialWeights | None = None
    skipped_steps: int = 0  # left out because fp16 overflowed
    images_per_second: float
    seconds: float
    attempts: int
    sections: dict[str, Any]
    command: str


def train_report_key(generation: int) -> str:
    """Where a generation's TrainReport lies, below the training's folder."""
    return f"reports/{generation:04d}.json"


class HistoryRecord(Report):
    """One point of the learning curves, after `step` optimiser steps. `loss` is the mean over that step's global batch."""

    step: int
    samples_seen: int
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    scores: dict[str, float] | None = None


class ClassScore(Part):
    """One class on the evaluated split: its figures (None where the class is absent), and how many pixels or images it has."""

    name: str
    scores: dict[str, float | None]
    support: int


class Example(Part):
    """One picture of the report: where it lies, how it scored, among which it is, and what was said of it."""

    sample: str
    score: float
    picture: str
    rank: Literal["worst", "median", "best"]
    caption: str = ""


class EvaluationReport(Report):
    """What evaluate found. `confusion[t][p]` counts pixels, or images, of class t that were called p."""

    kind: Literal["evaluation"] = "evaluation"
    task: str
    split: str
    protocol: str
    metrics: dict[str, float]
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    images: int
    images_per_second: float
    seconds: float
    checkpoint: str
    model_digest: str
    train_report_digest: str
    data_digest: str
    train_digest: str
    config_digest: str
    code_version: str
    examples: tuple[Example, ...]
    page: str


VERSION_FILE = "version.json"


class ModelVersion(Report):
    """`version.json`: a registered model, keyed by the digests of its files. `number` is for display alone."""

    kind: Literal["model-version"] = "model-version"
    name: str
    version: str
    number: int
    files: tuple[FileDigest, ...]
    metrics: dict[str, float]
    data_digest: str
    train_digest: str
    config_digest: str
    report_digest: str
    code_version: str
    run: str


class RegistrationReport(Report):
    """What register decided. `state` is `refused` where the gate was not passed: the version is kept, the alias stays."""

    kind: Literal["registration"] = "registration"
    state: Literal["promoted", "refused", "adopted"]
    reason: str
    name: str
    version: str
    number: int
    uri: str
    alias: str
    metrics: dict[str, float]
