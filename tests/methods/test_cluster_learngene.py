"""Cluster-Learngene: distances, clusters and kept heads against loops, and what a target gets of them."""

import math

import pytest
import torch

import methods
from methods import cluster_learngene
from methods.cluster_learngene import attention_distances, representatives
from methods.testing import check_initializer, perturbed, same, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

FOUR = SPEC.replace(embed_dim=16, num_heads=4, depth=2, patch_size=2)  # 16 patches


def sharpened(spec=FOUR):
    """Heads that look unequally far."""
    model = perturbed(spec, seed=1)
    with torch.no_grad():
        for i, block in enumerate(model.blocks):
            block.attn.qkv.weight.mul_(4 + 3 * i)
    return model


def distances_plainly(model, images, spec):
    """Image by image, head by head, query by query, key by key."""
    side, c, d = spec.img_size // spec.patch_size, spec.head_dim, spec.embed_dim
    result = []
    with torch.no_grad():
        x = model.patch_embed(images)
        if spec.class_token:
            x = torch.cat([model.cls_token.expand(len(x), -1, -1), x], 1)
        x = x + model.pos_embed
        for block in model.blocks:
            rows, heads = block.attn.qkv(block.norm1(x)).double(), []
            for h in range(spec.num_heads):
                total = 0.0
                for image in rows:
                    for t in range(spec.class_token, spec.tokens):
                        q = image[t, h * c : h * c + c]
                        scores = [math.exp(float(q @ key[d + h * c : d + h * c + c]) / math.sqrt(c)) for key in image]
                        for s in range(spec.class_token, spec.tokens):
                            (r1, c1), (r2, c2) = (divmod(p - spec.class_token, side) for p in (t, s))
                            total += scores[s] / sum(scores) * math.hypot(r1 - r2, c1 - c2)
                heads.append(total / len(images) / spec.patches)
            result.append(heads)
            x = block(x)
    return result


def furthest(spec=FOUR, n=5):
    model, lab = sharpened(spec).eval(), TinyLab([spec])
    images = torch.cat(list(lab.batches(n, name="attention distances")))
    got, expected = attention_distances(model, lab, n), distances_plainly(model, images, spec)
    return max(abs(a - b) for row, other in zip(got, expected, strict=True) for a, b in zip(row, other, strict=True))


@pytest.mark.parametrize("spec", [FOUR, FOUR.replace(class_token=True)])
def test_distances_by_loops(spec):
    assert furthest(spec) < 1e-5


def test_a_mistake_in_distances_is_seen(monkeypatch):
    monkeypatch.setattr(torch, "cdist", lambda a, b: (a[:, None] - b).abs().sum(-1))  # along streets
    assert furthest() > 1e-3


@pytest.mark.parametrize(
    ("distances", "eps", "kept"),
    [
        ([1.0, 2.0, 3.0, 1.3], 0.5, [0, 1, 2]),  # {0, 3} both as near to its mean; {1}, {2}
        ([5.0, 1.0, 1.4, 1.8, 5.1, 9.0], 0.45, [2, 0, 5]),
        ([3.0, 2.0, 1.0], 1.0, [1]),  # a gap of eps does not cut
        ([3.0, 2.0, 1.0], 0.9, [0, 1, 2]),  # equal sizes in the order of their heads
        ([0.0, 0.0], 0.0, [0]),
    ],
)
def test_clusters(distances, eps, kept):
    assert representatives(distances, eps) == kept


def by_dbscan(distances, eps):
    """Connected heads, found by walking from neighbour to neighbour."""
    left, clusters = set(range(len(distances))), []
    while left:
        walk = [min(left)]
        for head in walk:
            walk += [o for o in sorted(left) if o not in walk and abs(distances[o] - distances[head]) <= eps]
        clusters.append(sorted(walk))
        left -= set(walk)
    return clusters


