"""Impulse: shifts, the product that attention starts with, what heads then attend to, positions with few patches."""

import numpy
import pytest
import torch

import methods.impulse as impulse_module
from methods.impulse import impulses, normalised, pseudo_inverse, shift
from methods.registry import get
from methods.testing import check_initializer
from tests.methods.data_free_starts import SIZES, changed, heads_of, started
from tests.methods.parts.test_factors import product
from tests.methods.tinylab import SPEC, TinyLab

WINDOW = {0: (-1, -1), 1: (-1, 0), 2: (-1, 1), 3: (0, -1), 4: (0, 0), 5: (0, 1), 6: (1, -1), 7: (1, 0), 8: (1, 1)}
ORDER = [4, 1, 5, 3, 7, 0, 2, 6, 8]
LARGE = SPEC.replace(img_size=24, embed_dim=40, num_heads=10, depth=2)  # 36 patches, 10 heads of 4 channels


def check_shifts(side=4):
    for neighbour, (down, right) in WINDOW.items():
        expected = [[0.0] * side**2 for _ in range(side**2)]
        for y in range(side):
            for x in range(side):
                if 0 <= y + down < side and 0 <= x + right < side:
                    expected[y * side + x][(y + down) * side + x + right] = 1.0
        assert impulse_module.shift(side, neighbour).tolist() == expected, neighbour


def test_shifts():
    check_shifts()
    check_shifts(1)


def rolled(side, neighbour):
    """A shift that wraps around the grid."""
    down, right = neighbour // 3 - 1, neighbour % 3 - 1
    grid = torch.arange(side**2).view(side, side)
    return torch.eye(side**2)[grid.roll((-down, -right), (0, 1)).flatten()]


