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
