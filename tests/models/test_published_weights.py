"""`model.weights=timm`, against a hub on the loopback: nothing is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save

from tests.hub_server import hub_server
from tests.models.specs import spec_of
from trainer.canonical import sha256_digest
from trainer.errors import ConfigError, StoreUnavailableError
from trainer.models import build_model
from trainer.models.backbones import published_weights
from trainer.models.weights import load_initial_weights

FILE = "timm/test_convnext.r160_in1k/model.safetensors"


@pytest.fixture
def published() -> bytes:
    torch.manual_seed(7)
    return save(timm.create_model("test_convnext").state_dict())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client reads its environment when it is imported, so a test sets what it read."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def use_hub(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


def test_the_published_file_goes_in_with_its_colours(published: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(backbone="test_convnext", weights="timm")
    model = build_model(spec)
    with hub_server({FILE: published}) as hub:
        use_hub(hub.url, monkeypatch)
        now = load_initial_weights(model, spec)

    torch.manual_seed(7)
    wanted = timm.create_model("test_convnext").state_dict()
    assert torch.equal(model.network.backbone.state_dict()["stem_0.weight"], wanted["stem.0.weight"])
    assert now.mean == now.std == (127.5, 127.5, 127.5)
    assert now.initial_weights is not None
    assert now.initial_weights.uri == f"hf://{FILE}"
    assert now.initial_weights.digest == sha256_digest(published)


def test_a_file_that_was_fetched_once_is_in_the_cache(published: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server({FILE: published}) as hub:
        use_hub(hub.url, monkeypatch)
        first = published_weights("test_convnext")
        again = published_weights("test_convnext")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    assert first == again == published_weights("test_convnext") == (f"hf://{FILE}", published)
    assert sum(request.startswith("GET /timm") for request in hub.requests) == 1


def test_a_hub_that_cannot_serve_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server({}, otherwise=501) as hub:
        use_hub(hub.url, monkeypatch)
        with pytest.raises(StoreUnavailableError, match=r"is not in the hub's cache and cannot be fetched: .*501") as told:
            published_weights("test_convnext")

    assert "name it in model.weights as file:///" in str(told.value)
    assert told.value.exit_code == 200


def test_a_hub_that_may_not_be_asked_is_a_setting_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ConfigError, match=r"not in the hub's cache and cannot be fetched: .*unset the `HF_HUB_OFFLINE`") as told:
        published_weights("test_convnext")

    assert told.value.exit_code == 2


def test_a_repository_without_safetensors_is_refused_whatever_else_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    with hub_server({FILE.replace("model.safetensors", "pytorch_model.bin"): b"\x80\x04K\x01."}) as hub:
        use_hub(hub.url, monkeypatch)
        with pytest.raises(ConfigError, match=r"the hub gives no timm/test_convnext.r160_in1k/model.safetensors: .*404"):
            published_weights("test_convnext")

    assert [request for request in hub.requests if ".bin" in request] == []


def test_a_backbone_without_published_weights_is_told() -> None:
    unpublished = next(name for name in timm.list_models() if not timm.list_pretrained(f"{name}*"))

    with pytest.raises(ConfigError, match=f"timm publishes no weights for {unpublished}; take another backbone"):
        published_weights(unpublished)
