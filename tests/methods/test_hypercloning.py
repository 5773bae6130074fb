"""HyperCloning: the ancestor's function in more channels, entry by entry, and noise that cancels."""

import pytest
import torch

import methods
from methods import hypercloning as module
from methods.testing import check_initializer, same
from tests.methods.lively_models import HEADED, filled, gap, lively, logits, plant, stored_of_deit
from tests.methods.tinylab import SPEC, TinyLab

TOKEN = HEADED.replace(class_token=True, global_pool="token")


def more(spec, n, **changes):
    return spec.replace(embed_dim=spec.embed_dim * n, num_heads=spec.num_heads * n, **changes)


def wider(spec, n, **changes):
    return spec.replace(embed_dim=spec.embed_dim * n, **changes)


SIZES = [("more", more(HEADED, 2)), ("more", more(TOKEN, 3)), ("wider", wider(HEADED, 2)), ("wider", wider(TOKEN, 3))]


def by_loops(state, spec, target):
    """Every entry, from the rule: old row i mod O, old column j mod I, divided by the copies of columns."""
    d, c, n, m = spec.embed_dim, spec.head_dim, target.embed_dim // spec.embed_dim, target.head_dim // spec.head_dim
    wide = target.embed_dim
    channel = [(i // target.head_dim % spec.num_heads) * c + i % target.head_dim % c for i in range(wide)]
    result = {}
    for name, tensor in state.items():
        old, key = tensor.tolist(), name.rsplit(".", 2)[-2:]
        if key[0] == "qkv":
            scale = [m**-0.25] * (2 * wide) + [1.0] * wide
            rows = [part * d + a for part in range(3) for a in channel]
            if key[1] == "weight":
                new = [[s * old[a][j % d] / n for j in range(wide)] for s, a in zip(scale, rows, strict=True)]
            else:
                new = [s * old[a] for s, a in zip(scale, rows, strict=True)]
        elif name.endswith("attn.proj.weight"):
            new = [[old[i % d][a] / n for a in channel] for i in range(wide)]
        elif name.endswith(("fc1.weight", "fc2.weight", "head.weight")):
            height, width = len(old), len(old[0])
            taller = height if name == "head.weight" else height * n
            new = [[old[i % height][j % width] / n for j in range(width * n)] for i in range(taller)]
        elif name == "head.bias":
            new = old
        elif name == "patch_embed.proj.weight":
            new = old * n
        elif name in ("pos_embed", "cls_token"):
            new = [[token * n for token in old[0]]]
        else:
            new = old * n
        result[name] = torch.tensor(new, dtype=torch.double)
    return result


def check_entries(heads, target):
    spec = target.replace(embed_dim=12, num_heads=3)
    got, expected = (
        filled("hypercloning", lively(spec), spec, target, heads=heads),
        by_loops(lively(spec), spec, target),
    )
    assert {name for name in got if gap(got[name], expected[name]) > 1e-15} == set()


def check_function(heads, target, **options):
    spec = target.replace(embed_dim=12, num_heads=3, depth=4)
    for dtype, most in ((torch.double, 1e-9), (torch.float32, 1e-4)):
        state = {n: t.to(dtype) for n, t in lively(spec).items()}
        got = filled("hypercloning", state, spec, target, heads=heads, **options)
        assert got["head.weight"].dtype == dtype
        assert gap(logits(got, target), logits(state, spec)) <= most


@pytest.mark.parametrize(("heads", "target"), SIZES)
def test_every_entry(heads, target):
    check_entries(heads, target)


@pytest.mark.parametrize("snr_db", [None, 10.0, -3.0])
@pytest.mark.parametrize(("heads", "target"), SIZES)
def test_the_function_stays(heads, target, snr_db):
    check_function(heads, target, snr_db=snr_db)


def test_the_function_stays_with_silenced_blocks_and_more_hidden_units():
    check_function("more", more(HEADED, 2, depth=6), layers="llama_pro", snr_db=5.0)
    check_function("more", more(HEADED, 2, mlp_ratio=6.0))


def test_in_equal_size_all_is_bit_equal():
    assert same(filled("hypercloning", lively(TOKEN), TOKEN, TOKEN, snr_db=10.0), lively(TOKEN))


def parts(weights, name):
    """The matrices of a tensor of the target, q, k and v apart."""
    return weights[name].chunk(3) if "qkv" in name else [weights[name]]


def check_noise(n):
    target, snr = more(HEADED, n), 7.0
    plain = filled("hypercloning", lively(HEADED), HEADED, target)
    noisy = filled("hypercloning", lively(HEADED), HEADED, target, snr_db=snr)
    matrices = ("attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight")
    changed = {f"blocks.{i}.{matrix}" for i in range(4) for matrix in matrices}
    assert {name for name in plain if not plain[name].equal(noisy[name])} == changed
    for name in changed:
        noises = []
        for old, new in zip(parts(plain, name), parts(noisy, name), strict=True):
            for rows_old, rows_new in zip(old.chunk(n), new.chunk(n), strict=True):
                columns = list(zip(rows_old.chunk(n, 1), rows_new.chunk(n, 1), strict=True))
                for (a, b), (c, d) in zip(columns[::2], columns[1::2], strict=False):
                    noises.append(b - a)
                    assert gap(b - a, c - d) < 1e-14
                    assert abs((b - a).square().mean() / a.square().mean() * 10 ** (snr / 10) - 1) < 1e-9
                if n % 2:
                    assert columns[-1][0].equal(columns[-1][1])
        assert all(gap(noises[0], other) > 1e-3 for other in noises[1:])


@pytest.mark.parametrize("n", [2, 3])
def test_the_power_of_the_noise(n):
    check_noise(n)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("** -0.25", "** -0.5"),
        ("replace(maps, blocks=blocks)", "maps"),
        ("10 ** (snr_db / 10)", "10 ** (snr_db / 20)"),
        ("other] -= noise", "other] += noise"),
        ("            weight[row[:, None], one] += noise\n", ""),
        ("view(n_from, -1).T", "view(-1, n_from)"),
        ("strict=False):  # an odd", "strict=False) if 0 else zip(columns[:1], columns[:1]):  # an odd"),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_entries(*SIZES[2])
        check_function(*SIZES[2], snr_db=7.0)
        check_noise(2)


def test_sizes():
    init = methods.get("hypercloning")
    assert "whole multiple of the ancestor's 12: target 20" in init.supports(
        HEADED, HEADED.replace(embed_dim=20, num_heads=5)
    )
    assert "hidden_dim must be" in init.supports(HEADED, more(HEADED, 2, mlp_ratio=1.5))
    assert "cannot change head_dim" in init.supports(HEADED, wider(HEADED, 2))
    assert "cannot change num_heads" in methods.get("hypercloning", heads="wider").supports(HEADED, more(HEADED, 2))
    assert "cannot shrink depth" in init.supports(HEADED, more(HEADED, 2, depth=3))


def test_the_contract_with_other_options():
    init = methods.get("hypercloning", heads="wider", snr_db=10.0, layers="g_stack", head="fresh")
    check_initializer(init, SPEC, SPEC.replace(embed_dim=64, depth=5), TinyLab)


def test_what_is_stored_is_the_ancestor():
    assert stored_of_deit("hypercloning") == [5_524_032, 21_664_896, 85_797_120]
