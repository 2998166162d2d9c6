"""Weights to start from: which tensors go where, what is told of the rest, and what is refused. The tests make the files themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save, save_file
from torch import Tensor

from tests.models.specs import spec_of
from trainer.canonical import sha256_digest
from trainer.errors import ConfigError, ObjectMissingError
from trainer.models import ImageModel, build_model
from trainer.models.weights import load_initial_weights
from trainer.reports import InitialWeights, ModelSpec
from trainer.storage import open_store


def tensors_of(model: torch.nn.Module, seed: int = 5) -> dict[str, Tensor]:
    """Tensors of a model's names and shapes, none of which a new model has by itself."""
    random = torch.Generator().manual_seed(seed)
    return {name: (torch.rand(tensor.shape, generator=random) + 2).to(tensor.dtype) for name, tensor in model.state_dict().items()}


def of_timm(backbone: str) -> dict[str, Tensor]:
    """As timm publishes a backbone: with its own names, and a head of 1000 classes."""
    return tensors_of(timm.create_model(backbone))


def of_ours(spec: ModelSpec) -> dict[str, Tensor]:
    """As a checkpoint and the registry hold a model."""
    return tensors_of(build_model(spec))


def written(folder: Path, tensors: Mapping[str, Tensor], name: str = "weights.safetensors") -> str:
    path = folder / name
    save_file(dict(tensors), path)
    return path.as_uri()


def loaded(spec: ModelSpec) -> tuple[ImageModel, InitialWeights, ModelSpec]:
    """A new model with what its spec names put into it, what was told, and what it is now."""
    model = build_model(spec)
    now = load_initial_weights(model, spec)
    assert now.initial_weights is not None
    return model, now.initial_weights, now


@pytest.mark.parametrize(
    ("backbone", "norm", "theirs", "mine"),
    [
        ("test_resnet", "batch", "layer1.0.conv1.weight", "layer1.0.conv1.weight"),
        ("test_resnet", "batch", "bn1.running_var", "bn1.running_var"),
        ("test_convnext", "group", "stages.1.blocks.0.conv_dw.weight", "stages_1.blocks.0.conv_dw.weight"),
        ("test_convnext", "group", "stem.0.bias", "stem_0.bias"),
        ("pvt_v2_b0", "group", "stages.2.blocks.1.attn.kv.weight", "stages_2.blocks.1.attn.kv.weight"),
        ("hiera_tiny_224", "group", "blocks.3.attn.qkv.weight", "model.blocks.3.attn.qkv.weight"),
    ],
)
def test_timms_weights_go_into_the_backbone_of_a_pyramid(backbone: str, norm: str, theirs: str, mine: str, tmp_path: Path) -> None:
    published = of_timm(backbone)
    spec = spec_of(backbone=backbone, norm=norm, weights=written(tmp_path, published))

    model = torch.nn.ModuleDict({"network": torch.nn.ModuleDict({"backbone": timm_pyramid(backbone)})})
    model.register_buffer("mean", torch.zeros(3, 1, 1))
    model.register_buffer("std", torch.ones(3, 1, 1))
    told = load_initial_weights(model, spec).initial_weights

    assert told is not None
    assert torch.equal(model.state_dict()[f"network.backbone.{mine}"], published[theirs])
    assert told.missing == ()
    assert told.loaded == len(timm_pyramid(backbone).state_dict())
    assert told.loaded + len(told.left_out) == len(published)
    assert all("head" in name or "fc" in name for name in told.left_out)


def timm_pyramid(backbone: str) -> torch.nn.Module:
    return timm.create_model(backbone, features_only=True, out_indices=(-4, -3, -2, -1))


@pytest.mark.parametrize(("backbone", "norm", "head"), [("test_resnet", "batch", "fc"), ("test_convnext", "group", "head.fc")])
def test_timms_weights_go_into_a_classifier_but_for_the_head_of_other_classes(backbone: str, norm: str, head: str, tmp_path: Path) -> None:
    published = of_timm(backbone)
    width = published[f"{head}.weight"].shape[1]

    model, told, _ = loaded(spec_of("classifier", backbone=backbone, norm=norm, weights=written(tmp_path, published)))

    backbone_now = model.network.backbone.state_dict()
    assert all(torch.equal(backbone_now[name], tensor) for name, tensor in published.items() if not name.startswith(f"{head}."))
    assert told.left_out == (
        f"network.backbone.{head}.bias [1000] for [3]",
        f"network.backbone.{head}.weight [1000, {width}] for [3, {width}]",
    )
    assert set(told.missing) == {f"network.backbone.{head}.bias", f"network.backbone.{head}.weight"}
    assert float(backbone_now[f"{head}.weight"].abs().max()) < 2


