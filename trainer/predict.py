"""The predict verb: what a model says of images, written as files beside an index."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer.code_version import code_version
from trainer.data.gallery import Picture, find_pictures
from trainer.data.parallel import in_order
from trainer.data.sources.base import Pixels, UnusableImageError
from trainer.data.sources.pictures import read_picture
from trainer.data.transforms import open_view
from trainer.errors import ConfigError, ObjectMissingError, StoreDeniedError
from trainer.models.released import Released, load_released
from trainer.reports import Part, Report, Skipped
from trainer.storage import Store, open_store
from trainer.tasks import build_task
from trainer.tasks.base import Answer, Task
from trainer.tiling import Tiled, Tiling, predict_large

INDEX, TABLE = "predictions.json", "predictions.csv"
_FETCHING_THREADS = 4  # a bucket answers late; decoding stays in one thread, because it changes Python's filters of warnings


@dataclass(frozen=True)
class Settings:
    """How to predict; apart from the tiling of large images, it does not change what is predicted."""

    device: str = "auto"  # cpu, cuda or cuda:N; auto takes a GPU where there is one
    batch: int = 16  # images of one size that go through the model together, as far as tiling.most_pixels allows
    tiling: Tiling = field(default_factory=Tiling)


class Prediction(Part):
    """Of one image: where it is, its (height, width), what was written, and what the task tells of it in figures.

    A large image was seen in `tiles`, in so many `passes`; `norm_change` is how far the last one changed the norms' statistics.
    """

    image: str
    size: tuple[int, int]
    files: tuple[str, ...]
    figures: dict[str, str | float]
    tiles: int
    passes: int
    norm_change: float | None


class PredictionReport(Report):
    """`predictions.json`. `name`, `number` and `version` are of the registered model; empty for one that is not."""

    kind: Literal["predictions"] = "predictions"
    model: str
    name: str
    number: int | None
    version: str
    model_digest: str
    code_version: str
    task: str
    classes: tuple[str, ...]
    device: str
    seconds: float
    predictions: tuple[Prediction, ...]
    skipped: tuple[Skipped, ...]


class Seen(NamedTuple):
    """An image as the model sees it, `[3, H, W]` uint8, and the size that it came in."""

    picture: Picture
    size: tuple[int, int]
    image: Tensor


Tell = Callable[[Prediction | Skipped, int], None]


def predict(model: str, places: Sequence[str], *, out: str, settings: Settings, tell: Tell | None = None) -> PredictionReport:
    """Predict images, write what the task keeps of each, and at the end predictions.csv and predictions.json.

    Args:
        model: URI of a folder with `model.safetensors` and `model.json`.
        places: URIs of images, and of folders of them.
        out: URI of a folder; files there of equal names are replaced.
        tell: called with each image when it is done, or skipped, and the number of all.

    Raises:
        ConfigError: there is no such device, or no image.
        CorruptObjectError: the model's files are not those that were written.
    """
    began = time.monotonic()
    pictures = find_pictures(places, out)
    released = load_released(open_store(model), open_device(settings.device))
    results: list[Prediction | Skipped] = []
    for result in _results(released, pictures, out, settings):
        results.append(result)
        if tell:
            tell(result, len(pictures))
    report = _report(model, released, results, time.monotonic() - began)
    open_store(out).put(TABLE, table(report.predictions).encode())
    open_store(out).put(INDEX, report.to_bytes())
    return report


def open_device(name: str) -> torch.device:
    """The device of a setting.

    Raises:
        ConfigError: there is none of that name here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    here = ["cpu"] + ["cuda"] * torch.cuda.is_available() + [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if name not in here:
        raise ConfigError(f"device {name} is not here; there is: {', '.join(here)}")
    return torch.device(name)


def table(predictions: Sequence[Prediction]) -> str:
    """A row an image: its place and the task's figures."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["image", *(predictions[0].figures if predictions else ())])
    rows.writerows([prediction.image, *prediction.figures.values()] for prediction in predictions)
    return text.getvalue()


def _results(released: Released, pictures: Sequence[Picture], out: str, settings: Settings) -> Iterator[Prediction | Skipped]:
    task = build_task(released.config.task, released.config.data, len(released.spec.classes))
    store = open_store(out)
    for group in _groups(_seen(released, pictures), settings):
        if isinstance(group, Skipped):
            yield group
            continue
        tiled = _ask(task, released, torch.stack([seen.image for seen in group]), settings.tiling)
        for seen, prediction in zip(group, tiled.prediction.cpu(), strict=True):
            answer = task.answer(seen.image.numpy(), prediction, released.spec.classes)
            yield _kept(seen, answer, tiled, store)


def _kept(seen: Seen, answer: Answer, tiled: Tiled, store: Store) -> Prediction:
    files = {f"{seen.picture.name}.{extension}": data for extension, data in answer.files.items()}
    for key, data in files.items():
        store.put(key, data)
    return Prediction(
        image=seen.picture.uri,
        size=seen.size,
        files=tuple(files),
        figures=answer.figures,
        tiles=tiled.tiles,
        passes=tiled.passes,
        norm_change=tiled.change if math.isfinite(tiled.change) else None,
    )


def _ask(task: Task, released: Released, images: Tensor, tiling: Tiling) -> Tiled:
    ask = partial(task.predict, released.model)
    with torch.inference_mode():
        images = images.to(released.model.mean.device)
        return predict_large(ask, images, tiling) if task.is_dense else Tiled(ask(images))


def _groups(seen: Iterator[Seen | Skipped], settings: Settings) -> Iterator[list[Seen] | Skipped]:
    """Neighbours of one size, as many as the settings allow; what was skipped comes when it is met."""
    group: list[Seen] = []
    for one in seen:
        if isinstance(one, Skipped):
            yield one
            continue
        most = min(settings.batch, settings.tiling.most_pixels // one.image[0].numel())
        if group and (one.image.shape != group[0].image.shape or len(group) >= most):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _seen(released: Released, pictures: Sequence[Picture]) -> Iterator[Seen | Skipped]:
    view, no_target = open_view(released.config.data), torch.tensor(0)
    with ThreadPoolExecutor(_FETCHING_THREADS) as pool:
        for picture, data in zip(pictures, in_order(pool, _fetched, pictures, in_flight=_FETCHING_THREADS), strict=True):
            pixels = _pixels(data, picture) if isinstance(data, bytes) else data
            if isinstance(pixels, Skipped):
                yield pixels
                continue
            image, _ = view.evaluate(torch.tensor(pixels).permute(2, 0, 1), no_target)
            yield Seen(picture, (pixels.shape[0], pixels.shape[1]), image)


def _fetched(picture: Picture) -> bytes | Skipped:
    try:
        return picture.read()
    except (ObjectMissingError, StoreDeniedError) as error:
        return Skipped(file=picture.uri, reason=f"cannot be read: {error}")


def _pixels(data: bytes, picture: Picture) -> Pixels | Skipped:
    try:
        return read_picture(data, picture.uri).pixels
    except UnusableImageError as error:
        return Skipped(file=error.file, reason=error.reason)


def _report(model: str, released: Released, results: Sequence[Prediction | Skipped], seconds: float) -> PredictionReport:
    version = released.version
    return PredictionReport(
        model=model,
        name=version.name if version else "",
        number=version.number if version else None,
        version=version.version if version else "",
        model_digest=released.model_digest,
        code_version=code_version(),
        task=released.config.task.name,
        classes=released.spec.classes,
        device=str(released.model.mean.device),
        seconds=seconds,
        predictions=tuple(result for result in results if isinstance(result, Prediction)),
        skipped=tuple(result for result in results if isinstance(result, Skipped)),
    )
