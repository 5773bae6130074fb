"""LeTs: width before depth, pairs and rows, first rows of the maps, sizes, what is stored, and mistakes."""

from functools import cache

import pytest
import torch

import methods.lets as lets_module
import methods.parts.linear_maps as maps_module
from methods.base import Learngene
from methods.lets import rows_of
from methods.registry import get
from methods.testing import check_initializer, perturbed, state
from methods.vit import VitSpec
from tests.methods.growth_in_loops import (
    KINDS,
    READS,
    WRITES,
    check_rest,
    close,
    grown_part,
    grown_rest,
    part_of,
    rows,
    sum_of,
)
from tests.methods.small_waves import Watched, images
from tests.methods.tinylab import SPEC, TinyLab

BIG = SPEC.replace(embed_dim=16, num_heads=4, depth=8, mlp_ratio=2.0)  # gene: 8 wide, 4 deep
TARGETS = {
    "auxiliary": BIG,
    "between": BIG.replace(embed_dim=12, num_heads=3, depth=6),
    "gene's width": BIG.replace(embed_dim=8, num_heads=2, depth=5),
    "shallow": BIG.replace(embed_dim=12, num_heads=3, depth=3),
    "deep": BIG.replace(depth=11),
    "one block": BIG.replace(depth=1),
}


def condensed(ancestor=BIG, steps=2, **options):
    teacher = perturbed(ancestor, seed=1)
    lets, lab = get("lets", **options), Watched((ancestor,), teacher=teacher, steps=steps)
    return lets, lets.condense(teacher, lab), lab


@cache
def perturbed_gene(ancestor):
    """(lets, a learngene far from its start, lab), once: a target is filled without changing any of them."""
    lets, gene, lab = condensed(ancestor)
    draw = torch.Generator().manual_seed(3)
    tensors = {name: t + 0.2 * torch.rand(t.shape, generator=draw) for name, t in gene.tensors.items()}
    return lets, Learngene(tensors, gene.meta), lab


def filled(lets, gene, spec, lab):
    target = perturbed(spec, seed=2)
    lets.initialize(target, gene, lab)
    return target.eval()