def test_a_head_of_as_many_classes_goes_in_too(tmp_path: Path) -> None:
    published = of_timm("test_convnext")

    model, told, _ = loaded(spec_of("classifier", classes=1000, backbone="test_convnext", weights=written(tmp_path, published)))

    assert torch.equal(model.network.backbone.state_dict()["head.fc.weight"], published["head.fc.weight"])
    assert (told.loaded, told.left_out, told.missing) == (len(published), (), ())


def test_the_new_parts_of_a_pyramid_are_named_and_stay_as_they_were(tmp_path: Path) -> None:
    spec = spec_of(backbone="test_convnext", weights=written(tmp_path, of_timm("test_convnext")))
    torch.manual_seed(1)
    fresh = build_model(spec).state_dict()
    torch.manual_seed(1)
    model, told, _ = loaded(spec)

    assert {name.split(".")[1] for name in told.missing} == {"lateral", "branches", "classifier"}
    assert all(torch.equal(model.state_dict()[name], fresh[name]) for name in told.missing)
    assert {name.split(".")[2] for name in told.left_out} == {"head"}


@pytest.mark.parametrize("network", ["semantic_fpn", "classifier"])
def test_a_model_of_ours_goes_in_name_for_name(network: str, tmp_path: Path) -> None:
    tensors = of_ours(spec_of(network))

    model, told, _ = loaded(spec_of(network, weights=written(tmp_path, tensors)))

    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())
    assert (told.loaded, told.left_out, told.missing) == (len(tensors) - 2, (), ())


def test_a_model_of_ours_with_other_classes_lends_all_but_its_head(tmp_path: Path) -> None:
    tensors = of_ours(spec_of(classes=11))

    _, told, _ = loaded(spec_of(classes=3, weights=written(tmp_path, tensors)))

    assert told.left_out == ("network.classifier.bias [11] for [3]", "network.classifier.weight [11, 32, 1, 1] for [3, 32, 1, 1]")
    assert set(told.missing) == {"network.classifier.weight", "network.classifier.bias"}
    assert told.loaded == len(tensors) - 4


def test_a_classifier_of_ours_lends_its_backbone_to_a_pyramid(tmp_path: Path) -> None:
    tensors = of_ours(spec_of("classifier", backbone="test_convnext"))

    model, told, _ = loaded(spec_of(backbone="test_convnext", weights=written(tmp_path, tensors)))

    block = "blocks.0.conv_dw.weight"
    assert torch.equal(model.state_dict()[f"network.backbone.stages_1.{block}"], tensors[f"network.backbone.stages.1.{block}"])
    assert {name.split(".")[2] for name in told.left_out} == {"head"}


def test_what_was_read_is_named_by_its_address_and_digest(tmp_path: Path) -> None:
    uri = written(tmp_path, of_timm("test_convnext"), "my weights.safetensors")

    _, told, _ = loaded(spec_of(backbone="test_convnext", weights=uri))

    assert told.uri == uri
    assert uri.endswith("my%20weights.safetensors")
    assert told.digest == sha256_digest((tmp_path / "my weights.safetensors").read_bytes())


def test_a_bucket_serves_as_well(bucket: str) -> None:
    tensors = of_timm("test_convnext")
    open_store(bucket).put("published/convnext.safetensors", save(tensors))

    model, told, _ = loaded(spec_of(backbone="test_convnext", weights=f"{bucket}/published/convnext.safetensors"))

    assert torch.equal(model.network.backbone.state_dict()["stem_0.bias"], tensors["stem.0.bias"])
    assert told.uri == f"{bucket}/published/convnext.safetensors"


def test_timms_weights_come_with_the_colours_that_they_were_trained_on(tmp_path: Path) -> None:
    model, _, now = loaded(spec_of("classifier", backbone="resnet18", norm="batch", weights=written(tmp_path, of_timm("resnet18"))))

    assert now.mean == pytest.approx((123.675, 116.28, 103.53))
    assert now.std == pytest.approx((58.395, 57.12, 57.375))
    assert model.mean.flatten().tolist() == pytest.approx(now.mean, rel=1e-6)
    assert model.std.flatten().tolist() == pytest.approx(now.std, rel=1e-6)


def test_a_model_of_ours_comes_with_its_own_colours(tmp_path: Path) -> None:
    tensors = {
        **of_ours(spec_of()),
        "mean": torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1),
        "std": torch.tensor([9.0, 8.0, 7.0]).view(3, 1, 1),
    }

    model, _, now = loaded(spec_of(weights=written(tmp_path, tensors)))

    assert (now.mean, now.std) == ((1.0, 2.0, 3.0), (9.0, 8.0, 7.0))
    assert model.mean.flatten().tolist() == [1.0, 2.0, 3.0]


