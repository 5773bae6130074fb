"""The closed forms of parameters and FLOPs: the published numbers, and torch's own count."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import set_fused_attn
from torch.utils.flop_counter import FlopCounterMode

from bench import models
from methods.vit import VitSpec, build_vit

DEIT = {
    "deit_tiny": (5_717_416, 1_253_683_200),
    "deit_small": (22_050_664, 4_598_882_304),
    "deit_base": (86_567_656, 17_563_828_224),
}


@pytest.mark.parametrize("preset", DEIT)
def test_deit_with_class_token(preset):
    spec = VitSpec(**models.PRESETS[preset], class_token=True, global_pool="token")
    assert (models.params(spec), models.macs(spec)) == DEIT[preset]


@pytest.mark.parametrize(
    ("width", "heads", "block", "rest", "head"),
    [
        (192, 3, 444_864, 185_664, 193_000),
        (384, 6, 1_774_464, 371_328, 385_000),
        (768, 12, 7_087_872, 742_656, 769_000),
    ],
)
def test_parts_without_class_token(width, heads, block, rest, head):
    spec = VitSpec(embed_dim=width, num_heads=heads)
    assert models.block_params(spec) == block
    assert models.embedding_params(spec) == rest
    assert models.head_params(spec) == head
    assert models.params(spec) == 12 * block + rest + head


@st.composite
def specs(draw):
    heads, patch = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    class_token = draw(st.booleans())
    return VitSpec(
        embed_dim=heads * draw(st.integers(1, 12)),
        depth=draw(st.integers(1, 3)),
        num_heads=heads,
        patch_size=patch,
        img_size=patch * draw(st.integers(1, 4)),
        in_chans=draw(st.sampled_from([1, 3])),
        num_classes=draw(st.integers(1, 11)),
        mlp_ratio=draw(st.sampled_from([0.5, 1.0, 2.5, 4.0])) if heads > 1 else 4.0,
        class_token=class_token,
        global_pool=draw(st.sampled_from(["avg", "token"])) if class_token else "avg",
    )


@pytest.fixture(autouse=True)
def plain_attention():
    """torch's counter misses fused attention in some versions."""
    set_fused_attn(False)
    yield
    set_fused_attn(True)


def counted(spec: VitSpec, batch: int) -> tuple[int, int, int]:
    """(parameters, FLOPs of a forward, FLOPs of forward and backward) as torch counts them on the meta device."""
    with torch.device("meta"):
        model = build_vit(spec)
        images = torch.empty(batch, spec.in_chans, spec.img_size, spec.img_size)
    with FlopCounterMode(display=False) as forward:
        out = model(images)
    with FlopCounterMode(display=False) as backward:
        out.sum().backward()
    total = forward.get_total_flops()
    return sum(p.numel() for p in model.parameters()), total, total + backward.get_total_flops()


@settings(max_examples=25)
@given(specs(), st.integers(1, 3))
def test_against_torch(spec, batch):
    params, forward, both = counted(spec, batch)
    assert models.params(spec) == params
    assert models.forward_flops(spec) * batch == forward
    assert models.train_flops(spec) * batch == both
