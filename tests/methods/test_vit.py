"""Sizes of Vision Transformers and the models they stand for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.vit import VitSpec, build_vit, mismatch, spec_of
from tests.methods.tinylab import SPEC


@st.composite
def specs(draw):
    heads, patch = draw(st.integers(1, 4)), draw(st.sampled_from((1, 2, 4)))
    width = heads * draw(st.integers(1, 6))
    token = draw(st.booleans())
    return VitSpec(
        embed_dim=width,
        depth=draw(st.integers(1, 3)),
        num_heads=heads,
        patch_size=patch,
        img_size=patch * draw(st.integers(1, 4)),
        in_chans=draw(st.integers(1, 4)),
        num_classes=draw(st.integers(1, 12)),
        mlp_ratio=draw(st.sampled_from((1.0, 2.0, 4.0) + ((2.5,) if width % 2 == 0 else ()))),  # whole hidden units
        class_token=token,
        global_pool=draw(st.sampled_from(("avg", "token"))) if token else "avg",
    )


@settings(max_examples=60)
@given(specs())
def test_a_model_has_the_size_it_was_built_with(spec):
    assert spec_of(build_vit(spec)) == spec


@pytest.mark.parametrize(("width", "ratio"), [(52, 0.3), (76, 3.3), (152, 8 / 3), (64, 2.7)])
def test_a_ratio_that_is_rounded_gives_the_same_hidden_width_again(width, ratio):
    spec = SPEC.replace(embed_dim=width, depth=1, mlp_ratio=ratio)
    with torch.device("meta"):
        model = build_vit(spec)
        again = build_vit(spec_of(model))
    assert spec_of(model).hidden_dim == spec.hidden_dim == again.blocks[0].mlp.fc1.out_features


@settings(max_examples=25)
@given(specs())
def test_derived_sizes_are_those_of_the_model(spec):
    model = build_vit(spec)
    assert model.blocks[0].mlp.fc1.out_features == spec.hidden_dim
    assert model.blocks[0].attn.head_dim == spec.head_dim
    assert model.patch_embed.num_patches == spec.patches
    assert model.pos_embed.shape == (1, spec.tokens, spec.embed_dim)
    with torch.no_grad():
        images = torch.zeros(2, spec.in_chans, spec.img_size, spec.img_size)
        assert model(images).shape == (2, spec.num_classes)


def test_on_the_meta_device_the_model_is_the_same_but_for_its_numbers():
    plain = build_vit(SPEC)
    with torch.device("meta"):
        models = [build_vit(SPEC), build_vit(SPEC, weight_init="jax")]
    for model in models:
        assert str(model) == str(plain) and spec_of(model) == SPEC
        assert {t.device.type for t in model.state_dict().values()} == {"meta"}
        shapes = {name: (t.shape, t.dtype) for name, t in model.state_dict().items()}
        assert shapes == {name: (t.shape, t.dtype) for name, t in plain.state_dict().items()}


def test_the_default_is_deit_tiny_without_class_token():
    with torch.device("meta"):
        model = build_vit(VitSpec())
    assert sum(p.numel() for p in model.parameters()) == 5_717_032


def test_keywords_reach_timm():
    assert not build_vit(SPEC, weight_init="jax").head.weight.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embed_dim": 0, "num_heads": 1}, "embed_dim must be at least 1, found 0"),
        ({"depth": 0}, "depth must be at least 1"),
        ({"num_heads": -1}, "num_heads must be at least 1"),
        ({"num_classes": 0}, "num_classes must be at least 1"),
        ({"embed_dim": 33}, "embed_dim 33 is not divisible by num_heads 2"),
        ({"img_size": 9}, "img_size 9 is not divisible by patch_size 4"),
        ({"global_pool": "max"}, "global_pool must be 'avg' or 'token', found 'max'"),
        ({"global_pool": "token"}, "needs class_token: true"),
    ],
)
def test_an_impossible_size(changes, message):
    with pytest.raises(ValueError, match=message):
        SPEC.replace(**changes)


def test_a_size_is_a_value():
    assert SPEC.replace(depth=SPEC.depth) == SPEC and hash(SPEC.replace(depth=4)) == hash(SPEC)
    with pytest.raises(AttributeError):
        SPEC.depth = 3


def test_another_architecture_has_no_size():
    import timm

    with pytest.raises(TypeError, match="Linear is not a plain timm VisionTransformer"):
        spec_of(torch.nn.Linear(1, 1))
    with torch.device("meta"), pytest.raises(TypeError, match="ResNet is not"):
        spec_of(timm.create_model("resnet18"))


FIELDS = ("embed_dim", "num_heads", "patch_size", "img_size", "in_chans", "mlp_ratio", "class_token")


@pytest.mark.parametrize("field", FIELDS)
def test_a_mismatch_is_named_unless_it_may_be(field):
    other = SPEC.replace(**{field: True if field == "class_token" else getattr(SPEC, field) * 2})
    reason = f"cannot change {field}: ancestor {getattr(SPEC, field)}, target {getattr(other, field)}"
    assert mismatch(SPEC, other) == reason
    assert mismatch(SPEC, other, may_differ=(field,)) is None


def test_depth_and_classes_may_always_differ():
    assert mismatch(SPEC, SPEC.replace(depth=9, num_classes=2)) is None
