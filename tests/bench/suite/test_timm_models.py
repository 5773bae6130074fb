"""The table of timm's models against the installed timm, and what is asked of it."""

import json
from importlib.metadata import version

import pytest

from bench.suite.timm_models import TABLE, describe, lookup
from methods.vit import VitSpec, build_vit

TABLE_IS_OF = json.loads(TABLE.read_text())["timm"]
same_timm = pytest.mark.skipif(version("timm") != TABLE_IS_OF, reason=f"the table is of timm {TABLE_IS_OF}")


@same_timm
def test_it_lists_every_model_and_its_weights():
    import timm

    models = json.loads(TABLE.read_text())["models"]
    assert list(models) == timm.list_models()
    tagged = {f"{name}.{tag}" for name, entry in models.items() for tag in entry["classes"]}
    assert tagged == {name for name in timm.list_pretrained() if "." in name}


@same_timm
@pytest.mark.parametrize(
    "name",
    ["deit_tiny_patch16_224", "deit3_small_patch16_384", "deit_base_distilled_patch16_224", "vit_small_patch16_224",
     "vit_base_patch14_dinov2", "vit_base_patch16_clip_224", "vit_small_patch14_reg4_dinov2", "flexivit_small",
     "vit_base_patch16_siglip_224", "vit_relpos_small_patch16_224", "levit_384", "regnety_160", "test_vit"],
)  # fmt: skip
def test_it_says_what_timm_says(name):
    assert json.loads(TABLE.read_text())["models"][name] == describe(name)


def test_sizes_of_deit():
    tiny = lookup("deit_tiny_patch16_224")
    assert tiny.name == "deit_tiny_patch16_224.fb_in1k" and tiny.classes == 1000
    assert tiny.vit == VitSpec(class_token=True, global_pool="token")
    base = lookup("vit_base_patch16_384.augreg_in21k_ft_in1k")
    assert base.vit == VitSpec(768, num_heads=12, img_size=384, class_token=True, global_pool="token")


def test_a_plain_vit_computes_what_timm_computes():
    """What the table calls plain can take timm's weights as they are."""
    import timm
    import torch

    model = timm.create_model("test_vit").eval()
    plain = build_vit(lookup("test_vit").vit).eval()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 160, 160)
    assert torch.equal(plain(x), model(x))


def test_what_is_no_plain_vit():
    names = ["levit_384", "regnety_160.deit_in1k", "deit_base_distilled_patch16_224", "vit_base_patch16_clip_224"]
    assert [lookup(name).vit for name in names] == [None] * 4
    scaled = lookup("deit3_small_patch16_224")
    assert scaled.layer_scale and not scaled.class_position and scaled.vit is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deit_tinny_patch16_224", "timm has no model 'deit_tinny_patch16_224'; did you mean 'deit_tiny_patch16_224'?"),
        ("?", "timm has no model"),
        ("levit_384.fb", "timm has no weights 'fb' of levit_384 (tags: fb_dist_in1k)"),
        ("levit_384_s8.x", "timm has no weights 'x' of levit_384_s8 (tags: none)"),
    ],
)
def test_what_timm_has_not(name, message):
    with pytest.raises(ValueError) as error:
        lookup(name)
    assert message in str(error.value)


def test_another_timm_is_asked_itself(monkeypatch):
    """A model that the table has not, of a timm that it was not made from."""
    from bench.suite import timm_models

    table = {"timm": "0.0", "models": {}}
    monkeypatch.setattr(timm_models, "_table", lambda: table)
    assert lookup("test_vit").vit == VitSpec(
        64, 6, 2, img_size=160, mlp_ratio=3.0, class_token=True, global_pool="token"
    )
    with pytest.raises(ValueError, match="timm has no model 'test_vitt'"):
        lookup("test_vitt")
