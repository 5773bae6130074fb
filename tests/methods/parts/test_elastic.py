"""Prefixes of one net: q, k and v apart, and the same function as the net's own sub-forward."""

import copy

import pytest
import torch

from methods.parts import elastic
from methods.parts.elastic import ElasticVit, in_order_of_weight, prefix
from methods.parts.sizes import shapes_of
from methods.testing import perturbed, same, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC

BIG = SPEC.replace(embed_dim=24, num_heads=3, depth=3, mlp_ratio=2.0)
SIZES = [BIG.replace(embed_dim=16, num_heads=2, depth=2), BIG.replace(mlp_ratio=0.5), BIG.replace(depth=1), BIG]
IMAGES = torch.randn(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def net():
    return perturbed(BIG, seed=1).double()


def plainly(big, size):
    """The smaller net's tensors entry by entry: row r of part p (q, k, v) is row r of that part."""
    d, hidden, full = size.embed_dim, size.hidden_dim, BIG.embed_dim
    tensors = {}
    for name in build_vit(size).state_dict():
        t, rest = big[name], name.split(".", 2)[-1]
        if rest.startswith("attn.qkv"):
            t = torch.stack([t[part * full + row] for part in range(3) for row in range(d)])
            tensors[name] = t[:, :d] if t.dim() == 2 else t
        elif rest.startswith("mlp.fc1"):
            tensors[name] = t[:hidden, :d] if t.dim() == 2 else t[:hidden]
        elif rest == "mlp.fc2.weight":
            tensors[name] = t[:d, :hidden]
        elif rest == "attn.proj.weight":
            tensors[name] = t[:d, :d]
        elif name == "pos_embed":
            tensors[name] = t[:, :, :d]
        elif name.startswith("head"):
            tensors[name] = t[:, :d] if t.dim() == 2 else t
        else:  # norms, biases that write the stream, patches
            tensors[name] = t[:d]
    return tensors


def furthest(size):
    """The largest difference of a sub-network's logits from those of a plain net with the tensors by hand."""
    big = net()
    model = ElasticVit(big, BIG, SIZES)
    model.choose([SIZES.index(size)])
    plain = build_vit(size).double()
    plain.load_state_dict(plainly(state(big), size))
    return float((model(IMAGES) - plain.eval()(IMAGES)).detach().abs().max())


@pytest.mark.parametrize("size", SIZES)
def test_a_sub_network_is_the_prefix(size):
    big = state(net())
    got = prefix(big, shapes_of(size))
    assert same(got, plainly(big, size))
    assert furthest(size) < 1e-9


@pytest.mark.parametrize("mistake", ["qkv", "last"])
def test_a_mistake_is_seen(mistake, monkeypatch):
    right = elastic._first
    wrong = {
        "qkv": lambda name, t, shape: elastic._corner(t, shape),  # the first rows of the fused tensor: mostly q
        "last": lambda name, t, shape: t[-shape[0] :] if "fc1" in name and t.dim() == 1 else right(name, t, shape),
    }[mistake]
    monkeypatch.setattr(elastic, "_first", wrong)
    assert max(furthest(size) for size in SIZES) > 1e-3


def test_only_the_one_net_is_registered_and_trained():
    model = ElasticVit(net(), BIG, SIZES)
    assert {name.removeprefix("net.") for name in model.state_dict()} == set(net().state_dict())
    assert "net.pos_embed" in model.no_weight_decay()
    model.choose([0])
    model(IMAGES).sum().backward()
    gradients = {name: p.grad for name, p in model.net.named_parameters()}
    assert gradients["blocks.2.norm1.weight"] is None
    qkv = gradients["blocks.0.attn.qkv.weight"].unflatten(0, (3, -1))
    assert qkv[:, :16, :16].any() and not qkv[:, 16:].any() and not qkv[:, :, 16:].any()


def test_what_is_chosen():
    model = ElasticVit(net(), BIG, SIZES)
    whole = net().eval()(IMAGES)
    assert model(IMAGES).equal(whole) and len(model.all_logits(IMAGES)) == 1
    assert model.choose([2, 0]) == (2, 0)
    first, second = model.all_logits(IMAGES)
    assert model(IMAGES).equal(first) and not first.equal(second)
    other = copy.deepcopy(model)
    assert other(IMAGES).equal(first)
    assert other.to("meta")(IMAGES.to("meta")).shape == (3, 5)


def test_all_in_order_of_weight():
    """The function stays, and of every order the heaviest come first."""
    before, model = state(net()), build_vit(BIG).double()
    after = in_order_of_weight(before, BIG)
    model.load_state_dict(after)
    assert torch.allclose(model.eval()(IMAGES), net().eval()(IMAGES), atol=1e-9, rtol=0)
    for i in range(3):
        units = after[f"blocks.{i}.mlp.fc2.weight"].abs().sum(0).tolist()
        proj, qkv = (after[f"blocks.{i}.attn.{name}.weight"].abs() for name in ("proj", "qkv"))
        parts = [proj.T, *qkv.chunk(3)]
        heads = [sum(float(part[8 * h : 8 * h + 8].sum()) for part in parts) for h in range(3)]
        assert heads == sorted(heads, reverse=True)
        old = before[f"blocks.{i}.mlp.fc2.weight"].abs().sum(0).tolist()
        assert units == pytest.approx(sorted(old, reverse=True)) and old != sorted(old, reverse=True)

    def weight(tensors, channel):
        total = tensors["patch_embed.proj.weight"][channel].abs().sum() + tensors["fc_norm.weight"][channel].abs()
        total += tensors["head.weight"][:, channel].abs().sum()
        for i in range(3):
            block = {name: tensors[f"blocks.{i}.{name}.weight"].abs() for name in ("norm1", "norm2", "attn.qkv",
                     "attn.proj", "mlp.fc1", "mlp.fc2")}  # fmt: skip
            total += block["norm1"][channel] + block["norm2"][channel]
            total += sum(block[name][:, channel].sum() for name in ("attn.qkv", "mlp.fc1"))
            total += sum(block[name][channel].sum() for name in ("attn.proj", "mlp.fc2"))
        return float(total)

    weights = [weight(after, channel) for channel in range(24)]
    assert weights == pytest.approx(sorted((weight(before, c) for c in range(24)), reverse=True))
