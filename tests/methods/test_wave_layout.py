"""Which tensors are made of templates, and how many numbers that stores."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import methods
from methods.parts.templates import MATRICES, layout, template_counts
from methods.parts.wave_model import TemplatedVit, fresh_scalers, fresh_templates
from methods.vit import VitSpec, build_vit
from tests.methods.small_waves import condensed, filled
from tests.methods.tinylab import SPEC


@st.composite
def specs(draw):
    """(spec, template size): any small ViT and a size that divides its widths."""
    size, heads = draw(st.sampled_from([2, 4])), draw(st.integers(1, 3))
    token = draw(st.booleans())
    spec = VitSpec(
        embed_dim=size * heads * draw(st.integers(1, 2)),
        depth=draw(st.integers(1, 3)),
        num_heads=heads,
        patch_size=draw(st.sampled_from([2, 4])),
        img_size=8,
        in_chans=draw(st.sampled_from([1, 3])),
        num_classes=draw(st.integers(2, 5)),
        mlp_ratio=draw(st.sampled_from([1.0, 2.0, 4.0])),
        class_token=token,
        global_pool=draw(st.sampled_from(["avg", "token"])) if token else "avg",
    )
    return spec, draw(st.sampled_from([size, "full"]))


@settings(max_examples=25)
@given(specs(), st.integers(1, 3), st.booleans())
def test_every_width_dependent_tensor_has_its_shape(sized, templates, many):
    spec, size = sized
    with torch.device("meta"):
        plain = build_vit(spec)
        skeleton = build_vit(spec)
    groups = layout(spec, template_counts(spec, templates, size, many_widths=many, head=True), size)
    g = torch.Generator().manual_seed(0)
    made, scalers = fresh_templates(groups, g, 1.0), fresh_scalers(groups, g, 1.0)
    weights = TemplatedVit(skeleton, groups, "tile", made, scalers).weights()
    shapes = {name: p.shape for name, p in plain.named_parameters()}
    assert {name: w.shape for name, w in weights.items()} == {name: shapes[name] for name in weights}
    if many:
        assert set(weights) == set(shapes) - {"head.bias"}
    else:
        assert set(weights) == {n for n in shapes if n.startswith("blocks.") and "norm" not in n and "bias" not in n}


def test_stored_in_a_family_of_depths():
    for templates, a in ((4, 16), (3, 8), ({"qkv": 1, "proj": 2, "fc1": 3, "fc2": 5}, 16)):
        _, learngene, _ = condensed(templates=templates, template_size=a)
        _, bare, _ = condensed(templates=templates, template_size=a, scalers="random", head="fresh")
        n = templates if isinstance(templates, dict) else dict.fromkeys(MATRICES, templates)
        tiles = {"qkv": 3, "proj": 1, "fc1": 4, "fc2": 4}
        scalers = sum(SPEC.depth * n[name] * tiles[name] * (32 // a) ** 2 for name in MATRICES)
        rest = 32 * 16 + 32 + 4 * 32 + 2 * 32  # patch embedding, its bias, positions, final norm
        assert bare.stored_params == sum(n.values()) * a * a + rest
        assert learngene.stored_params == bare.stored_params + scalers
        assert (learngene.stored_params_head, bare.stored_params_head) == (32 * 5 + 5, 0)


def test_stored_at_the_width_of_deit_tiny():
    spec = VitSpec()  # 192 wide, 12 deep
    groups = layout(spec, template_counts(spec, 4, 64, many_widths=False, head=True), 64)
    assert sum(math.prod(g.template_shape) for g in groups) == 4 * 4 * 64**2
    assert sum(math.prod(g.scaler_shape) for g in groups) == 12 * 12 * 4 * (192 // 64) ** 2


def test_stored_in_a_family_of_widths():
    wide = SPEC.replace(embed_dim=64, num_heads=4)
    _, learngene, _ = condensed(targets=(wide,), templates=3)
    _, bare, _ = condensed(targets=(wide,), templates=3, scalers="random")
    a, depth, k = 16, SPEC.depth, 2  # k tiles make the width
    per_layer = {"norm1_weight": k, "norm1_bias": k, "norm2_weight": k, "norm2_bias": k}
    per_layer |= {"qkv_bias": 3 * k, "proj_bias": k, "fc1_bias": 4 * k, "fc2_bias": k}
    single = ("patch", "patch_bias", "pos_embed", "final_weight", "final_bias")
    extent = {"patch": 16, "pos_embed": 4}  # the dimension that is not cut
    templates = 3 * 4 * a * a + 3 * a * len(per_layer) + sum(2 * a * extent.get(name, 1) for name in single)
    scalers = 3 * depth * 12 * k * k + 3 * depth * sum(per_layer.values()) + 2 * k * len(single)
    assert bare.stored_params == templates
    assert learngene.stored_params == templates + scalers
    assert (learngene.stored_params_head, bare.stored_params_head) == (2 * a * 5 + 2 * k + 5, 2 * a * 5 + 5)


@pytest.mark.parametrize(
    ("size", "ancestor", "target", "message"),
    [
        (24, {}, {}, "24 does not divide the ancestor's embed_dim 32"),
        (16, {}, {"embed_dim": 40}, "16 does not divide the target's embed_dim 40"),
        (16, {"mlp_ratio": 2.25}, {"mlp_ratio": 2.25}, "16 does not divide the ancestor's hidden_dim 72"),
        ("full", {}, {"embed_dim": 64}, "serves one width only: the ancestor has 32, the target 64"),
    ],
)
def test_sizes_that_templates_cannot_tile(size, ancestor, target, message):
    ancestor, target = SPEC.replace(**ancestor), SPEC.replace(**target)
    wave = methods.get("wave", template_size=size)
    with pytest.raises(ValueError, match=message):
        wave.check(ancestor, target)
    with pytest.raises(ValueError, match=message):
        condensed(targets=(target,), ancestor=ancestor, template_size=size)


def test_sizes_that_cannot_be_served():
    wave, one = methods.get("wave"), methods.get("wave", widths="one")
    for change in ({"patch_size": 2}, {"img_size": 16}, {"in_chans": 3}, {"mlp_ratio": 2.0}, {"class_token": True}):
        assert next(iter(change)) in wave.supports(SPEC, SPEC.replace(**change))
    wide = SPEC.replace(embed_dim=64, num_heads=1, depth=9, num_classes=3)
    assert wave.supports(SPEC, wide) is None
    assert "embed_dim" in one.supports(SPEC, wide)
    assert one.supports(SPEC, SPEC.replace(num_heads=1, depth=9)) is None


def test_a_learngene_refuses_sizes_that_it_was_not_made_for():
    wide = SPEC.replace(embed_dim=64, num_heads=4)
    wave, depths, _ = condensed()
    with pytest.raises(ValueError, match="cannot change embed_dim"):
        filled(wave, depths, wide)
    wave, widths, _ = condensed(targets=(wide,))
    with pytest.raises(ValueError, match="16 does not divide the target's embed_dim 40"):
        filled(methods.get("wave", template_size=8), widths, SPEC.replace(embed_dim=40))


def test_resolve_says_whether_widths_differ():
    wave, wide = methods.get("wave"), SPEC.replace(embed_dim=64)
    assert wave.resolve(SPEC, [SPEC, SPEC.replace(depth=9)]).widths == "one"
    assert wave.resolve(SPEC, [SPEC, wide]).widths == "many"
    assert methods.get("wave", widths="many").resolve(SPEC, [SPEC]).widths == "many"
