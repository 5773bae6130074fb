"""LiGO: dense weights against loops, copies without noise and steps, what is trained, and mistakes that are seen."""

import pytest
import torch

import methods.ligo as ligo_module
import methods.parts.linear_maps as maps_module
from methods.base import HEAD
from methods.parts.linear_maps import fresh_map, fresh_mixture, fused, unfused
from methods.registry import get
from methods.testing import check_initializer, perturbed, same, state
from methods.vit import VitSpec, build_vit
from tests.methods.growth_in_loops import KINDS, WRITES, check_rest, close, grown_part, grown_rest, part_of, sum_of
from tests.methods.small_waves import Watched, images
from tests.methods.tinylab import SPEC, TinyLab

SMALL = SPEC.replace(embed_dim=8, num_heads=2, depth=2, mlp_ratio=2.0)
TARGETS = {
    "wider and deeper": SMALL.replace(embed_dim=12, num_heads=3, depth=5),
    "wider": SMALL.replace(embed_dim=16, num_heads=4),
    "deeper": SMALL.replace(depth=3),
    "shallower": SMALL.replace(embed_dim=12, num_heads=3, depth=1),
}


def grown_target(spec, *, small=SMALL, steps=0, classes="tiny", **options):
    """(target's state before, after, lab, ancestor's state)."""
    ancestor = perturbed(small, seed=1)
    ligo, lab = get("ligo", steps=steps, **options), Watched((spec,), steps=max(steps, 1), classes=classes)
    learngene = ligo.condense(ancestor, Watched((spec,)))
    target = perturbed(spec, seed=2)
    before = state(target)
    ligo.initialize(target, learngene, lab)
    return before, state(target), lab, ancestor.state_dict()


def check_loops(monkeypatch, spec, *, small=SMALL, steps=0, **options):
    """A target's every number by loops over mixtures, then maps, as they were after training."""
    models, start = [], ligo_module.Ligo.start
    with monkeypatch.context() as patch:
        patch.setattr(ligo_module.Ligo, "start", lambda *a: models.append(start(*a)) or models[-1])
        _, target, _, source = grown_target(spec, small=small, steps=steps, **options)
    tensors = models[0].tensors()
    maps = {name: tensors.get(f"map.{name}") for name in ("emb", "q", "k", "v", "ffn")}
    for block in range(spec.depth):
        own = {name: f if name == "emb" or f is None else f[block] for name, f in maps.items()}
        for module in WRITES:
            for kind in KINDS:
                layers = [part_of(source, k, module, kind) for k in range(small.depth)]
                mixture = tensors[f"mix.{module}.{kind}"][block].tolist()
                expected = grown_part(sum_of(mixture, layers), module, kind, own)
                assert close(part_of(target, block, module, kind), expected), (block, module, kind)
    check_rest(target, grown_rest(source, maps["emb"], maps["emb"]))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("steps", [0, 2])
def test_dense_weights(monkeypatch, target, steps):
    check_loops(monkeypatch, TARGETS[target], steps=steps)


def test_dense_weights_with_a_class_token(monkeypatch):
    token = SMALL.replace(class_token=True, global_pool="token")
    check_loops(monkeypatch, token.replace(embed_dim=12, num_heads=3, depth=3), small=token)


EXTENDED, WIDENED, MIXED, UNFUSED = (getattr(maps_module, n) for n in ("extended", "widened", "mixed", "unfused"))


def width_first(tensors):
    """A mistake: each layer of the small net is widened by the maps of the large layer of its number, then mixed."""
    small, mixtures, maps = (ligo_module.under(tensors, prefix) for prefix in ("small.", "mix.", "map."))
    layers = UNFUSED(small)
    own = {name: f if name == "emb" else f[: len(layers["q.weight"])] for name, f in maps.items()}
    rest = {name: t for name, t in small.items() if not name.startswith("blocks.")}
    emb = maps.get("emb")
    return fused(MIXED(WIDENED(layers, own), mixtures)) | maps_module.widened_rest(rest, emb, emb)


def flat_qkv(state):
    """A mistake: every third row of the fused weights instead of thirds."""
    parts = UNFUSED(state)
    for kind in KINDS:
        rows = torch.cat([parts[f"{m}.{kind}"] for m in "qkv"], 1)
        parts |= {f"{m}.{kind}": rows[:, i::3] for i, m in enumerate("qkv")}
    return parts


