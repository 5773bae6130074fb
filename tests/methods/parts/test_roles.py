"""The table of roles knows every tensor of a plain ViT, and no other."""

import pytest

from methods.parts.roles import block_of, is_norm, reads, roles
from methods.vit import build_vit
from tests.methods.tinylab import SPEC


@pytest.mark.parametrize("spec", [SPEC, SPEC.replace(class_token=True, global_pool="token")])
def test_every_tensor_has_a_role_for_each_dimension(spec):
    for name, tensor in build_vit(spec).state_dict().items():
        assert len(roles(name)) == tensor.ndim, name
        sizes = {"stream": 32, "attention": 32, "qkv": 96, "hidden": 128, "tokens": spec.tokens}
        assert all(size == sizes[role] for role, size in zip(roles(name), tensor.shape, strict=True) if role in sizes)


def test_an_unknown_tensor_is_named():
    with pytest.raises(ValueError, match=r"blocks\.0\.ls1\.gamma"):
        roles("blocks.0.ls1.gamma")


def test_parts_of_a_name():
    assert block_of("blocks.11.attn.qkv.bias") == (11, "attn.qkv.bias") and block_of("pos_embed") == (None, "pos_embed")
    assert [
        n for n in ("fc_norm.bias", "blocks.1.norm2.weight", "head.bias", "blocks.0.mlp.fc1.bias") if is_norm(n)
    ] == [
        "fc_norm.bias",
        "blocks.1.norm2.weight",
    ]
    readers = {n for n in build_vit(SPEC.replace(depth=1)).state_dict() if any(reads(n, dim) for dim in (0, 1))}
    matrices = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    assert readers == {"head.weight", *(f"blocks.0.{matrix}.weight" for matrix in matrices)}
