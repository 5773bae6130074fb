"""The rule of wave: sums of Kronecker products, and the earlier methods that are special cases of it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import methods
from methods.base import Learngene
from methods.parts.templates import MATRICES, layout
from methods.parts.wave_model import TemplatedVit, fresh_scalers, fresh_templates, random_scalers, reconstruct
from methods.parts.weights import fresh_vit
from methods.testing import perturbed
from methods.vit import VitSpec
from tests.methods.small_waves import SIZE, condensed, dense_twin, filled, images
from tests.methods.tinylab import SPEC

PATHS = {"qkv": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
sizes = st.integers(1, 4)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=30)
@given(sizes, sizes, sizes, sizes, sizes, sizes)
def test_it_is_the_sum_of_kronecker_products_of_every_layer(layers, n, i, j, r, c):
    s = torch.randn(layers, n, i, j, generator=draw(), dtype=torch.float64)
    t = torch.randn(n, r, c, generator=draw(1), dtype=torch.float64)
    tile, interleave = (reconstruct(s, t, order) for order in ("tile", "interleave"))
    assert tile.shape == interleave.shape == (layers, i * r, j * c)
    for layer in range(layers):
        expected = sum(torch.kron(s[layer, k], t[k]) for k in range(n))
        torch.testing.assert_close(tile[layer], expected)
        torch.testing.assert_close(interleave[layer], sum(torch.kron(t[k], s[layer, k]) for k in range(n)))


def test_a_tile_is_a_weighted_sum_of_templates_in_its_place():
    s, t = torch.randn(2, 3, 4, 5, generator=draw()), torch.randn(3, 6, 7, generator=draw(1))
    matrix = reconstruct(s, t, "tile")[1]
    torch.testing.assert_close(matrix[2 * 6 : 3 * 6, 4 * 7 : 5 * 7], (s[1, :, 2, 4, None, None] * t).sum(0))


@pytest.mark.parametrize("order", ["tile", "interleave"])
@pytest.mark.parametrize("widths", ["one", "many"])
def test_the_dense_model_computes_the_same(order, widths):
    _, _, lab = condensed(kron_order=order, widths=widths)
    aux = lab.modules["aux"]
    dense = dense_twin(aux, SPEC)
    assert torch.equal(dense(images()), aux(images()))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(dense(images()), aux(images()))


@pytest.mark.parametrize("norm", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("templates", [1, 4])
def test_weights_start_with_timms_standard_deviation(norm, templates):
    spec = VitSpec(embed_dim=64, depth=12, num_heads=2, patch_size=2, img_size=8, in_chans=1, num_classes=5)
    groups = layout(spec, dict.fromkeys((*MATRICES, "patch", "pos_embed", "norm1_weight", "fc1_bias"), templates), 16)
    made, scalers = fresh_templates(groups, draw(), norm), fresh_scalers(groups, draw(1), norm)
    again = random_scalers(groups, {name: 3 * t for name, t in made.items()}, draw(2))
    for own in (scalers, {g.name: again[g.name] for g in groups if g.start == "normal"}):
        for group in groups[:4]:
            std = reconstruct(own[group.name], made[group.name] * (3 if own is not scalers else 1), "tile").std()
            assert 0.8 * 0.02 < std < 1.2 * 0.02, (group.name, std)
    weights = TemplatedVit(fresh_vit(spec, draw()), groups, "tile", made, scalers).weights()
    torch.testing.assert_close(weights["blocks.3.norm1.weight"], torch.ones(64))
    assert not weights["blocks.3.mlp.fc1.bias"].any()
    if templates > 1:  # a single scaler may be far from its mean
        plain = fresh_vit(spec, draw()).patch_embed.proj.weight.std()
        assert 0.5 < weights["patch_embed.proj.weight"].std() / plain < 1.6


def whole(depth, templates, scalers):
    """A learngene of whole-matrix templates: {group: [N, rows, columns]} and [depth, N] scalers."""
    wave = methods.get("wave", template_size="full", templates=scalers.shape[1], scaler_steps=0)
    _, learngene, _ = condensed(ancestor=SPEC.replace(depth=depth), template_size="full", templates=scalers.shape[1])
    own = {f"templates.{name}": t for name, t in templates.items()}
    own |= {f"scalers.{name}": scalers[:, :, None, None].clone() for name in MATRICES}
    return wave, Learngene(learngene.tensors | own, learngene.meta)


def test_layer_copying_is_a_special_case():
    layers = perturbed(SPEC, seed=7).state_dict()
    templates = {g: torch.stack([layers[f"blocks.{i}.{PATHS[g]}.weight"] for i in range(SPEC.depth)]) for g in MATRICES}
    wave, learngene = whole(SPEC.depth, templates, torch.eye(SPEC.depth))
    for depth, copied in ((4, (0, 1, 2, 3)), (2, (0, 3)), (1, (0,))):
        target, _ = filled(wave, learngene, SPEC.replace(depth=depth))
        for block, layer in enumerate(copied):
            for path in PATHS.values():
                found = target.state_dict()[f"blocks.{block}.{path}.weight"]
                assert torch.equal(found, layers[f"blocks.{layer}.{path}.weight"]), (depth, block, path)


@pytest.mark.parametrize("depth", [4, 8])
def test_linear_expansion_is_a_special_case(depth):
    shapes = {group.name: group.matrix for group in layout(SPEC, dict.fromkeys(MATRICES, 2), "full")}
    # Numbers of few bits, so that products and sums are exact in float32 whatever the order of the operations.
    templates = {n: torch.randint(-99, 99, (2, *shape), generator=draw()) / 1024 for n, shape in shapes.items()}
    scalers = torch.stack([torch.ones(depth), torch.arange(depth) / depth], dim=1)
    wave, learngene = whole(depth, templates, scalers)
    target, _ = filled(wave, learngene, SPEC.replace(depth=depth))
    for name in MATRICES:
        base, slope = templates[name]
        for i in range(depth):
            found = target.state_dict()[f"blocks.{i}.{PATHS[name]}.weight"]
            assert torch.equal(found, base + i / depth * slope)


def test_options_are_checked():
    bad = [
        ({"templates": 0}, "templates"),
        ({"templates": {"qkv": 1, "proj": 2, "fc1": 3}}, "fc2"),
        ({"template_size": 0}, "template_size"),
        ({"template_size": "half"}, "template_size"),
        ({"kron_order": "other"}, "tile, interleave"),
        ({"kl": 0.0, "ce": 0.0}, "both"),
        ({"ce": -1.0}, "ce must not be negative"),
        ({"temperature": 0.0}, "temperature"),
        ({"scaler_fraction": 1.5}, "scaler_fraction"),
        ({"scaler_steps": -1}, "scaler_steps"),
        ({"train": {"distill": {"kl": 1.0}}}, "set kl, ce and temperature"),
    ]
    for options, message in bad:
        with pytest.raises(ValueError, match=message):
            methods.get("wave", **(SIZE | options))
