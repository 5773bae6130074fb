"""Conversions: the folding ones keep the function, the others are what they say."""

import pytest
import timm
import torch

from bench.jobs.parts.conversions import convert
from methods.base import fill
from methods.parts.weights import named_as_in
from methods.vit import VitSpec, build_vit
from tests.bench.jobs.weights_from_elsewhere import data, events, made, model_of, random_model, run, saved

SIZE = {"img_size": 32, "embed_dim": 24, "depth": 2, "num_heads": 2, "patch_size": 8, "num_classes": 3}
SPEC = VitSpec(**SIZE, class_token=True, global_pool="token", mlp_ratio=3.0)
X = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def patches(model, pictures):
    """[n, patches, width]; timm's test models leave them in rows and columns."""
    return model.patch_embed(pictures).flatten(1, -2)


def normalised(picture, mean, std):
    return (picture - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def converted(model, wishes, spec, **images):
    """The plain ViT of size `spec` with the converted weights of `model`."""
    state = convert(model.state_dict(), wishes, spec, **images)
    plain = build_vit(spec)
    fill(plain, {name: state[named_as_in(name, state)] for name in plain.state_dict()})
    return plain.eval()


def test_layer_scale_folds_exactly():
    model = random_model("test_vit", **SIZE, init_values=0.3)
    assert model.blocks[0].ls1.gamma.std() > 0.01
    plain = converted(model, {"layer_scale": "fold"}, SPEC)
    assert torch.allclose(plain(X), model(X), atol=1e-5)
    assert not torch.allclose(plain(X), random_model("test_vit", **SIZE)(X), atol=1e-2)


def test_normalisation_folds_exactly():
    """One picture, normalised both ways, gives one answer."""
    before, after = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    picture = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    old, new = normalised(picture, *before), normalised(picture, *after)
    model = random_model("test_vit", **SIZE)
    plain = converted(model, {"normalisation": "fold"}, SPEC, normalised=before, images=after)
    assert torch.allclose(plain(new), model(old), atol=1e-5) and not torch.allclose(model(new), model(old), atol=1e-2)


@pytest.mark.parametrize("own_position", [True, False])
def test_without_class_token_the_mean_patch_is_read(own_position):
    """Written down once more with the model's own modules: patches alone, mean, the final norm, head."""
    model = random_model("test_vit", **SIZE, no_embed_class=not own_position)
    spec = SPEC.replace(class_token=False, global_pool="avg")
    plain = converted(model, {"class_token": "drop", "global_pool": "avg"}, spec)
    position = model.pos_embed[:, 1:] if own_position else model.pos_embed
    with torch.no_grad():
        want = model.head(model.norm(model.blocks(patches(model, X) + position).mean(1)))
        assert torch.allclose(plain(X), want, atol=1e-5)
    assert "cls_token" not in plain.state_dict() and plain.pos_embed.shape == (1, 16, 24)


def test_a_class_token_can_stay_beside_average_pooling():
    model = random_model("test_vit", **SIZE)
    plain = converted(model, {"global_pool": "avg"}, SPEC.replace(global_pool="avg"))
    with torch.no_grad():
        tokens = model.blocks(torch.cat([model.cls_token.expand(4, -1, -1), patches(model, X)], 1) + model.pos_embed)
        assert torch.allclose(plain(X), model.head(model.norm(tokens[:, 1:].mean(1))), atol=1e-5)


@pytest.mark.parametrize("class_token", [True, False])
def test_positions_go_to_another_grid(class_token):
    pool = {"class_token": class_token, "global_pool": "token" if class_token else "avg"}
    model = random_model("test_vit", **SIZE | pool)
    spec = VitSpec(**SIZE | pool | {"img_size": 48}, mlp_ratio=3.0)
    plain = converted(model, {"positions": "interpolate"}, spec)
    assert plain(torch.zeros(1, 3, 48, 48)).shape == (1, 3)
    if class_token:
        assert torch.equal(plain.pos_embed[:, 0], model.pos_embed[:, 0])
    before, after = (m.pos_embed[0, int(class_token) :] for m in (model, plain))
    assert after.shape[0] == 36 and (after.mean(0) - before.mean(0)).abs().max() < 0.02
    with pytest.raises(ValueError, match="for 4 x 4 patches, the images have 6 x 6; convert: {positions: interpolate}"):
        converted(model, {}, spec)


@pytest.mark.parametrize("wish", ["layer_scale", "class_token"])
def test_nothing_to_convert(wish):
    model = random_model("test_vit", **SIZE | {"class_token": False, "global_pool": "avg"})
    with pytest.raises(ValueError, match=f"convert.{wish}: "):
        converted(model, {wish: "fold"}, SPEC)


def test_all_at_once_through_a_suite(tmp_path, images):
    _, file = saved(tmp_path, "test_vit", num_classes=3)
    overlay = {"file": str(file), "num_classes": 3}
    model = timm.create_model("test_vit", pretrained=True, num_classes=3, img_size=32, pretrained_cfg_overlay=overlay)
    wishes = "class_token: drop, global_pool: avg, positions: interpolate, normalisation: fold"
    code, results = run(tmp_path, images, f"{{model: {{timm: test_vit, checkpoint: {file}}}, convert: {{{wishes}}}}}")
    result, folder = made(results)
    assert code == 0 and not result["spec"]["class_token"] and result["spec"]["global_pool"] == "avg"
    assert not events(folder, "warning")
    pictures, labels = next(data(images).test.batches([torch.arange(24)], epoch=0, seed=0))
    mean, std = (torch.tensor(v)[:, None, None] for v in (data(images).mean, data(images).std))
    old = (pictures * std + mean - 0.5) / 0.5
    with torch.no_grad():
        position = model.pos_embed[:, 1:]
        want = model.eval().head(model.norm(model.blocks(patches(model, old) + position).mean(1)))
        got = model_of(results)(pictures)
    assert torch.allclose(got, want, atol=1e-4)
    assert result["top1"] == pytest.approx(100 * (want.argmax(1) == labels).float().mean().item())
