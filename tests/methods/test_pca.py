"""PCA of the stream: the function in equal width, and in a narrower one where nothing is lost."""

import numpy as np
import pytest
import torch

import methods
from methods import pca as module
from methods.parts.reindex import Map, make_maps, reindex
from methods.testing import check_initializer
from tests.methods.lively_models import HEADED, filled, gap, images, lively, logits, model_of, plant
from tests.methods.ranking_in_loops import NARROW, SPEC, Images
from tests.methods.tinylab import SPEC as PLAIN
from tests.methods.tinylab import TinyLab

POOLED = HEADED.replace(mlp_ratio=3.0)


def check_equal_width():
    for spec in (SPEC, POOLED):
        for dtype, most in ((torch.double, 1e-9), (torch.float32, 1e-4)):
            state = {n: t.to(dtype) for n, t in lively(spec).items()}
            lab = Images() if dtype == torch.double else TinyLab([spec])
            got = filled("pca", state, spec, spec, lab, images=12)
            assert gap(logits(got, spec), logits(state, spec)) <= most


def test_in_equal_width_the_function_stays():
    check_equal_width()


def flat(spec, rank):
    """Weights whose stream, its mean aside, has only `rank` directions."""
    draw = torch.Generator().manual_seed(9)
    some = torch.randn(rank, spec.embed_dim, generator=draw, dtype=torch.double)
    basis = torch.linalg.qr((some - some.mean(1, keepdim=True)).T).Q
    state = lively(spec)
    for name, tensor in state.items():
        if name in ("pos_embed", "cls_token"):
            state[name] = tensor @ basis @ basis.T + 0.3
        elif name.startswith("patch_embed") or ".proj." in name or ".fc2." in name:
            state[name] = torch.tensordot(basis @ basis.T, tensor, 1) + 0.1
    return state


def check_narrower():
    """12 -> 8 channels of a stream with 7 directions; the one head that goes gives nothing, and no unit goes."""
    state = flat(SPEC, 7)
    wide = filled("pca", state, SPEC, SPEC, Images(), images=40)
    assert gap(logits(wide, SPEC), logits(state, SPEC)) < 1e-9
    target = SPEC.replace(embed_dim=8, num_heads=2, mlp_ratio=3.0)  # 24 hidden units in both
    silent = dict(state)
    for i in range(4):
        head = 2 if i % 2 else 0
        own = [part * 12 + 4 * head + k for part in range(3) for k in range(4)]
        silent[f"blocks.{i}.attn.qkv.weight"] = (
            state[f"blocks.{i}.attn.qkv.weight"].clone().index_fill(0, torch.tensor(own), 0)
        )
        proj = state[f"blocks.{i}.attn.proj.weight"].clone()
        proj[:, 4 * head : 4 * head + 4] = 0
        silent[f"blocks.{i}.attn.proj.weight"] = proj
    got = filled("pca", silent, SPEC, target, Images(), images=40)
    assert gap(logits(got, target), logits(silent, SPEC)) < 1e-9


def test_a_stream_of_few_directions_fits_into_a_narrower_target():
    check_narrower()


def check_directions():
    """Against numpy: covariance of centred tokens of unit variance, eigenvectors by descending eigenvalue."""
    state = lively(SPEC)
    got = module.directions(model_of(state, SPEC), Images(), 12)
    inputs, model = [], model_of(state, SPEC)
    for norm in [m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]:
        norm.register_forward_pre_hook(lambda _, args: inputs.append(args[0].reshape(-1, 12)))
    with torch.no_grad():
        model(images(SPEC, 12))
    assert len(inputs) == 9
    tokens = torch.cat(inputs).numpy()
    tokens = (tokens - tokens.mean(1, keepdims=True)) / tokens.std(1, keepdims=True)
    values, vectors = np.linalg.eigh(tokens.T @ tokens)
    assert values[0] < 1e-6 * values[1]  # the direction of the mean
    expected = torch.tensor(vectors[:, :0:-1].copy())
    assert got.shape == (12, 11) and gap((got * expected).sum(0).abs(), torch.ones(11).double()) < 1e-6
    assert gap(got.T @ got, torch.eye(11).double()) < 1e-12 and got.sum(0).abs().max() < 1e-12


def test_the_directions():
    check_directions()


def test_helmerts_rows():
    rows = module.helmert(5)
    assert gap(rows @ rows.T, torch.eye(4).double()) < 1e-15 and rows.sum(1).abs().max() < 1e-15
    assert rows[1].tolist() == pytest.approx([6**-0.5, 6**-0.5, -2 * 6**-0.5, 0, 0])


def test_the_order_of_the_ancestors_units_does_not_matter():
    draw, state = torch.Generator().manual_seed(0), lively(SPEC)

    def some(n_from, n_to):
        return Map(torch.randperm(n_from, generator=draw))

    def keep(n_from, n_to):
        return Map(torch.arange(n_from))

    moved = reindex(state, make_maps(SPEC, SPEC, some, some, keep, some))
    got = [logits(filled("pca", weights, SPEC, NARROW, Images(), images=12), NARROW) for weights in (state, moved)]
    assert gap(*got) <= 1e-9


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("matrix * scale", "matrix"),
        ("+ matrix @ weights", "- matrix @ weights"),
        ("rows = helmert(spec.embed_dim)", "rows = torch.eye(spec.embed_dim).double()[1:]"),
        ("math.sqrt(ratio) * rows.T", "rows.T"),
        ("1 / math.sqrt(ratio))", "1.0)"),
        ("eigenvectors.flip(1)", "eigenvectors"),
        ("-math.sqrt((k + 1) / (k + 2))", "math.sqrt((k + 1) / (k + 2))"),
        ("read.T if reads(name, dim) else write", "write if reads(name, dim) else read.T"),
        ("torch.nn.functional.normalize(x)", "x"),
        ("tensor.square() for", "tensor for"),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises((AssertionError, RuntimeError)):
        check_equal_width()
        check_narrower()
        check_directions()


def test_what_is_stored():
    """Per block q, k, v, proj, fc1, fc2 in d - 1 coordinates, no norms; patch embedding and positions likewise."""
    learngene = methods.get("pca", images=8).condense(model_of(lively(POOLED), POOLED), Images())
    d, e, u = 12, 11, 36
    block = 3 * d * e + 3 * d + e * d + e + u * e + u + e * u + e
    assert learngene.stored_params == 4 * block + e * 16 + e + 4 * e
    assert learngene.stored_params < sum(t.numel() for n, t in lively(POOLED).items() if "head" not in n)


def test_sizes_and_options():
    assert "cannot grow embed_dim" in methods.get("pca").supports(HEADED, HEADED.replace(embed_dim=16, num_heads=4))
    one = HEADED.replace(embed_dim=1, num_heads=1)
    assert "no direction" in methods.get("pca").supports(HEADED.replace(embed_dim=12, num_heads=12), one)
    with pytest.raises(ValueError, match="images must be at least 1"):
        methods.get("pca", images=0)


def test_the_contract_with_other_options():
    target = PLAIN.replace(embed_dim=16, num_heads=1, depth=2, mlp_ratio=3.0)
    init = methods.get("pca", images=20, layers="last", head="fresh")
    check_initializer(init, PLAIN, target, TinyLab)
