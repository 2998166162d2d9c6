"""torch.compile: the same results, names and saves as without it, and a clear word where there is no compiler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._inductor import config as inductor

from tests.toys import CPU, state_of
from trainer.batch import Batch, Loss
from trainer.checkpoint.snapshot import restore, snapshot
from trainer.errors import ConfigError
from trainer.loop import train_step
from trainer.models import ImageModel
from trainer.models.compiled import compiled
from trainer.state import TrainState


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is compiled lies in the tests' folder, and nothing compiled before is known."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "inductor"))
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Means:
    """The squared scores of images, summed."""

    count_per_sample = 1.0

    def loss(self, model: nn.Module, batch: Batch) -> Loss:
        return Loss(((model(batch.images) - 1.0) ** 2).sum(), torch.tensor(len(batch)))


def tiny() -> ImageModel:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, 2))
    return ImageModel(layers, mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0))


def state_with(model: ImageModel, forward: nn.Module) -> TrainState:
    state = state_of(model=model, precision="float32", lr=1e-2)
    state.model = forward
    return state


def step(number: int) -> list[Batch]:
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))
    return [Batch(images, torch.zeros(4, dtype=torch.uint8), torch.arange(4))]


@pytest.mark.timeout(240)
def test_a_compiled_run_is_the_eager_one_and_goes_on_after_a_resume() -> None:
    eager_model, model, later = tiny(), tiny(), tiny()
    eager, fast = state_with(eager_model, eager_model), state_with(model, compiled(model, CPU))
    curves = [[train_step(state, step(number), Means()).loss for number in range(3)] for state in (eager, fast)]
    files = snapshot(fast)
    resumed = state_with(later, compiled(later, CPU))
    restore(resumed, files, "here")
    for state, curve in ((eager, curves[0]), (fast, curves[1])):
        curve.append(train_step(state, step(3), Means()).loss)
    last = train_step(resumed, step(3), Means()).loss

    assert curves[1] == pytest.approx(curves[0], rel=1e-5)
    assert curves[0][3] < curves[0][0]
    assert last == pytest.approx(curves[1][3], rel=1e-6)
    assert all(
        torch.allclose(one, other, atol=1e-6) for one, other in zip(model.state_dict().values(), later.state_dict().values(), strict=True)
    )
    assert snapshot(eager).keys() == files.keys()
    assert fast.model is not fast.module
    restore(state_with(tiny(), tiny()), files, "a run that does not compile")  # strict: the names are the same


@pytest.mark.timeout(240)
def test_without_a_compiler_it_is_told_before_training_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))

    with (
        inductor.patch({"cpp.cxx": (None, str(tmp_path / "no-compiler"))}),
        pytest.raises(
            ConfigError, match=r"training.compile=true, but nothing can be compiled for cpu here: .*C\+\+ compiler.*compile=false"
        ),
    ):
        compiled(tiny(), CPU)