@pytest.mark.parametrize(
    "mistake", [rolled, lambda side, n: shift(side, n).T, lambda side, n: shift(side, n // 3 + 3 * (n % 3))]
)
def test_a_wrong_shift_is_seen(monkeypatch, mistake):
    monkeypatch.setattr(impulse_module, "shift", mistake)
    with pytest.raises(AssertionError):
        check_shifts()


def test_the_wanted_logits():
    maps = impulses(5, 11, torch.Generator().manual_seed(0))
    assert maps.shape == (11, 25, 25)
    for head in range(11):
        at = shift(5, ORDER[head % 9]) == 1
        assert bool((maps[head][at] == 1000).all()) and maps[head][~at].abs().max() <= 6
    noise = maps[maps < 1000]
    assert abs(noise.mean()) < 0.05 and 1.7 < noise.std() < 1.85  # 3 * 0.6, hardly cut at +-2
    assert not maps[0].equal(maps[9])


def check_products(monkeypatch, spec):
    """W_q^T W_k of each head in direction of the best of rank head_dim, written down with numpy's pinv."""
    wanted, draw = [], impulse_module.impulses
    with monkeypatch.context() as patch:
        patch.setattr(impulse_module, "impulses", lambda *a: wanted.append(draw(*a)) or wanted[-1])
        _, after = started("impulse", spec)
    positions = after["pos_embed"][0, spec.class_token :].double().tolist()
    rows = []
    for row in positions:
        mean = sum(row) / len(row)
        variance = sum((x - mean) ** 2 for x in row) / len(row)
        rows.append([(x - mean) / (variance + 1e-6) ** 0.5 for x in row])
    p = numpy.array(rows)
    values, vectors = numpy.linalg.eigh(p.T @ p)
    top = [i for i in values.argsort()[::-1][: spec.head_dim] if values[i] > 1e-9 * values.max()]
    gram = sum(numpy.outer(vectors[:, i], vectors[:, i]) / values[i] for i in top)
    inverse = gram @ p.T
    for block in range(spec.depth):
        weight = after[f"blocks.{block}.attn.qkv.weight"]
        query, key = heads_of(weight, spec, "q"), heads_of(weight, spec, "k")
        for head in range(spec.num_heads):
            u, s, vh = numpy.linalg.svd(inverse @ wanted[block][head].double().numpy() @ inverse.T)
            c = spec.head_dim
            best = (u[:, :c] * s[:c]) @ vh[:c] * 49 / s[:c].sum()
            actual = product(list(zip(*query[head], strict=True)), key[head])
            assert numpy.allclose(actual, best, atol=1e-4)
            for factor in (query[head][: len(top)], key[head]):
                assert sum(x * x for row in factor for x in row) == pytest.approx(49, rel=1e-5)
            for idle_query, idle_key in zip(query[head][len(top) :], key[head][len(top) :], strict=True):
                assert not any(idle_key) and 0.005 < numpy.std(idle_query) < 0.04


@pytest.mark.parametrize("spec", [SPEC, LARGE, SIZES["token"]], ids=["few patches", "many patches", "token"])
def test_products(monkeypatch, spec):
    check_products(monkeypatch, spec)


PSEUDO_INVERSE = pseudo_inverse


def multiplied(p, rank):
    basis, coordinates = PSEUDO_INVERSE(p, rank)
    return basis, coordinates / coordinates.square().sum(1, keepdim=True)


MISTAKES = {
    "the pseudo-inverse misses a value": ("pseudo_inverse", lambda p, rank: PSEUDO_INVERSE(p, rank - 1)),
    "values are multiplied, not divided": ("pseudo_inverse", lambda p, rank: multiplied(p, rank)),
    "no normalisation": ("normalised", lambda p: p),
    "heads in reading order": ("NEIGHBOURS", tuple(range(9))),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(monkeypatch, mistake):
    name, wrong = MISTAKES[mistake]
    monkeypatch.setattr(impulse_module, name, wrong)
    with pytest.raises(AssertionError):
        if name == "NEIGHBOURS":
            check_attention()
        check_products(monkeypatch, LARGE)


def check_attention():
    """Heads of full rank attend to their own neighbour: the purpose of it all."""
    spec = SPEC.replace(img_size=24, embed_dim=64 * 9, num_heads=9, depth=1)  # 36 patches, 64 channels a head
    _, after = started("impulse", spec)
    p = normalised(after["pos_embed"][0].double())
    weight = after["blocks.0.attn.qkv.weight"].double()
    for head in range(9):
        down, right = WINDOW[ORDER[head]]
        rows = slice(head * 64, (head + 1) * 64)
        logits = (p @ weight[rows].T) @ (p @ weight[spec.embed_dim :][rows].T).T
        for y in range(6):
            for x in range(6):
                if 0 <= y + down < 6 and 0 <= x + right < 6:
                    assert logits[y * 6 + x].argmax() == (y + down) * 6 + x + right


def test_heads_attend_to_their_neighbours():
    check_attention()


def test_the_pseudo_inverse_stops_at_the_numerical_rank():
    draw = torch.Generator().manual_seed(0)
    p = torch.randn(4, 3, generator=draw, dtype=torch.float64) @ torch.randn(3, 9, generator=draw, dtype=torch.float64)
    expected = numpy.linalg.pinv(p.numpy(), rcond=1e-12)
    basis, coordinates = pseudo_inverse(p, 8)
    assert basis.shape == (9, 3) and coordinates.shape == (3, 4)
    assert numpy.allclose(product(basis.tolist(), coordinates.tolist()), expected, atol=1e-9)
    assert torch.linalg.matrix_rank(torch.mm(*pseudo_inverse(p, 2))) == 2


def test_positions_are_set_and_large():
    spec = SPEC.replace(img_size=64)
    positions = started("impulse", spec)[1]["pos_embed"]
    assert 0.9 * 18 * 0.02 < positions.std() < 1.1 * 18 * 0.02
    assert positions.equal(started("impulse", spec, target_seed=5)[1]["pos_embed"])
    torch.testing.assert_close(started("impulse", spec, positions=9.0)[1]["pos_embed"], positions / 2)


def test_values_and_projection_are_those_of_mimetic():
    _, after = started("impulse", SPEC)
    d = SPEC.embed_dim
    value, projection = after["blocks.0.attn.qkv.weight"][2 * d :], after["blocks.0.attn.proj.weight"]
    rest = (projection @ value).T + 0.4 * torch.eye(d)
    assert rest.abs().max() < 0.4 * (3 / d) ** 0.5 + 1e-5
    assert 0.8 < rest.std() / (0.4 * d**-0.5) < 1.2


@pytest.mark.parametrize("size", SIZES)
def test_only_attention_weights_and_positions_change(size):
    spec = SIZES[size]
    expected = {f"blocks.{b}.attn.{n}.weight" for b in range(spec.depth) for n in ("qkv", "proj")}
    assert changed(started("impulse", spec)) == expected | {"pos_embed"}


@pytest.mark.parametrize("size", SIZES)
def test_the_contract(size):
    check_initializer(get("impulse", gain=3.0), SPEC, SIZES[size], TinyLab)


def test_what_is_impossible():
    for name in ("positions", "gain"):
        with pytest.raises(ValueError, match=f"{name} must be above 0, found 0"):
            get("impulse", **{name: 0.0})