def test_what_the_spec_says_now_is_what_a_model_built_from_it_does(tmp_path: Path) -> None:
    model, _, now = loaded(spec_of(backbone="test_convnext", weights=written(tmp_path, of_timm("test_convnext"))))

    rebuilt = build_model(ModelSpec.from_bytes(now.to_bytes(), "here"))

    assert torch.equal(rebuilt.mean, model.mean)
    assert torch.equal(rebuilt.std, model.std)


def test_without_weights_nothing_is_read_and_nothing_changes() -> None:
    model, spec = build_model(spec_of()), spec_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    assert load_initial_weights(model, spec) == spec
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_building_a_model_reads_no_weights() -> None:
    assert build_model(spec_of(weights="file:///nowhere/at/all.safetensors")).mean.flatten().tolist() == [100.0, 110.0, 120.0]


@pytest.mark.parametrize("network", ["semantic_fpn", "classifier"])
def test_the_running_figures_of_a_batch_norm_are_not_dropped_in_silence(network: str, tmp_path: Path) -> None:
    spec = spec_of(network, norm="group", weights=written(tmp_path, of_timm("test_resnet")))

    with pytest.raises(ConfigError, match=r"has a batch norm where this model has a group norm .*; set model.norm=batch"):
        load_initial_weights(build_model(spec), spec)


def test_nor_are_they_made_up(tmp_path: Path) -> None:
    spec = spec_of(norm="batch", weights=written(tmp_path, of_ours(spec_of(norm="group"))))

    with pytest.raises(ConfigError, match=r"has a group norm where this model has a batch norm .*; set model.norm=group"):
        load_initial_weights(build_model(spec), spec)


def test_a_refused_file_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    spec = spec_of(norm="group", weights=written(tmp_path, of_timm("test_resnet")))
    model = build_model(spec)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    with pytest.raises(ConfigError):
        load_initial_weights(model, spec)

    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_tensors_of_a_wider_model_are_left_out_with_both_shapes(tmp_path: Path) -> None:
    tensors = of_timm("test_convnext")
    tensors["stem.0.bias"] = torch.zeros(99)
    del tensors["stem.1.bias"]

    _, told, _ = loaded(spec_of(backbone="test_convnext", weights=written(tmp_path, tensors)))

    assert "network.backbone.stem_0.bias [99] for [24]" in told.left_out
    assert {"network.backbone.stem_0.bias", "network.backbone.stem_1.bias"} < set(told.missing)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"embedding.weight": torch.zeros(3, 4)},
            r"nothing in model.weights=.* fits this model: it holds network.backbone.embedding.weight",
        ),
        ({}, r"nothing in model.weights=.* fits this model"),
        ({"network.classifier.weight": torch.zeros(3, 32, 1, 1)}, "does not hold the mean that images were normalised with"),
        (
            {"network.classifier.weight": torch.zeros(3, 32, 1, 1), "mean": torch.zeros(3, 1, 1), "std": torch.ones(1)},
            "does not hold the std that images were normalised with",
        ),
    ],
    ids=["a foreign model", "an empty file", "no mean", "one deviation"],
)
def test_a_file_that_cannot_serve_is_refused(tensors: dict[str, Tensor], message: str, tmp_path: Path) -> None:
    spec = spec_of(weights=written(tmp_path, tensors))

    with pytest.raises(ConfigError, match=message):
        load_initial_weights(build_model(spec), spec)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04 a pickle in a zip", b"\x80\x04K\x01.", b"\xff" * 64], ids=["empty", "zip", "pickle", "noise"]
)
def test_what_is_not_safetensors_is_refused_unread(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)

    with pytest.raises(ConfigError, match=r"weights.safetensors is not a safetensors file .*; write it with safetensors.torch.save_file"):
        load_initial_weights(build_model(spec_of()), spec_of(weights=path.as_uri()))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(of_timm("test_convnext"))[:-1000])

    with pytest.raises(ConfigError, match="is not a safetensors file"):
        load_initial_weights(build_model(spec_of()), spec_of(weights=path.as_uri()))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ObjectMissingError, match=r"weights\.safetensors"):
        load_initial_weights(build_model(spec_of()), spec_of(weights=(tmp_path / "weights.safetensors").as_uri()))


def test_a_missing_object_is_told(bucket: str) -> None:
    with pytest.raises(ObjectMissingError, match=r"weights\.safetensors"):
        load_initial_weights(build_model(spec_of()), spec_of(weights=f"{bucket}/weights.safetensors"))
