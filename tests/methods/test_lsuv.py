"""LSUV: orthonormal starts, unit variance of every layer's output on the batch, order, what stays fresh."""

import pytest
import torch

import methods.lsuv as lsuv_module
from methods.base import HEAD
from methods.lsuv import make_orthonormal, orthonormal, scale_to_unit_variance, scaled_layers
from methods.registry import get
from methods.testing import check_initializer, perturbed
from methods.vit import build_vit
from tests.methods.data_free_starts import SIZES, changed, started
from tests.methods.tinylab import SPEC, TinyLab


def outputs(weights, spec, images, dtype=torch.float64):
    """The output of every scaled layer, by matrix arithmetic over named weights: a second forward pass."""
    w = {name: t.to(dtype) for name, t in weights.items()}
    d, c, p = spec.embed_dim, spec.head_dim, spec.patch_size
    found, x = {}, images.to(dtype)
    patches = x.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 1, 4, 5).flatten(1, 2).flatten(2)
    x = patches @ w["patch_embed.proj.weight"].flatten(1).T + w["patch_embed.proj.bias"]
    found["patch_embed.proj"] = x
    if spec.class_token:
        x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], dim=1)
    x = x + w["pos_embed"]

    def norm(x, name):
        mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return (x - mean) / (variance + 1e-6).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x, name):
        found[name] = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        return found[name]

    for i in range(spec.depth):
        at = f"blocks.{i}"
        qkv = linear(norm(x, f"{at}.norm1"), f"{at}.attn.qkv")
        heads = []
        for h in range(spec.num_heads):
            q, k, v = (qkv[..., j * d + h * c : j * d + (h + 1) * c] for j in range(3))
            heads.append(torch.softmax(q @ k.mT / c**0.5, -1) @ v)
        x = x + linear(torch.cat(heads, -1), f"{at}.attn.proj")
        hidden = linear(norm(x, f"{at}.norm2"), f"{at}.mlp.fc1")
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        x = x + linear(hidden, f"{at}.mlp.fc2")
    return found


def check_variance(spec=SPEC, center=False, images=32):
    lab = TinyLab((spec,))
    batch = torch.cat(list(lab.batches(images, name="lsuv")))
    _, after = started("lsuv", spec, images=images, center=center)
    found = outputs(after, spec, batch)
    assert list(found) == list(scaled_layers(build_vit(spec)))
    for name, output in found.items():
        assert abs(output.std() - 1) <= 0.1 + 1e-4, name
        assert not center or abs(output.mean()) <= 0.1 + 1e-4, name
        assert center or not after[f"{name}.bias"].any()
        rows = after[f"{name}.weight"].double().flatten(1)
        rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
        gram = rows @ rows.T
        scale = gram[0, 0].item()
        for i in range(len(gram)):
            for j in range(i + 1):
                assert gram[i, j].item() == pytest.approx(scale * (i == j), abs=1e-5 * scale), (name, i, j)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_every_output_has_unit_variance(size, center):
    check_variance(SIZES[size], center)


def scaled_by_variance(model, images, center=False):
    """A mistake: all layers are divided by what one forward pass of the unscaled net shows."""
    stds = {name: out.std() for name, out in outputs(model.state_dict(), SPEC, images, torch.float32).items()}
    with torch.no_grad():
        for name, layer in scaled_layers(model).items():
            layer.weight /= stds[name]


MISTAKES = {
    "normal weights": ("orthonormal", lambda noise: noise),
    "one pass for all layers": ("scale_to_unit_variance", scaled_by_variance),
    "nothing is scaled": ("ROUNDS", 0),
    "a loose tolerance": ("TOLERANCE", 0.6),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(monkeypatch, mistake):
    monkeypatch.setattr(lsuv_module, *MISTAKES[mistake])
    with pytest.raises(AssertionError):
        check_variance()


def test_scaling_reaches_the_middle_of_the_tolerance_in_one_step():
    model = perturbed(SPEC, seed=4)
    make_orthonormal(model, torch.Generator().manual_seed(0))
    images = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    scale_to_unit_variance(model, images)
    stds = [out.std().item() for out in outputs(model.state_dict(), SPEC, images).values()]
    near = [s for s in stds if abs(s - 1) < 1e-4]
    assert len(near) >= len(stds) - 4  # the others were within 0.1 as drawn


def test_an_orthonormal_matrix_is_as_the_noise_is_shaped():
    for shape in ((6, 2, 2, 2), (3, 8), (8, 3)):
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        matrix = orthonormal(noise).flatten(1)
        gram = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
        assert orthonormal(noise).shape == noise.shape
        torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)


def test_all_but_the_head_is_set_from_the_lab():
    pair = started("lsuv")
    assert changed(pair) == set(pair[0]) - set(HEAD)
    other = started("lsuv", target_seed=8)[1]
    assert all(pair[1][name].equal(other[name]) for name in other if name not in HEAD)
    assert not started("lsuv", seed=1)[1]["pos_embed"].equal(pair[1]["pos_embed"])


@pytest.mark.parametrize("size", SIZES)
def test_the_contract(size):
    check_initializer(get("lsuv", images=16, center=True), SPEC, SIZES[size], TinyLab)


def test_what_is_impossible():
    with pytest.raises(ValueError, match="images must be at least 2, found 1"):
        get("lsuv", images=1)
    with pytest.raises(ValueError, match="initialize needs a lab"):
        started("lsuv", lab=False)
