"""Reindexing: every entry against plain loops, functions that must not change, and mistakes that must be seen."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import reindex as module
from methods.parts.reindex import BlockMaps, Map, Maps, cyclic, first, make_maps, prefix, reindex, shared, uniform
from methods.testing import same
from tests.methods.lively_models import HEADED, gap, lively, logits, plant

TOKEN = HEADED.replace(class_token=True, global_pool="token")


def by_loops(state, maps, spec):
    """The formulas of the mechanism, entry by entry in Python floats."""
    g, c, d = maps.stream.index.tolist(), spec.head_dim, spec.embed_dim
    per = lambda factor, i: float(factor) if not isinstance(factor, torch.Tensor) else float(factor[i])  # noqa: E731
    result = {}
    for name, tensor in state.items():
        old, parts = tensor.tolist(), name.split(".")
        if parts[0] == "blocks":
            block, key = maps.blocks[int(parts[1])], ".".join(parts[2:])
            heads, hidden = block.heads.index.tolist(), block.hidden.index.tolist()
            qk = [(h * c + k, per(block.qk.factor, j)) for h in heads for j, k in enumerate(block.qk.index.tolist())]
            v = [
                (h * c + k, per(block.heads.factor, i) * per(block.v.factor, j))
                for i, h in enumerate(heads)
                for j, k in enumerate(block.v.index.tolist())
            ]
            rows = [(a, f) for a, f in qk] + [(d + a, f) for a, f in qk] + [(2 * d + a, 1.0) for a, _ in v]
            read = lambda j: per(maps.stream.factor, j)  # noqa: E731
            match key:
                case "attn.qkv.weight":
                    new = [[f * old[a][x] * read(j) for j, x in enumerate(g)] for a, f in rows]
                case "attn.qkv.bias":
                    new = [f * old[a] for a, f in rows]
                case "attn.proj.weight":
                    new = [[maps.write * old[x][a] * f for a, f in v] for x in g]
                case "mlp.fc1.weight":
                    new = [[old[u][x] * read(j) for j, x in enumerate(g)] for u in hidden]
                case "mlp.fc1.bias":
                    new = [old[u] for u in hidden]
                case "mlp.fc2.weight":
                    new = [
                        [maps.write * old[x][u] * per(block.hidden.factor, j) for j, u in enumerate(hidden)] for x in g
                    ]
                case "norm1.weight" | "norm2.weight":
                    new = [maps.norm * old[x] for x in g]
                case "norm1.bias" | "norm2.bias":
                    new = [old[x] for x in g]
                case "attn.proj.bias" | "mlp.fc2.bias":
                    new = [maps.write * old[x] for x in g]
        elif name == "head.weight":
            new = [[row[x] * per(maps.stream.factor, j) for j, x in enumerate(g)] for row in old]
        elif name == "head.bias":
            new = old
        elif parts[0] in ("norm", "fc_norm"):
            new = [old[x] * (maps.norm if parts[1] == "weight" else 1.0) for x in g]
        elif name in ("pos_embed", "cls_token"):
            new = [[[maps.write * token[x] for x in g] for token in old[0]]]
        elif name == "patch_embed.proj.bias":
            new = [maps.write * old[x] for x in g]
        else:
            new = (maps.write * tensor[g]).tolist()
        result[name] = torch.tensor(new, dtype=torch.double)
    return result


def drawn(spec, target, seed=0):
    """Random maps of all roles with random factors, other ones in each block."""
    draw = torch.Generator().manual_seed(seed)

    def some(n_from, n_to):
        return Map(torch.randint(n_from, (n_to,), generator=draw), torch.rand(n_to, generator=draw) + 0.5)

    maps = make_maps(spec, target, some, some, some, some)
    return Maps(maps.stream, maps.blocks, spec.head_dim, write=0.7, norm=1.3)


LARGER = TOKEN.replace(embed_dim=25, num_heads=5, mlp_ratio=1.4)
SMALLER = TOKEN.replace(embed_dim=6, num_heads=2, mlp_ratio=1.5)


def check_entries(target):
    state, maps = lively(TOKEN), drawn(TOKEN, target)
    got, expected = module.reindex(state, maps), by_loops(state, maps, TOKEN)
    assert got.keys() == expected.keys()
    for name, tensor in got.items():
        assert tensor.dtype == torch.double and tensor.shape == expected[name].shape, name
        assert gap(tensor, expected[name]) <= 1e-14, name


@pytest.mark.parametrize("target", [LARGER, SMALLER, TOKEN])
def test_every_entry_is_that_of_the_formula(target):
    check_entries(target)


def permuted(n_from, n_to, draw):
    return Map(torch.randperm(n_from, generator=draw)[:n_to])


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([HEADED, TOKEN]))
def test_permutations_of_every_role_leave_the_logits(seed, spec):
    check_permutations(seed, spec)


def check_permutations(seed=0, spec=HEADED):
    draw, state = torch.Generator().manual_seed(seed), lively(spec)
    make = lambda n_from, n_to: permuted(n_from, n_to, draw)  # noqa: E731
    moved = reindex(state, make_maps(spec, spec, make, make, make, make))
    assert not moved["blocks.1.attn.qkv.weight"].equal(state["blocks.1.attn.qkv.weight"])
    assert gap(logits(moved, spec), logits(state, spec)) <= 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_identity_maps_are_bit_equal_and_keep_the_type(dtype):
    state = {n: t.to(dtype) for n, t in lively(TOKEN).items()}
    assert same(reindex(state, prefix(TOKEN, TOKEN)), state)
    assert same(reindex(state, make_maps(TOKEN, TOKEN, cyclic, cyclic, cyclic, cyclic)), state)


def check_replicas(spec=HEADED, times=3):
    """Whole multiples of everything, columns divided by the counts: the same function. Head channels too, with
    q and k times m^(-1/4), because the scores are divided by the root of the larger head_dim."""
    target = spec.replace(embed_dim=spec.embed_dim * times * 2, num_heads=spec.num_heads * times)
    maps = make_maps(spec, target, *[module.cyclic] * 4)
    kappa = (target.head_dim / spec.head_dim) ** -0.25
    blocks = [BlockMaps(b.heads, Map(b.qk.index, kappa), b.v, b.hidden) for b in maps.blocks]
    grown = module.reindex(lively(spec), Maps(maps.stream, blocks, spec.head_dim))
    assert gap(logits(grown, target), logits(lively(spec), spec)) <= 1e-12


@pytest.mark.parametrize("spec", [HEADED, TOKEN])
def test_replicas_of_everything_keep_the_function(spec):
    check_replicas(spec)


def test_the_prefix_is_a_slice():
    state, target = lively(HEADED), HEADED.replace(embed_dim=8, num_heads=2, mlp_ratio=1.5)
    got = reindex(state, prefix(HEADED, target))
    qkv = state["blocks.2.attn.qkv.weight"]
    assert got["blocks.2.attn.qkv.weight"].equal(torch.cat([qkv[:8, :8], qkv[12:20, :8], qkv[24:32, :8]]))
    assert got["blocks.2.attn.proj.weight"].equal(state["blocks.2.attn.proj.weight"][:8, :8])
    assert got["blocks.2.mlp.fc2.weight"].equal(state["blocks.2.mlp.fc2.weight"][:8, :12])


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.integers(n, 60))))
def test_shares_of_an_old_index_add_up_to_one(sizes):
    n_from, n_to = sizes
    index = torch.cat([torch.arange(n_from), torch.randint(n_from, (n_to - n_from,))])
    for made in (cyclic(n_from, n_to), shared(index)):
        assert (torch.zeros(n_from).double().index_add(0, made.index, made.factor) - 1).abs().max() < 1e-12
    assert first(n_from + 3, n_from).index.tolist() == list(range(n_from))
    assert uniform(n_to, n_from)[0] == 0 and math.isfinite(float(uniform(n_to, n_from).sum()))


ENTRIES = {
    "q, k, v interleaved": (
        "torch.cat([q, k + width, v + 2 * width])",
        "torch.stack([q, k + width, v + 2 * width], 1).flatten()",
    ),
    "thirds of the new width": (
        "thirds(qk.index, qk.index, v.index, size // 3)",
        "thirds(qk.index, qk.index, v.index, len(v.index))",
    ),
    "v by the map of q": ("thirds(qk.index, qk.index, v.index,", "thirds(qk.index, qk.index, qk.index,"),
    "factor of q and k on v": ("(qk.factor, qk.factor, 1.0)", "(qk.factor, qk.factor, qk.factor)"),
    "factor of heads on rows": ("qk = head_major(Map(block.heads.index), ", "qk = head_major(block.heads, "),
    "no factor on columns": ('role == "qkv" or reads(name, dim)', 'role == "qkv"'),
    "norms scaled as writers": ("and not is_norm(name)", ""),
    "biases of norms scaled": ('elif role == "stream" and name.endswith("weight"):', 'elif role == "stream":'),
}


@pytest.mark.parametrize("mistake", ENTRIES)
def test_a_mistake_is_seen(mistake, monkeypatch):
    plant(monkeypatch, module, *ENTRIES[mistake])
    with pytest.raises((AssertionError, IndexError)):
        check_entries(LARGER)


FUNCTIONS = {
    "channels before heads": (
        "heads.index[:, None] * head_dim + within.index",
        "heads.index + within.index[:, None] * len(heads.index)",
    ),
    "no shares": ("1 / torch.bincount(index)[index].double()", "1.0"),
}


@pytest.mark.parametrize("mistake", FUNCTIONS)
def test_a_mistake_changes_the_function(mistake, monkeypatch):
    plant(monkeypatch, module, *FUNCTIONS[mistake])
    with pytest.raises((AssertionError, IndexError)):
        check_replicas()
