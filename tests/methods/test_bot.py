"""BoT: Haar wavelets against loops over pairs, up and down again, and the sizes that it serves."""

import math

import pytest
import torch

import methods
from methods.parts import resample
from methods.testing import check_initializer, perturbed, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

BASE = SPEC.replace(embed_dim=16, num_heads=4, depth=4, mlp_ratio=2.0)
TARGETS = {
    "shallower": BASE.replace(depth=1),
    "deeper": BASE.replace(depth=8),
    "narrower": BASE.replace(embed_dim=4, num_heads=1, mlp_ratio=4.0),
    "wider": BASE.replace(embed_dim=32, num_heads=8),
    "both": BASE.replace(embed_dim=32, num_heads=8, depth=2, mlp_ratio=1.0),
}
HAAR = ("attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")


def filled(target, ancestor=None, lab=None):
    ancestor = perturbed(BASE, seed=1).double() if ancestor is None else ancestor
    init, model = methods.get("bot"), build_vit(target).double()
    init.initialize(model, init.condense(ancestor, lab), lab)
    return state(ancestor), model


def along(values, want, down, up):
    """A list at another length: each level adds neighbours times `down`, or repeats entries times `up`."""
    while len(values) > want:
        values = [down * (values[2 * i] + values[2 * i + 1]) for i in range(len(values) // 2)]
    while len(values) < want:
        values = [up * values[i // 2] for i in range(2 * len(values))]
    return values


def plainly(ancestor, name, shape, depth):
    """A tensor of the target by lists of numbers: over depth first, then over the axes of the tensor."""
    block = name.startswith("blocks.")
    key = name.split(".", 2)[2] if block else name
    matrix = key in HAAR or name == "head.weight"
    factors = (1 / math.sqrt(2),) * 2 if matrix else (0.5, 1)
    w = ancestor[name] if not block else None
    if block:
        layers = [ancestor[f"blocks.{i}.{key}"] for i in range(BASE.depth)]
        w = along(layers, depth, *factors)[int(name.split(".")[1])]
    for dim, n in enumerate(shape):
        w = torch.stack(along(list(w.unbind(dim)), n, *factors), dim)
    return w


def furthest(target):
    lab = TinyLab()
    ancestor, model = filled(target, lab=lab)
    pairs = [(t, plainly(ancestor, n, t.shape, target.depth)) for n, t in state(model).items()]
    return max((t - w).abs().max().item() for t, w in pairs)


@pytest.mark.parametrize("size", TARGETS)
def test_the_rule_by_loops_over_pairs(size):
    assert furthest(TARGETS[size]) < 1e-12


@pytest.mark.parametrize("mistake", ["halved", "doubled"])
def test_a_mistake_is_seen(mistake, monkeypatch):
    right = getattr(resample, mistake)
    wrong = {"halved": lambda t, dim, f: right(t, dim, 0.5), "doubled": lambda t, dim, f: right(t, dim, 1.0)}[mistake]
    monkeypatch.setattr(resample, mistake, wrong)
    assert furthest(TARGETS["both"]) > 1e-3


def test_an_equal_size_is_the_ancestor_bit_for_bit():
    ancestor, model = filled(BASE, perturbed(BASE, seed=1).double(), TinyLab())
    assert all(t.equal(ancestor[name]) for name, t in state(model).items())


@pytest.mark.parametrize("size", ["deeper", "wider"])
def test_up_and_down_again_is_the_identity(size):
    lab = TinyLab()
    ancestor, larger = filled(TARGETS[size], lab=lab)
    _, again = filled(BASE, larger, lab)
    assert all(torch.allclose(t, ancestor[name], atol=1e-12) for name, t in state(again).items())
    assert not any(torch.allclose(t, torch.zeros_like(t)) for t in state(larger).values())


def test_scales():
    """Equal values grow by sqrt(2) per halved axis of a matrix; norm weights of 1 stay 1."""
    ancestor = build_vit(BASE).double()
    with torch.no_grad():
        for p in ancestor.parameters():
            p.fill_(1)
    _, model = filled(BASE.replace(embed_dim=8, num_heads=2), ancestor, TinyLab())
    assert torch.allclose(model.blocks[0].attn.proj.weight, torch.tensor(2.0).double())
    assert torch.allclose(model.head.weight, torch.tensor(2.0**0.5).double())
    assert (model.blocks[3].norm1.weight == 1).all() and (model.pos_embed == 1).all()


@pytest.mark.parametrize(
    ("width", "heads", "expected"), [(192, 3, 5_524_032), (384, 6, 21_664_896), (768, 12, 85_797_120)]
)
def test_all_of_the_ancestor_is_stored(width, heads, expected):
    spec = SPEC.replace(embed_dim=width, num_heads=heads, depth=12, patch_size=16, img_size=224, in_chans=3)
    with torch.device("meta"):
        ancestor = build_vit(spec)
    learngene = methods.get("bot").condense(ancestor, None)
    assert (learngene.stored_params, learngene.stored_params_head) == (expected, 5 * width + 5)
    assert methods.get("bot", head="fresh").condense(ancestor, None).stored_params_head == 0


@pytest.mark.parametrize("size", TARGETS)
def test_the_contract(size):
    check_initializer(methods.get("bot"), BASE, TARGETS[size], TinyLab)


def test_what_is_not_served():
    init = methods.get("bot")
    assert (
        init.supports(BASE, BASE.replace(depth=6)) == "cannot change depth but by a power of two: ancestor 4, target 6"
    )
    assert "embed_dim" in init.supports(BASE, BASE.replace(embed_dim=12, num_heads=3))
    assert "hidden_dim" in init.supports(BASE, BASE.replace(mlp_ratio=3.0))
    assert "head_dim" in init.supports(BASE, BASE.replace(num_heads=2))
    with pytest.raises(ValueError, match="Bot: cannot change depth"):
        init.initialize(build_vit(BASE.replace(depth=3)), init.condense(perturbed(BASE, 1), None), None)
    with pytest.raises(ValueError, match="axis 0 is 4 long and cannot become 6"):
        resample.by_halves(torch.ones(4), (6,), orthonormal=True)