def list_of_rows(depth, count):
    """Rows of a target's blocks: equally often, the remainder to the middle; of fewer blocks evenly picked."""
    if depth < count:
        return [int(i * (count - 1) / max(depth - 1, 1) + 0.5) for i in range(depth)]
    counts = [depth // count] * count
    first = (count - depth % count) // 2
    for row in range(first, first + depth % count):
        counts[row] += 1
    return [row for row, n in enumerate(counts) for _ in range(n)]


def check_loops(spec, ancestor=BIG):
    """A target's every number by loops: each gene layer widened by the first rows of its maps, then pairs are mixed."""
    lets, gene, lab = perturbed_gene(ancestor)
    target, t = filled(lets, gene, spec, lab).state_dict(), gene.tensors
    d0, l0 = ancestor.embed_dim // 2, ancestor.depth // 2
    new, hidden = spec.embed_dim - d0, spec.hidden_dim - int(d0 * spec.mlp_ratio)
    for block, row in enumerate(list_of_rows(spec.depth, l0)):
        pair = (row - row % 2, row - row % 2 + 1)
        for module in WRITES:
            for kind in KINDS:
                wide = []
                for k in pair:
                    maps = {n: t[f"map.{n}"][k, :new] for n in "qkv"} | {"emb": t["map.emb"][:new]}
                    maps["ffn"] = t["map.ffn"][k, :hidden]
                    wide.append(grown_part(rows(t[f"gene.{module}.{kind}"][k]), module, kind, maps))
                expected = sum_of(t[f"mix.{module}.{kind}"][row].tolist(), wide)
                assert close(part_of(target, block, module, kind), expected), (block, module, kind)
    outside = {n: t[f"gene.{n}"] for n in ("patch_embed.proj.weight", "patch_embed.proj.bias")}
    norm = "fc_norm" if spec.global_pool == "avg" else "norm"
    outside |= {f"{norm}.{kind}": t[f"gene.{norm}.{kind}"] for kind in KINDS}
    outside |= {"head.weight": t["head.gene.weight"], "head.bias": t["head.bias"]}
    check_rest(target, grown_rest(outside, t["map.emb"][:new], t["head.map"][:new]))
    for name in ("pos_embed", "cls_token"):
        if name in target:
            assert target[name].equal(t[name][..., : spec.embed_dim])


@pytest.mark.parametrize("target", TARGETS)
def test_dense_weights(target):
    check_loops(TARGETS[target])


def test_dense_weights_with_a_class_token():
    token = BIG.replace(class_token=True, global_pool="token")
    check_loops(token.replace(embed_dim=12, num_heads=3, depth=6), token)


PAIRED, FIRST, WIDENED, REST = lets_module.paired, lets_module.first_rows, maps_module.widened, maps_module.widened_rest


def last_rows(tensors, gene, spec):
    kept = FIRST(tensors, gene, spec)
    return {n: t if t.shape == kept[n].shape else t[..., -kept[n].shape[-2] :, :] for n, t in tensors.items()}


MISTAKES = {
    "one coefficient for both layers": (lets_module, "paired", lambda s, c: PAIRED(s, c.flip(1))),
    "rows mix their own layer and the next": (
        lets_module,
        "paired",
        lambda s, c: (
            c.view(-1, 2, *[1] * (s.dim() - 1))[:, 0] * s + c.view(-1, 2, *[1] * (s.dim() - 1))[:, 1] * s.roll(-1, 0)
        ),
    ),
    "the last rows of the maps": (lets_module, "first_rows", last_rows),
    "the remainder goes to the earliest": (
        lets_module,
        "rows_of",
        lambda depth, count: sorted(i % count for i in range(depth)),
    ),
    "the head reads the stream's map": (maps_module, "widened_rest", lambda state, emb, head: REST(state, emb, emb)),
    "proj reads the stream's map": (maps_module, "INPUTS", READS | {"proj": "emb"}),
    "maps of the wrong layer": (
        maps_module,
        "widened",
        lambda parts, maps: WIDENED(parts, {n: f if n == "emb" else f.flip(0) for n, f in maps.items()}),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(monkeypatch, mistake):
    perturbed_gene(BIG)  # condensed without the mistake, as for all other tests
    monkeypatch.setattr(*MISTAKES[mistake])
    with pytest.raises(AssertionError):
        check_loops(TARGETS["between"])


def test_the_published_list_of_rows():
    assert rows_of(12, 8) == [0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7]
    assert rows_of(16, 8) == [row for row in range(8) for _ in range(2)]
    assert rows_of(3, 4) == [0, 2, 3] and rows_of(1, 4) == [0]
    for depth in range(1, 20):
        assert rows_of(depth, 4) == list_of_rows(depth, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_target_of_the_auxiliary_size_computes_what_it_computes(dtype):
    lets, gene, lab = condensed(steps=4)
    target, aux = filled(lets, gene, BIG, lab).to(dtype), lab.modules["aux"].to(dtype)
    if dtype == torch.float64:
        target.load_state_dict(aux.materialize())
        again = lets_module.transformed(
            {name: t.double() for name, t in gene.tensors.items()}, [row for row in range(4) for _ in range(2)]
        )
        target.load_state_dict(again, strict=False)
    limit = 1e-4 if dtype == torch.float32 else 1e-9
    assert (target(images().to(dtype)) - aux(images().to(dtype))).abs().max() < limit


def test_the_auxiliary_network_at_its_start():
    _, gene, lab = condensed(steps=0, train={"lr": 1e-2}, alpha=0.5, temperature=2.0)
    t = gene.tensors
    for name in [n for n in t if n.startswith("map.") or n == "head.map"]:
        torch.testing.assert_close(t[name].sum(-1), torch.ones(t[name].shape[:-1]))
        assert t[name].min() >= 0
    for name in [n for n in t if n.startswith("mix.")]:
        assert t[name].shape == (4, 2)
        torch.testing.assert_close(t[name].sum(-1), torch.ones(4))
        assert bool((t[name][:, 0] > 0.97 / 1.03).all() and (t[name][:, 1] > 0).all())
    assert bool((t["gene.norm1.weight"] == 1).all()) and not t["gene.fc1.bias"].any()
    assert lab.fits["aux"]["recipe"] == {"lr": 1e-2, "distill": {"kl": 0.5, "ce": 0.5, "temperature": 2.0}}
    assert lab.fits["aux"]["loss"] == "kd"


def test_all_is_trained_and_vectors_are_not_decayed():
    _, _, lab = condensed()
    aux = lab.modules["aux"]
    assert all(p.grad is not None and p.grad.any() for p in aux.parameters())
    free = {name for i, name in enumerate(aux.names) if f"trained.{i}" in aux.no_weight_decay()}
    decayed = set(aux.names) - free
    assert decayed == {"map.emb", "map.q", "map.k", "map.v", "map.ffn", "head.map", "head.gene.weight"} | {
        f"gene.{module}.weight" for module in ("q", "k", "v", "proj", "fc1", "fc2", "patch_embed.proj")
    }
    assert "skeleton.pos_embed" in aux.no_weight_decay()


def stored(d0, width, l0, tokens=196, pixels=768):
    """Numbers stored without the head, by the formula; the patch is 16 x 16 of three colours."""
    blk, new = 12 * d0**2 + 13 * d0, width - d0
    return l0 * blk + (pixels + 3) * d0 + tokens * width + new * d0 * (1 + 19 * l0) + 32 * l0


def test_stored_parameters():
    assert stored(384, 768, 8) == 37_203_328
    assert stored(384, 768, 8) + 1000 * 384 + 1000 + 384 * 384 == 37_735_784
    lets, gene, _ = condensed(SPEC.replace(embed_dim=32, num_heads=4, depth=8))
    assert gene.stored_params == stored(16, 32, 4, tokens=4, pixels=16)
    assert gene.stored_params_head == 5 * 16 + 5 + 16 * 16
    sizes = deit_sizes(VitSpec(embed_dim=768, num_heads=12, depth=16))
    assert sum(n for name, n in sizes.items() if not Learngene.is_head(name)) == 37_203_328
    assert sum(sizes.values()) == 37_735_784


def deit_sizes(ancestor):
    """Numbers per tensor of the learngene of a large ancestor, its auxiliary network made on the meta device."""
    lets = get("lets")
    gene, aux = lets.sizes(ancestor)
    lab = Watched((ancestor,))
    lab.generator = lambda name: torch.Generator().manual_seed(0)
    with torch.device("meta"):
        model = lets_module.auxiliary(gene, aux, lab)
    return {name: t.numel() for name, t in (model.tensors() | model.skeleton.state_dict()).items()}


def test_default_sizes():
    sizes = lambda spec: tuple((s.embed_dim, s.depth, s.num_heads) for s in get("lets").sizes(spec))  # noqa: E731
    assert sizes(VitSpec(embed_dim=768, num_heads=12, depth=16)) == ((384, 8, 6), (768, 16, 12))
    assert sizes(VitSpec(embed_dim=192, num_heads=3, depth=12)) == ((64, 6, 1), (192, 12, 3))
    assert sizes(VitSpec(embed_dim=64, num_heads=1, depth=3)) == ((64, 2, 1), (64, 4, 1))
    assert sizes(VitSpec(embed_dim=384, num_heads=6, depth=7)) == ((192, 2, 3), (384, 4, 6))
    resolved = get("lets").resolve(BIG, [BIG])
    assert (resolved.gene_width, resolved.gene_depth, resolved.aux_width) == (8, 4, 16)
    assert resolved.resolve(BIG, [BIG]) == resolved


def test_sizes_that_it_cannot_serve():
    lets = get("lets")
    assert lets.supports(BIG, BIG.replace(embed_dim=4, num_heads=1)) == "serves embed_dim 8 to 16: target 4"
    assert lets.supports(BIG, BIG.replace(embed_dim=20, num_heads=5)) == "serves embed_dim 8 to 16: target 20"
    assert lets.supports(BIG, BIG.replace(num_heads=2)) == "cannot change head_dim: ancestor 4, target 8"
    assert get("lets", aux_width=24).supports(BIG, BIG.replace(embed_dim=20, num_heads=5)) is None


def test_a_head_for_other_classes_stays_fresh():
    lets, gene, _ = condensed()
    before = perturbed(BIG, seed=2).head.weight
    assert filled(lets, gene, BIG, TinyLab((BIG,), classes="other")).head.weight.equal(before)
    assert condensed(head="fresh")[1].stored_params_head == 0
    assert state(filled(lets, gene, BIG, TinyLab((BIG,))))["head.bias"].equal(gene.tensors["head.bias"])


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("between", {}),
        ("deep", {"head": "fresh", "alpha": 0.5}),
        ("gene's width", {"gene_width": 4, "gene_depth": 2}),
        ("shallow", {"aux_width": 12}),
    ],
)
def test_the_contract(target, options):
    check_initializer(get("lets", **options), BIG, TARGETS[target], TinyLab)


def test_the_contract_of_a_gene_of_full_width():
    check_initializer(get("lets", gene_width=16), BIG, BIG.replace(depth=3), TinyLab)


def test_what_is_impossible():
    for options, message in [
        ({"gene_depth": 3}, "gene_depth must be an even number"),
        ({"gene_depth": 0}, "gene_depth must be an even number"),
        ({"alpha": 2.0}, "alpha must be between"),
    ]:
        with pytest.raises(ValueError, match=message):
            get("lets", **options)
    with pytest.raises(ValueError, match="gene_width 6 is no multiple of the ancestor's head_dim 4"):
        get("lets", gene_width=6).supports(BIG, BIG)
    with pytest.raises(ValueError, match="gene_width 20 is more than aux_width 16"):
        get("lets", gene_width=20).supports(BIG, BIG)
