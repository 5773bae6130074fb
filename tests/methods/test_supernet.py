"""Supernets: targets are the net's own sub-networks, what is drawn, what it starts from, and what is stored."""

import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

import methods
from methods import supernet
from methods.parts.elastic import ElasticVit
from methods.parts.sizes import shapes_of
from methods.testing import check_initializer, perturbed, same, state
from methods.vit import VitSpec, build_vit
from tests.methods.tinylab import SPEC, TinyLab

BIG = SPEC.replace(depth=3, mlp_ratio=2.0)
NARROW = BIG.replace(embed_dim=16, num_heads=1)
TARGETS = [NARROW, BIG.replace(depth=2), BIG.replace(depth=1, mlp_ratio=1.0)]


def condensed(targets=TARGETS, ancestor=None, lab=None, **options):
    init = methods.get("supernet", **options)
    ancestor = perturbed(BIG, seed=1) if ancestor is None else ancestor
    lab = lab or TinyLab(targets, teacher=ancestor)
    return init, init.condense(ancestor if init.ancestors else None, lab), lab


def started(init, learngene, lab, target, dtype=torch.float32):
    model = build_vit(target).to(dtype)
    init.initialize(model, learngene, lab)
    return model.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_target_is_the_nets_own_sub_network(dtype):
    train = {} if dtype == torch.float32 else {"steps": 0}
    init, learngene, lab = condensed(ancestor=perturbed(BIG, seed=1).to(dtype), train=train)
    net = VitSpec(**learngene.meta["net"])
    assert net == BIG  # the largest of each
    big = build_vit(net).to(dtype)
    big.load_state_dict(learngene.tensors)
    model = ElasticVit(big, net, [net.replace(**size) for size in learngene.meta["sizes"]]).eval()
    images = torch.randn(4, 1, 8, 8, dtype=dtype)
    for target in [*TARGETS, BIG]:
        number = [(s.embed_dim, s.depth, s.hidden_dim) for s in model.sizes].index(
            (target.embed_dim, target.depth, target.hidden_dim)
        )
        model.choose([number])
        assert torch.allclose(
            started(init, learngene, lab, target, dtype)(images),
            model(images),
            atol=1e-5 if dtype == torch.float32 else 1e-9,
            rtol=0,
        )


def test_without_training_an_equal_size_is_the_ancestor():
    ancestor = perturbed(BIG, seed=1)
    init, learngene, lab = condensed([BIG], ancestor, train={"steps": 0})
    assert same(state(started(init, learngene, lab, BIG)), state(ancestor))
    init, learngene, lab = condensed([BIG], ancestor, train={"steps": 0}, sort="l1")
    target, images = started(init, learngene, lab, BIG), torch.randn(4, 1, 8, 8)
    assert torch.allclose(target(images), ancestor.eval()(images), atol=1e-5)
    assert not target.pos_embed.equal(ancestor.pos_embed)


def test_the_net_is_as_large_as_its_targets():
    _, learngene, _ = condensed([NARROW])
    assert VitSpec(**learngene.meta["net"]) == NARROW and learngene.meta["sizes"] == [
        {"embed_dim": 16, "depth": 3, "num_heads": 1, "mlp_ratio": 2.0}
    ]
    init, learngene, _ = condensed([NARROW, BIG.replace(depth=7)], start="fresh")
    assert init.ancestors == 0 and VitSpec(**learngene.meta["net"]) == BIG.replace(depth=7)


def test_every_size_is_drawn_as_often():
    draw = supernet.Draw(ElasticVit(build_vit(BIG), BIG, [*TARGETS, BIG]), 1)
    keys = Counter(draw(step, torch.Generator().manual_seed(step)) for step in range(2000))
    assert set(keys) == {(i,) for i in range(4)} and all(abs(n - 500) < 5 * math.sqrt(500) for n in keys.values())
    assert draw(3, torch.Generator().manual_seed(3)) == draw(3, torch.Generator().manual_seed(3))


def test_the_sandwich():
    draw = supernet.Draw(ElasticVit(build_vit(BIG), BIG, [*TARGETS, BIG]), "sandwich")
    keys = [draw(step, torch.Generator().manual_seed(step)) for step in range(50)]
    params = [sum(p.numel() for p in build_vit(size).parameters()) for size in draw.model.sizes]
    assert (params.index(max(params)), params.index(min(params))) == (3, 0)
    assert {key[:2] for key in keys} == {(3, 0)} and len({key[2:] for key in keys}) > 5
    model, images, labels = draw.model, torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    model.choose([3, 2, 0])
    alone = []
    for size in (3, 2, 0):
        other = ElasticVit(model.net, BIG, model.sizes)
        other.choose([size])
        alone.append(F.cross_entropy(other(images), labels))
    assert torch.allclose(supernet.added_losses(model, images, labels), sum(alone))


@pytest.mark.parametrize(
    ("options", "loss", "distill", "drawn"),
    [
        ({}, "ce", None, 1),
        ({"kl": 1.0, "sort": "l1"}, "kd", {"kl": 1.0, "ce": 1.0, "temperature": 1.0}, 1),
        ({"per_step": 3}, supernet.added_losses, None, 3),
        ({"per_step": "sandwich", "start": "fresh"}, supernet.added_losses, None, 4),
    ],
)
def test_how_it_is_trained(options, loss, distill, drawn):
    _, _, lab = condensed(**options, train={"lr": 0.01})
    fit = lab.fits["supernet"]
    assert (fit["loss"], fit["recipe"].get("distill"), fit["recipe"]["lr"]) == (loss, distill, 0.01)
    assert fit["recipe"]["compile"] is False and len(lab.keys) == lab.steps
    assert all(len(key) == drawn for key in lab.keys)