def test_clusters_are_those_of_dbscan():
    g = torch.Generator().manual_seed(0)
    for _ in range(50):
        distances = torch.rand(12, generator=g, dtype=torch.double).mul(8).tolist()
        clusters = sorted(by_dbscan(distances, 0.625), key=lambda cluster: (-len(cluster), cluster[0]))
        kept = representatives(distances, 0.625)
        assert len(kept) == len(clusters) and all(head in cluster for head, cluster in zip(kept, clusters, strict=True))


def condensed(eps, target=FOUR, **options):
    ancestor, lab, model = sharpened(), TinyLab([target]), build_vit(target)
    init = methods.get("cluster_learngene", eps=eps, images=16, **options)
    learngene = init.condense(ancestor, lab)
    init.initialize(model, learngene, lab)
    return state(ancestor), learngene, state(model)


def test_with_every_head_a_cluster_an_equal_size_is_the_ancestor():
    ancestor, learngene, got = condensed(0.0)
    assert learngene.meta["kept"] == [[0, 1, 2, 3]] * 2 and same(got, ancestor)


def misplaced():
    """Names of tensors of a target that are not what the rule says, row by row."""
    target = FOUR.replace(depth=4)
    ancestor, learngene, got = condensed(0.01, target)
    kept, wrong = learngene.meta["kept"], set()
    assert any(1 < len(heads) < 4 for heads in kept)
    for name, tensor in got.items():
        source = name
        if name.startswith("blocks."):
            _, i, key = name.split(".", 2)
            source = f"blocks.{int(i) * FOUR.depth // target.depth}.{key}"
        expected = ancestor[source].clone()
        if "qkv" in name:
            heads = kept[int(source.split(".")[1])]
            for part in range(3):
                for row in range(16):
                    head, within = divmod(row, 4)
                    expected[16 * part + row] = ancestor[source][16 * part + 4 * heads[head % len(heads)] + within]
        if not tensor.equal(expected):
            wrong.add(name)
    return wrong


def test_a_target_repeats_the_kept_heads():
    assert misplaced() == set()


def test_a_mistake_in_heads_is_seen(monkeypatch):
    """Heads cut out of the flat rows, as in the released code, mix q, k and v."""

    def flat(tensor, heads, n):
        return torch.cat([tensor.chunk(n)[head] for head in heads])

    monkeypatch.setattr(cluster_learngene, "of_heads", flat)
    assert misplaced()


def test_what_is_stored():
    """The ancestor less 3 c (d + 1) for every head that is dropped; for DeiT-Ti as integers."""
    ancestor, learngene, _ = condensed(0.01)
    whole = sum(t.numel() for name, t in ancestor.items() if not name.startswith("head"))
    dropped = sum(4 - len(heads) for heads in learngene.meta["kept"])
    assert dropped > 0 and learngene.stored_params == whole - dropped * 3 * 4 * 17
    deit = SPEC.replace(embed_dim=192, num_heads=3, depth=12, patch_size=16, img_size=224, in_chans=3)
    init = methods.get("cluster_learngene", eps=100.0, images=1)
    assert init.condense(build_vit(deit), TinyLab([deit])).stored_params == 5_524_032 - 12 * 2 * 3 * 64 * 193


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("layers", ["interleave", "g_stack"])
def test_the_contract(depth, layers):
    init = methods.get("cluster_learngene", images=16, eps=0.01, layers=layers)
    check_initializer(init, FOUR, FOUR.replace(depth=depth), TinyLab)


def test_what_is_not_served():
    init = methods.get("cluster_learngene")
    assert "cannot change embed_dim" in init.supports(FOUR, FOUR.replace(embed_dim=32))
    assert "first cannot grow depth" in methods.get("cluster_learngene", layers="first").supports(
        FOUR, FOUR.replace(depth=3)
    )
    with pytest.raises(ValueError, match="needs a lab"):
        init.condense(perturbed(FOUR, 1), None)
    for options, message in (({"eps": -1.0}, "eps must not"), ({"images": 0}, "images must be at least 1")):
        with pytest.raises(ValueError, match=message):
            methods.get("cluster_learngene", **options)
