"""Ancestors from elsewhere, from a suite to the model that methods get."""

import pickle
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.jobs.inputs import WeightsInput
from bench.jobs.parts.pretrained import read
from bench.suite.ancestor_source import content_hash
from methods.vit import VitSpec
from tests.bench.jobs.weights_from_elsewhere import SELECT, data, events, made, model_of, random_model, run, saved

TIMM = "{model: {timm: test_vit, checkpoint: FILE}, convert: {positions: interpolate}}"
BARE = "{model: {embed_dim: 24, depth: 2, num_heads: 2, patch_size: 8, checkpoint: FILE}}"
BARE_OPTIONS = {
    "img_size": 32, "embed_dim": 24, "depth": 2, "num_heads": 2, "patch_size": 8, "mlp_ratio": 4, "class_token": False,
    "global_pool": "avg", "num_classes": 3,
}  # fmt: skip


def test_a_vit_of_timm_with_weights_of_a_file(tmp_path, images):
    """Held against timm's own loading of the same file into a model for these images."""
    import timm

    _, file = saved(tmp_path, "test_vit", num_classes=3)
    code, results = run(tmp_path, images, TIMM.replace("FILE", str(file)))
    assert code == 0
    overlay = {"file": str(file), "num_classes": 3}
    want = timm.create_model("test_vit", pretrained=True, num_classes=3, img_size=32, pretrained_cfg_overlay=overlay)
    x = torch.randn(2, 3, 32, 32)
    model = model_of(results)
    assert torch.allclose(model(x), want.eval()(x), atol=1e-5)
    result, folder = made(results)
    assert result["head"] == "kept" and result["classes"] is None and result["source"]["classes"] == 3
    assert result["spec"]["class_token"] and result["spec"]["global_pool"] == "token"
    (warning,) = events(folder, "warning")
    assert "(0.5, 0.5, 0.5)" in warning["message"] and "normalisation: fold" in warning["message"]


@pytest.mark.parametrize("form", ["bare", "model", "state_dict", "safetensors"])
def test_forms_of_a_checkpoint(form, tmp_path, images):
    model, file = saved(tmp_path, "test_vit", "bare" if form == "safetensors" else form, **BARE_OPTIONS)
    if form == "safetensors":
        file = tmp_path / "weights.safetensors"
        save_file(model.state_dict(), str(file))
    code, results = run(tmp_path, images, BARE.replace("FILE", str(file)))
    assert code == 0
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(model_of(results)(x), model(x))


def test_another_class_count_gets_a_fresh_head(tmp_path, images):
    model, file = saved(tmp_path, "test_vit", **BARE_OPTIONS | {"num_classes": 7})
    code, results = run(tmp_path, images, BARE.replace("FILE", str(file))[:-1] + ", classes: other}")
    result, _ = made(results)
    assert code == 0 and result["head"] == "fresh" and result["classes"] is None
    got = model_of(results)
    assert got.head.weight.shape == (3, 24) and got.head.bias.eq(0).all() and 0.01 < got.head.weight.std() < 0.03
    assert all(torch.equal(t, model.state_dict()[n]) for n, t in got.state_dict().items() if not n.startswith("head"))


@pytest.mark.parametrize("said", [True, False])
def test_a_head_transfers_where_its_classes_are_known(said, tmp_path, images):
    model, file = saved(tmp_path, "test_vit", **BARE_OPTIONS)
    ancestor = BARE.replace("FILE", str(file))
    ancestor = ancestor[:-1] + ", classes: same}" if said else ancestor
    code, results = run(tmp_path, images, ancestor, "--set", "keep_weights=true")
    result, _ = made(results)
    assert code == 0 and result["head"] == "kept"
    assert result["classes"] == (data(images).class_id if said else None)
    (target,) = results.glob("jobs/run/*/weights.safetensors")
    assert torch.equal(load_file(str(target))["head.weight"], model.head.weight) is said


def test_classes_cannot_be_the_same_where_their_number_is_not(tmp_path, images, capsys):
    _, file = saved(tmp_path, "test_vit", **BARE_OPTIONS | {"num_classes": 7})
    code, _ = run(tmp_path, images, BARE.replace("FILE", str(file))[:-1] + ", classes: same}")
    assert code == 2 and "has 7 classes, the data 3" in capsys.readouterr().err