def test_only_what_is_drawn_is_trained():
    """All steps at one block: the others stay the ancestor's."""
    ancestor, target = perturbed(BIG, seed=1), BIG.replace(depth=1)
    lab = TinyLab([target, BIG])
    lab.generator = lambda name: torch.Generator().manual_seed(2)  # draws the first size in every step
    _, learngene, lab = condensed([target, BIG], ancestor, lab)
    assert lab.keys == [(0,)] * 2
    changed = {name for name, t in learngene.tensors.items() if not t.equal(ancestor.state_dict()[name])}
    assert changed == {name for name in learngene.tensors if not name.startswith(("blocks.1.", "blocks.2."))}


def test_sizes_are_derived_and_named():
    init = methods.get("supernet").resolve(BIG, TARGETS)
    assert init.sizes == [
        {"embed_dim": 16, "depth": 3, "num_heads": 1, "mlp_ratio": 2.0},
        {"embed_dim": 32, "depth": 1, "num_heads": 2, "mlp_ratio": 1.0},
        {"embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2.0},
        {"embed_dim": 32, "depth": 3, "num_heads": 2, "mlp_ratio": 2.0},
    ]
    assert init.resolve(BIG, [NARROW]) == init  # what is named stays
    matformer = methods.get("supernet", sizes=[{"mlp_ratio": 0.5}, {"mlp_ratio": 1}, {"embed_dim": 16}])
    assert [(s["embed_dim"], s["num_heads"], s["mlp_ratio"]) for s in matformer.resolve(BIG, [BIG]).sizes] == [
        (16, 1, 2.0),
        (32, 2, 0.5),
        (32, 2, 1),
    ]


def test_a_target_outside_of_the_sizes_is_cut_and_said_so():
    init, learngene, lab = condensed([BIG])
    with pytest.warns(UserWarning, match="no size that was trained is that of the target"):
        target = started(init, learngene, lab, NARROW)
    assert target.pos_embed.equal(learngene.tensors["pos_embed"][:, :, :16])


@pytest.mark.parametrize(
    ("width", "heads", "expected"), [(192, 3, 5_524_032), (384, 6, 21_664_896), (768, 12, 85_797_120)]
)
def test_what_is_stored(width, heads, expected):
    """All of the net but its head."""
    spec = SPEC.replace(embed_dim=width, num_heads=heads, depth=12, patch_size=16, img_size=224, in_chans=3)
    small = spec.replace(embed_dim=64, num_heads=1, depth=4)
    sizes = methods.get("supernet").resolve(spec, [small, spec.replace(depth=6), spec]).sizes
    largest = spec.replace(**sizes[-1])
    assert sum(math.prod(s) for n, s in shapes_of(largest).items() if not n.startswith("head")) == expected
    if width == 192:
        targets, ancestor = [small, spec], build_vit(spec)
        _, learngene, _ = condensed(targets, ancestor, train={"steps": 0})
        assert (learngene.stored_params, learngene.stored_params_head) == (expected, 5 * 192 + 5)
        _, learngene, _ = condensed([small, small.replace(embed_dim=128, num_heads=2)], ancestor, train={"steps": 0})
        assert learngene.stored_params == 4 * (12 * 128**2 + 13 * 128) + 967 * 128


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sort": "l1", "kl": 1.0, "temperature": 2.0},
        {"start": "fresh", "per_step": 2},
        {"start": "fresh", "kl": 1.0, "ce": 0.0},
        {"per_step": "sandwich"},
    ],
)
def test_the_contract(options):
    check_initializer(methods.get("supernet", **options), BIG, NARROW.replace(depth=2), TinyLab)


def test_the_contract_of_a_net_larger_than_any_ancestor():
    check_initializer(methods.get("supernet", start="fresh"), BIG, BIG.replace(depth=5), TinyLab)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "no"}, "start must be one of ancestor, fresh"),
        ({"kl": -1.0}, "kl and ce must not be negative"),
        ({"ce": 0.5}, "without kl it is 1, found 0.5"),
        ({"per_step": "all"}, "per_step must be a number of at least 1, or sandwich; found 'all'"),
        ({"per_step": 0}, "per_step must be a number of at least 1"),
        ({"per_step": -2}, "per_step must be a number of at least 1"),
        ({"per_step": 2, "kl": 1.0}, "several sizes per step are trained without kl"),
        ({"sort": "l1", "start": "fresh"}, "it needs start: ancestor"),
        ({"sizes": [{"width": 3}]}, "sizes have the keys embed_dim, depth, num_heads, mlp_ratio; found width"),
        ({"sizes": []}, "sizes must not be empty"),
        ({"train": {"distill": {}}}, "train.distill is derived"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        methods.get("supernet", **options)


def test_what_is_not_served():
    init = methods.get("supernet")
    assert init.supports(BIG, BIG.replace(depth=4)) == "cannot grow depth: ancestor 3, target 4"
    assert methods.get("supernet", sizes=[{"depth": 2}]).supports(BIG, BIG) == "cannot grow depth: ancestor 2, target 3"
    with pytest.raises(ValueError, match="sizes: cannot grow depth"):
        methods.get("supernet", sizes=[{"depth": 4}]).check(BIG, BIG)
    assert methods.get("supernet", start="fresh").supports(None, BIG.replace(depth=40)) is None
    with pytest.raises(ValueError, match="condense needs a lab"):
        init.condense(perturbed(BIG, 1), None)
