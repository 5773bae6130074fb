"""Selection by ranking, in plain loops: orders, cuts, and a lab whose images are in float64."""

from __future__ import annotations

import torch

from methods.parts.reindex import Map, make_maps, reindex
from tests.methods.lively_models import HEADED, filled, gap, images, lively, logits
from tests.methods.tinylab import TinyLab

SPEC = HEADED.replace(depth=4, class_token=True, global_pool="token")
NARROW = SPEC.replace(embed_dim=8, num_heads=2, mlp_ratio=1.875, depth=3)  # 12 -> 8, 3 -> 2 heads, 24 -> 15 units


class Images(TinyLab):
    """The images of the tools, in float64 and in uneven batches, of many images in few."""

    def batches(self, n, *, name, labels=False):
        batch, classes = images(SPEC, n), torch.arange(n) % 5
        for part in torch.arange(n).split(max(5, n // 5)):
            yield (batch[part], classes[part]) if labels else batch[part]


def best(scores):
    """Indices by descending score, of equals the lower first."""
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


def cut(state, scores, target, sources, scale=lambda have, want: 1.0):
    """The expected weights: the best channels, heads and units of each block, columns times scale(old, new)."""
    stream = best(scores["stream"])[: target.embed_dim]
    root, result = scale(12, target.embed_dim), {}
    for name, t in state.items():
        if not name.startswith(("blocks", "head")):
            result[name] = t[stream] if name not in ("pos_embed", "cls_token") else t[:, :, stream]
    result |= {"head.weight": state["head.weight"][:, stream] * root, "head.bias": state["head.bias"]}
    for i, source in enumerate(sources):
        b = {n.removeprefix(f"blocks.{source}."): t for n, t in state.items() if n.startswith(f"blocks.{source}.")}
        channels = [4 * head + k for head in best(scores["heads"][source])[: target.num_heads] for k in range(4)]
        rows = [part * 12 + a for part in range(3) for a in channels]
        units = best(scores["hidden"][source])[: target.hidden_dim]
        new = {key: b[key][stream] for key in b if key.startswith("norm") or key in ("attn.proj.bias", "mlp.fc2.bias")}
        new |= {
            "attn.qkv.weight": b["attn.qkv.weight"][rows][:, stream] * root,
            "attn.qkv.bias": b["attn.qkv.bias"][rows],
        }
        new |= {
            "mlp.fc1.weight": b["mlp.fc1.weight"][units][:, stream] * root,
            "mlp.fc1.bias": b["mlp.fc1.bias"][units],
        }
        new["attn.proj.weight"] = b["attn.proj.weight"][stream][:, channels] * root
        new["mlp.fc2.weight"] = b["mlp.fc2.weight"][stream][:, units] * scale(24, len(units))
        result |= {f"blocks.{i}.{key}": t for key, t in new.items()}
    return result


def check_equal_size(name, **options):
    """A target of the ancestor's size computes what the ancestor does, although its units are in another order."""
    for dtype, most in ((torch.double, 1e-9), (torch.float32, 1e-5)):
        state = {n: t.to(dtype) for n, t in lively(SPEC).items()}
        lab = Images() if dtype == torch.double else TinyLab([SPEC])
        got = filled(name, state, SPEC, SPEC, lab, **options)
        assert not got["blocks.0.mlp.fc1.bias"].equal(state["blocks.0.mlp.fc1.bias"])
        assert gap(logits(got, SPEC), logits(state, SPEC)) <= most


def check_permutations(name, **options):
    """An ancestor whose units are in another order gives a target of the same function."""
    draw, state = torch.Generator().manual_seed(0), lively(SPEC)

    def some(n_from, n_to):
        return Map(torch.randperm(n_from, generator=draw))

    keep = lambda n_from, n_to: Map(torch.arange(n_from))  # noqa: E731
    moved = reindex(state, make_maps(SPEC, SPEC, some, some, keep, some))
    targets = [filled(name, weights, SPEC, NARROW, Images(), **options) for weights in (state, moved)]
    assert gap(*(logits(target, NARROW) for target in targets)) <= 1e-9