def test_fine_tuned_on_the_data_first(tmp_path, images):
    _, file = saved(tmp_path, "test_vit", **BARE_OPTIONS | {"num_classes": 7})
    ancestor = BARE.replace("FILE", str(file))[:-1] + ", train: {epochs: 2, batch_size: 16, lr: 1.0e-2}}"
    code, results = run(tmp_path, images, ancestor)
    result, _ = made(results)
    assert code == 0 and result["head"] == "trained" and result["classes"] == data(images).class_id
    assert result["cost"]["images"] == 2 * (94 // 16) * 16 and result["top1"] > 50


@pytest.mark.parametrize("kind", ["ancestor", "run"])
def test_weights_of_this_project_are_an_ancestor_by_themselves(kind, tmp_path, images):
    ancestor = "{model: {embed_dim: 24, depth: 2, num_heads: 2, patch_size: 8}, train: {epochs: 1, batch_size: 16}}"
    code, results = run(tmp_path / "first", images, ancestor, "--set", "keep_weights=true")
    before, folder = made(results, kind)
    file = folder / "weights.safetensors"
    again, results = run(tmp_path / "second", images, f"{{model: {{checkpoint: {file}}}}}")
    after, _ = made(results)
    assert code == again == 0
    assert after["spec"]["depth"] == {"ancestor": 2, "run": 1}[kind] and after["classes"] == data(images).class_id
    same = ("top1", "loss", "val_top1", "params")
    assert {k: after[k] for k in same} == {k: before[k] for k in same} and after["head"] == "kept"


MODELS = {"wide": {"embed_dim": 32}}


class Unwanted:
    def __reduce__(self):
        return print, ("executed",)


def test_numbers_that_are_not_finite_are_named(tmp_path):
    file = tmp_path / "nan.pth"
    weights = random_model("test_vit", **BARE_OPTIONS).state_dict()
    torch.save(weights, file)
    assert read(str(file), content_hash(file, file.stat().st_mtime_ns))
    weights["blocks.0.norm1.bias"][3] = float("nan")
    torch.save(weights, file)
    with pytest.raises(ValueError, match="not finite in blocks.0.norm1.bias; expected trained weights"):
        read(str(file), content_hash(file, file.stat().st_mtime_ns))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Unwanted(), protocol=2), "cannot be read as weights"),
        (b"nothing", "cannot be read as weights"),
        ({}, "holds no weights"),
        ({"model": {"a": 1}}, "holds no weights"),
        ({"patch_embed.proj.weight": torch.zeros(24, 3, 8, 8)}, "is no ViT as timm has it"),
        ("wide", "has embed_dim 32, the suite says 24"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_told(content, message, tmp_path, images, capsys):
    file = tmp_path / "bad.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, str):
        torch.save(random_model("test_vit", **BARE_OPTIONS | MODELS[content]).state_dict(), file)
    else:
        torch.save(content, file)
    code, _ = run(tmp_path, images, BARE.replace("FILE", str(file)))
    out, said = capsys.readouterr()
    assert code == 2 and message in said and "executed" not in out + said and not (tmp_path / "r").exists()


def test_a_class_token_of_a_file_is_kept(tmp_path, images):
    """A checkpoint as timm makes them, by the one key that the message of `plan` names."""
    options = BARE_OPTIONS | {"class_token": True, "global_pool": "token"}
    model, file = saved(tmp_path, "test_vit", **options)
    code, results = run(tmp_path, images, f"{{model: {{checkpoint: {file}, num_heads: 2}}}}")
    x = torch.randn(2, 3, 32, 32)
    assert code == 0 and torch.equal(model_of(results)(x), model(x))
    spec = made(results)[0]["spec"]
    assert spec["class_token"] and spec["global_pool"] == "token"


def test_a_checkpoint_that_changes_is_another_ancestor(tmp_path, images):
    for scale in (1, 2):
        model, file = saved(tmp_path, "test_vit", **BARE_OPTIONS)
        torch.save({name: t * scale for name, t in model.state_dict().items()}, file)
        assert run(tmp_path, images, BARE.replace("FILE", str(file)))[0] == 0
    moved = file.rename(tmp_path / "moved.pth")
    assert run(tmp_path, images, BARE.replace("FILE", str(moved)))[0] == 0
    assert len(list((tmp_path / "r").glob("jobs/ancestor/*"))) == 2


def test_weights_that_cannot_be_fetched(tmp_path, images, monkeypatch, capsys):
    from timm.models import _registry

    name = "test_vit.r160_in1k"
    config = _registry._model_pretrained_cfgs[name]
    monkeypatch.setitem(
        _registry._model_pretrained_cfgs, name,
        type(config)(**vars(config) | {"hf_hub_id": None, "file": str(tmp_path / "gone.pth")}),
    )  # fmt: skip
    code, _ = run(tmp_path, images, "{model: {timm: test_vit}, convert: {positions: interpolate}}", methods=SELECT)
    said = capsys.readouterr().out
    assert code == 1 and "test_vit.r160_in1k could not be loaded" in said and "checkpoint: FILE" in said


@pytest.mark.parametrize(("names", "known"), [("synsets", True), ("words", False), ("reversed", False)])
def test_imagenet_classes_are_known_by_their_synsets(names, known, tmp_path, monkeypatch):
    """timm's own weights, here of a file: the 1000 classes are the data set's if its names are the synsets in order."""
    from timm.data import ImageNetInfo
    from timm.models import _registry

    from bench.jobs.parts.pretrained import from_timm

    _, file = saved(tmp_path, "test_vit", num_classes=1000)
    name = "test_vit.r160_in1k"
    config = type(_registry._model_pretrained_cfgs[name])
    here = vars(_registry._model_pretrained_cfgs[name]) | {"hf_hub_id": None, "file": str(file)}
    monkeypatch.setitem(_registry._model_pretrained_cfgs, name, config(**here))
    synsets = ImageNetInfo("imagenet-1k").label_names()
    classes = {"synsets": synsets, "words": ["tench"] * 1000, "reversed": synsets[::-1]}[names]
    weights, dataset = WeightsInput(timm=name, pretrained=True), SimpleNamespace(classes=tuple(classes))
    found = from_timm(weights, dataset, None, VitSpec(64, 6, 2, img_size=160, mlp_ratio=3.0))
    assert found.known is known and found.classes == 1000
    assert torch.equal(found.state["head.bias"], random_model("test_vit", num_classes=1000).head.bias)
