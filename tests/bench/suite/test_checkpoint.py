"""What a stranger's file of weights says of itself is told, not believed: names and shapes without end or sense."""

import pytest
import torch
from safetensors.torch import save_file

from bench.suite import checkpoint
from methods.vit import VitSpec, build_vit

SMALL = VitSpec(embed_dim=16, depth=2, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)


def saved(path, **more):
    save_file({name: t.contiguous() for name, t in build_vit(SMALL).state_dict().items()} | more, str(path))
    return str(path)


def test_the_size_is_read_from_the_file(tmp_path):
    assert checkpoint.vit(saved(tmp_path / "m.safetensors"), heads=2).vit == SMALL


@pytest.mark.parametrize("block", ["99999999999", "x", "", "-1", "3"])
def test_a_block_without_those_before_it_is_named(block, tmp_path):
    """By its number alone the depth would be a hundred billion, and a name made for each block."""
    path = saved(tmp_path / "m.safetensors", **{f"blocks.{block}.norm1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="hold what a plain ViT has not: blocks."):
        checkpoint.vit(path)


@pytest.mark.parametrize("name", ["patch_embed.proj.weight", "blocks.0.mlp.fc1.weight", "blocks.0.attn.qkv.weight"])
def test_a_tensor_of_nothing_is_no_vits(name, tmp_path):
    shape = build_vit(SMALL).state_dict()[name].shape
    with pytest.raises(ValueError, match="is no ViT as timm has it"):
        checkpoint.vit(saved(tmp_path / "m.safetensors", **{name: torch.zeros(0, *shape[1:])}))


@pytest.mark.parametrize("name", [*build_vit(SMALL).state_dict(), "head.bias"])
def test_a_tensor_of_another_shape_is_named_before_anything_runs(name, tmp_path):
    """A file of two models, say: timm would find out in the first job that loads it."""
    shape = build_vit(SMALL).state_dict()[name].shape
    path = saved(tmp_path / "m.safetensors", **{name: torch.zeros(*shape[:-1], shape[-1] + 3)})
    with pytest.raises(ValueError, match="no ViT as timm has it|how many|not those of one plain ViT by their shapes"):
        checkpoint.vit(path)


def test_a_tensor_of_another_shape_is_said_with_the_one_expected(tmp_path):
    path = saved(tmp_path / "m.safetensors", **{"blocks.1.mlp.fc1.weight": torch.zeros(80, 16)})
    with pytest.raises(ValueError, match=r"blocks\.1\.mlp\.fc1\.weight is 80 x 16 \(expected 64 x 16\)"):
        checkpoint.vit(path)


def test_half_a_head_is_named(tmp_path):
    tensors = {name: t.contiguous() for name, t in build_vit(SMALL).state_dict().items() if name != "head.bias"}
    save_file(tensors, str(tmp_path / "m.safetensors"))
    with pytest.raises(ValueError, match=r"lack what a plain ViT has: head\.bias"):
        checkpoint.vit(str(tmp_path / "m.safetensors"))
