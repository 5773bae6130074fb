"""LEMON: the ancestor's function at any larger width, and what the tensors hold."""

import math

import pytest
import torch

import methods
from methods import lemon as module
from methods.testing import check_initializer, same
from tests.methods.lively_models import HEADED, filled, gap, lively, logits, plant, stored_of_deit
from tests.methods.tinylab import SPEC, TinyLab

TOKEN = HEADED.replace(class_token=True, global_pool="token")
SIZES = {
    "twice": HEADED.replace(embed_dim=24, num_heads=6),
    "no multiple": HEADED.replace(embed_dim=20, num_heads=5),
    "between": TOKEN.replace(embed_dim=32, num_heads=8, depth=6),
    "four times": TOKEN.replace(embed_dim=48, num_heads=12, depth=8),
    "hidden": HEADED.replace(mlp_ratio=3.0, depth=5),
    "all": TOKEN.replace(embed_dim=28, num_heads=7, mlp_ratio=1.25, depth=7),
}


def check_function(target, **options):
    spec = target.replace(embed_dim=12, num_heads=3, depth=4, mlp_ratio=2.0)
    for dtype, most in ((torch.double, 1e-12), (torch.float32, 1e-4)):
        state = {n: t.to(dtype) for n, t in lively(spec).items()}
        got = filled("lemon", state, spec, target, **options)
        assert got["head.weight"].dtype == dtype
        assert gap(logits(got, target), logits(state, spec)) <= most


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("noise", [0.02, 0.0])
def test_the_function_stays(size, noise):
    check_function(SIZES[size], noise=noise)


@pytest.mark.parametrize("spec", [HEADED, TOKEN])
def test_in_equal_size_all_is_bit_equal(spec):
    assert same(filled("lemon", lively(spec), spec, spec), lively(spec))


def check_tensors(target):
    """Norms, writers and the sums of columns against plain loops; the arbitrary parts are there and drawn."""
    spec, old = target.replace(embed_dim=12, num_heads=3, mlp_ratio=2.0), 12
    state = lively(spec)
    got = filled("lemon", state, spec, target)
    new, q, r = target.embed_dim, target.embed_dim // old, target.embed_dim % old
    s = math.sqrt(q * old / new)

    def written(x):  # a list over the stream -> the wider one
        return [v / s for _ in range(q) for v in x] + [sum(x) / old / s] * r

    rows = [h % 3 * 4 + k for h in range(target.num_heads) for k in range(4)]
    units = [u % spec.hidden_dim for u in range(target.hidden_dim)]
    stream = [i % old if i < q * old else None for i in range(new)]
    for name, tensor in got.items():
        before, after = state[name], tensor
        if "norm" in name:
            scale = s if name.endswith("weight") else 1.0
            assert after[: q * old].tolist() == pytest.approx([scale * before[i % old].item() for i in range(q * old)])
            rest = after[q * old :]
            assert (rest.abs() > 1e-6).all() if name.endswith("weight") else not rest.any()
            continue
        columns = rows if "attn.proj.weight" in name else units if "fc2.weight" in name else stream
        if tensor.ndim == 2:
            sums = torch.zeros(len(after), before.shape[1], dtype=torch.double)
            for j, column in enumerate(columns):
                if column is not None:
                    sums[:, column] += after[:, j]
                    only = columns.count(column) == 1
                else:
                    only = False
                    assert 0 < after[:, j].abs().mean() < 0.1  # R itself: about 0.016
                others = [i for i in range(j) if column is not None and columns[i] == column]
                assert only or all(not after[:, i].equal(after[:, j]) for i in others)
            after = sums
        if "qkv" in name:
            expected = torch.cat([before[part * old : (part + 1) * old][rows] for part in range(3)])
        elif "fc1" in name:
            expected = before[units]
        elif name.startswith("head."):
            expected = before
        else:
            along = before.ndim - 1 if name in ("pos_embed", "cls_token") else 0
            flat = before.movedim(along, 0).reshape(old, -1)
            wide = torch.tensor([written(flat[:, i].tolist()) for i in range(flat.shape[1])]).T
            expected = wide.reshape(new, *before.movedim(along, 0).shape[1:]).movedim(0, along)
        assert gap(after, expected) < 1e-6, name


@pytest.mark.parametrize("size", ["twice", "no multiple"])
def test_what_the_tensors_hold(size):
    check_tensors(SIZES[size])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("math.sqrt(times * old / new)", "1.0"),
        ("surplus = (sums - weight) / copies", "surplus = sums / copies"),
        ("surplus = (sums - weight) / copies", "surplus = (sums - weight)"),
        ("torch.zeros(residue)", "torch.ones(residue)"),
        ("tensor.mean(dim, keepdim=True)", "tensor.mean(dim, keepdim=True) * 0"),
        ("(shrink if scale else 1.0)", "1.0"),
        ("thirds(attention, attention, attention, old)", "torch.arange(3 * new) % (3 * old)"),
        ("zero_copies=True", "zero_copies=False"),
        ('"double_last", ancestor.depth, target.depth), z', '"g_stack", ancestor.depth, target.depth), z'),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_blocks()
        check_function(SIZES["all"])
        check_tensors(SIZES["no multiple"])


def check_blocks():
    """4 -> 6 blocks: the first two once, the later two each with a silent copy behind."""
    state, target = lively(HEADED), HEADED.replace(depth=6)
    got = filled("lemon", state, HEADED, target)
    for i, source in enumerate([0, 1, 2, 2, 3, 3]):
        assert got[f"blocks.{i}.attn.qkv.weight"].equal(state[f"blocks.{source}.attn.qkv.weight"])
        silent = [not got[f"blocks.{i}.{key}"].any() for key in ("attn.proj.weight", "mlp.fc2.weight", "mlp.fc2.bias")]
        assert silent == [i in (3, 5)] * 3


def test_which_blocks_are_copied():
    check_blocks()


def test_sizes_and_options():
    init = methods.get("lemon")
    assert "makes at most 8 blocks of 4: target 9" in init.supports(HEADED, HEADED.replace(depth=9))
    assert "cannot shrink embed_dim" in init.supports(HEADED, HEADED.replace(embed_dim=8, num_heads=2))
    assert "cannot change head_dim" in init.supports(HEADED, HEADED.replace(embed_dim=24))
    with pytest.raises(ValueError, match="noise must not be negative"):
        methods.get("lemon", noise=-1)


def test_the_contract_at_a_width_that_is_no_multiple():
    check_initializer(
        methods.get("lemon", head="fresh"), SPEC, SPEC.replace(embed_dim=48, num_heads=3, depth=7), TinyLab
    )


def test_what_is_stored_is_the_ancestor():
    assert stored_of_deit("lemon") == [5_524_032, 21_664_896, 85_797_120]