MISTAKES = {
    "width before depth": (ligo_module, "grown", width_first),
    "proj reads the stream": (maps_module, "INPUTS", maps_module.INPUTS | {"proj": "emb"}),
    "k writes q's map": (maps_module, "OUTPUTS", maps_module.OUTPUTS | {"k": "q"}),
    "new rows come first": (maps_module, "extended", lambda t, f, dim: EXTENDED(t, f, dim).roll(t.shape[dim], dim)),
    "q, k and v are interleaved": (maps_module, "unfused", flat_qkv),
    "a mixture is of the wrong layer": (
        maps_module,
        "mixed",
        lambda parts, w: MIXED(parts, {part: c.flip(1) for part, c in w.items()}),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(monkeypatch, mistake):
    monkeypatch.setattr(*MISTAKES[mistake])
    with pytest.raises(AssertionError):
        check_loops(monkeypatch, TARGETS["wider and deeper"])


def check_copies():
    """Without noise and steps a deeper target is made of copies: block i of i mod L, or of floor(i L / L')."""
    for depth, new in ((4, 7), (4, 8), (3, 2)):
        small = SMALL.replace(depth=depth)
        for kind in ("stack", "interleave"):
            _, target, _, source = grown_target(small.replace(depth=new), small=small, noise=0.0, depth=kind)
            for name, tensor in target.items():
                if not name.startswith("blocks."):
                    assert tensor.equal(source[name])
                    continue
                _, block, key = name.split(".", 2)
                k = int(block) % depth if kind == "stack" else int(int(block) * depth / new)
                assert tensor.equal(source[f"blocks.{k}.{key}"]), (kind, name)


def test_copies():
    check_copies()


def test_wrong_copies_are_seen(monkeypatch):
    mixture = maps_module.fresh_mixture

    def halves(sources, count, *rest):  # the released code's interleave
        return mixture([i // 2 % count for i in range(len(sources))], count, *rest)

    monkeypatch.setattr(maps_module, "fresh_mixture", halves)
    with pytest.raises(AssertionError):
        check_copies()


def test_an_equal_size_is_the_ancestor():
    _, target, _, source = grown_target(SMALL, noise=0.0)
    assert same(target, state_of(source))


def state_of(source):
    return {name: t.detach().clone() for name, t in source.items()}


def test_starts():
    draw = torch.Generator().manual_seed(0)
    rows = fresh_map((3, 5, 40), draw)
    torch.testing.assert_close(rows.sum(-1), torch.ones(3, 5))
    assert rows.min() >= 0 and 0.5 < rows.std() / (12**-0.5 / 20) < 1.5
    mixture = fresh_mixture([0, 2, 2], 3, 0.03, draw)
    torch.testing.assert_close(mixture.sum(-1), torch.ones(3))
    assert mixture.argmax(-1).tolist() == [0, 2, 2] and mixture[0, 1:].min() > 0 and mixture[0, 1:].max() < 0.03
    assert fresh_mixture([1, 0], 2, 0.0, draw).tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_blocks_are_split_and_joined_again():
    source = perturbed(SMALL, seed=4).state_dict()
    blocks = {name: t for name, t in source.items() if name.startswith("blocks.")}
    assert same(fused(unfused(source)), blocks)


@pytest.mark.parametrize("classes", ["tiny", "other"])
def test_the_small_net_is_frozen_and_the_maps_are_trained(classes):
    before, target, lab, source = grown_target(TARGETS["wider and deeper"], steps=3, classes=classes)
    model, fit = lab.modules["maps"], lab.fits["maps"]
    tensors = model.tensors()
    for name, t in source.items():
        if name not in HEAD or classes == "tiny":
            assert tensors[f"small.{name}"].equal(t)
    trained = {name for name, p in zip(model.names, model.trained, strict=True) if p.grad is not None and p.grad.any()}
    assert trained == set(model.names) == {n for n in tensors if n.startswith(("map.", "mix."))}
    assert len(trained) == 16 + 5
    assert fit["loss"] == "ce" and fit["recipe"] == {"steps": 3, "warmup_steps": 0, "compile": False}
    assert fit["params"] == len(trained) + (0 if classes == "tiny" else 2)
    if classes == "other":  # the head that was trained beside is dropped
        assert target["head.weight"].equal(before["head.weight"])
        assert not model.skeleton.head.weight.equal(before["head.weight"])
    assert {name for i, name in enumerate(model.names) if f"trained.{i}" in model.no_weight_decay()} == {
        name for name in model.names if name.startswith("mix.")
    }


def test_the_model_computes_what_the_target_computes():
    spec = TARGETS["wider and deeper"]
    _, target, lab, _ = grown_target(spec, steps=2)
    dense = build_vit(spec).eval()
    dense.load_state_dict(target)
    assert (dense(images()) - lab.modules["maps"](images())).abs().max() < 1e-4


@pytest.mark.parametrize(("width", "stored"), [(192, 5_524_032), (384, 21_664_896), (768, 85_797_120)])
def test_stored_parameters_of_deit(width, stored):
    with torch.device("meta"):
        ancestor = build_vit(VitSpec(embed_dim=width, num_heads=width // 64))
    names = get("ligo").condense(perturbed(SMALL, seed=1), None).tensors
    assert set(names) == set(build_vit(SMALL).state_dict())
    numbers = {n: t.numel() for n, t in ancestor.state_dict().items()}
    assert sum(n for name, n in numbers.items() if name not in HEAD) == stored


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("wider and deeper", {}),
        ("wider", {"depth": "interleave", "noise": 0.0}),
        ("deeper", {"head": "fresh"}),
        ("shallower", {"steps": 0}),
    ],
)
def test_the_contract(target, options):
    check_initializer(get("ligo", **options), SMALL, TARGETS[target], TinyLab)


def test_sizes_that_it_cannot_serve():
    ligo = get("ligo")
    narrow = SMALL.replace(embed_dim=4, num_heads=1)
    assert ligo.supports(SMALL, narrow) == "cannot shrink embed_dim: ancestor 8, target 4"
    heads = SMALL.replace(embed_dim=16, num_heads=2)
    assert ligo.supports(SMALL, heads) == "cannot change head_dim: ancestor 4, target 8"
    assert ligo.supports(SMALL, SMALL.replace(mlp_ratio=4.0)) == "cannot change mlp_ratio: ancestor 2.0, target 4.0"


def test_what_is_impossible():
    with pytest.raises(ValueError, match="noise must not be negative"):
        get("ligo", noise=-1.0)
    with pytest.raises(ValueError, match="depth must be one of stack, interleave"):
        get("ligo", depth="spread")
    ligo = get("ligo")
    with pytest.raises(ValueError, match="needs a lab, or steps 0"):
        ligo.initialize(build_vit(SMALL), ligo.condense(build_vit(SMALL), None), None)


def test_it_trains_its_start_alone():
    assert (get("ligo").trains, get("ligo").trains_start) == (False, True)
