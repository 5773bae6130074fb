"""FINE: the product against loops, wave as a special case, starts of the values, what is frozen and stored."""

from functools import cache

import pytest
import torch

import methods.fine as fine_module
import methods.parts.bases as bases_module
from methods.base import HEAD, Learngene
from methods.fine import PATHS, STD, first_values, fresh_factors, line
from methods.parts.bases import combined_rank_one
from methods.parts.templates import MATRICES
from methods.registry import get
from methods.testing import check_initializer, perturbed
from methods.vit import VitSpec, build_vit
from tests.methods.small_waves import Watched, images
from tests.methods.tinylab import SPEC, TinyLab

SMALL = SPEC.replace(embed_dim=8, num_heads=2)


def condensed(spec=SMALL, *, fit_steps=2, **options):
    teacher = perturbed(spec, seed=1)
    fine, lab = get("fine", **options), Watched((spec,), teacher=teacher, steps=fit_steps)
    return fine, fine.condense(teacher, lab), lab


def filled(fine, gene, spec, steps=2, classes="tiny"):
    lab, target = Watched((spec,), steps=steps, classes=classes), perturbed(spec, seed=2)
    fine.initialize(target, gene, lab)
    return target.eval(), lab


@cache
def perturbed_gene(**options):
    """(fine, a learngene whose values are far from their start), once: a target is filled without changing either."""
    fine, gene, _ = condensed(**options)
    draw = torch.Generator().manual_seed(3)
    tensors = {name: t + 0.3 * torch.randn(t.shape, generator=draw) for name, t in gene.tensors.items()}
    return fine, Learngene(tensors, gene.meta)


def product(u, sigma, v):
    """sum_k u[i][k] sigma[k] v[j][k] by loops."""
    u, v = u.double().tolist(), v.double().tolist()
    return torch.tensor(
        [[sum(a * s * b for a, s, b in zip(row, sigma, column, strict=True)) for column in v] for row in u],
        dtype=torch.float64,
    )


def check_matrices(start, depth=3, rank=5):
    """A target's matrices by loops, the values interpolated by hand from those of the auxiliary layers."""
    fine, gene = perturbed_gene(rank=rank, start=start, steps=0)
    target, _ = filled(fine, gene, SMALL.replace(depth=depth))
    state = target.state_dict()
    for group, path in PATHS.items():
        sigma = gene.tensors[f"sigma.{group}"].double().tolist()
        for block in range(depth):
            values = by_hand(start, sigma, block / (depth - 1) if depth > 1 else 0.0)
            expected = product(gene.tensors[f"u.{group}"], values, gene.tensors[f"v.{group}"])
            torch.testing.assert_close(state[f"blocks.{block}.{path}"].double(), expected, rtol=5e-6, atol=5e-6)
    for name, tensor in state.items():
        if not name.startswith("blocks."):
            assert tensor.equal(gene.tensors[name])
        elif name not in {f"blocks.{b}.{path}" for b in range(depth) for path in PATHS.values()}:
            one = "norm" in name and name.endswith("weight")
            assert bool((tensor == float(one)).all()), name


def by_hand(start, sigma, position):
    """Values at a relative depth: the layers' mean, a line by the normal equations, or between two layers."""
    last, values = len(sigma) - 1, []
    for k in range(len(sigma[0])):
        ys = [layer[k] for layer in sigma]
        xs = [i / last for i in range(len(sigma))]
        if start == "identical":
            values.append(sum(ys) / len(ys))
        elif start == "linear":
            n, sx, sy = len(xs), sum(xs), sum(ys)
            sxx, sxy = sum(x * x for x in xs), sum(x * y for x, y in zip(xs, ys, strict=True))
            slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
            values.append((sy - slope * sx) / n + slope * position)
        else:
            below = min(int(position * last), last - 1)
            part = position * last - below
            values.append((1 - part) * ys[below] + part * ys[below + 1])
    return values


@pytest.mark.parametrize("start", ["identical", "linear", "aux"])
@pytest.mark.parametrize("depth", [1, 3, 4, 6])
def test_matrices(start, depth):
    check_matrices(start, depth)


MISTAKES = {
    "values are squared": (bases_module, "combined_rank_one", lambda s, u, v: combined_rank_one(s.square(), u, v)),
    "the last layer's values": (
        bases_module,
        "combined_rank_one",
        lambda s, u, v: combined_rank_one(s.roll(1, 0), u, v),
    ),
    "no interpolation": (fine_module, "first_values", lambda start, s, u, v, depth, draw: s.repeat(2, 1)[:depth]),
    "the line is of the mean slope": (
        fine_module,
        "line",
        lambda s: s[0] + (s[-1] - s[0]) * (torch.arange(len(s)) / (len(s) - 1))[:, None],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(monkeypatch, mistake):
    perturbed_gene(rank=5, start="linear", steps=0)  # condensed without the mistake, as for the test above
    monkeypatch.setattr(*MISTAKES[mistake])
    with pytest.raises(AssertionError):
        check_matrices("linear")


def test_the_auxiliary_depth_gives_the_auxiliary_matrices():
    fine, gene, lab = condensed(fit_steps=4)
    aux = lab.modules["aux"].materialize()
    target, _ = filled(get("fine", start="aux", steps=0), gene, SMALL)
    for block in range(SMALL.depth):
        for path in PATHS.values():
            name = f"blocks.{block}.{path}"
            torch.testing.assert_close(target.state_dict()[name], aux[name], rtol=2e-6, atol=2e-6)


def test_it_is_wave_with_templates_of_rank_one():
    _, gene = perturbed_gene(rank=3)
    wave = get("wave", template_size="full", templates=3, scaler_steps=0)
    plain = wave.condense(perturbed(SMALL, seed=1), Watched((SMALL,), teacher=perturbed(SMALL, seed=1)))
    own = {}
    for group in MATRICES:
        u, v, sigma = (gene.tensors[f"{name}.{group}"] for name in ("u", "v", "sigma"))
        own[f"templates.{group}"] = torch.stack([torch.outer(u[:, k], v[:, k]) for k in range(3)])
        own[f"scalers.{group}"] = sigma[:, :, None, None].clone()
    for depth in (2, 4, 7):
        spec = SMALL.replace(depth=depth)
        by_wave = filled(wave, Learngene(plain.tensors | own, plain.meta), spec)[0].state_dict()
        by_fine = filled(get("fine", start="aux", steps=0), gene, spec)[0].state_dict()
        for block in range(depth):
            for path in PATHS.values():
                name = f"blocks.{block}.{path}"
                torch.testing.assert_close(by_fine[name], by_wave[name], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("rank", [4, 64, 200])
def test_weights_start_with_timms_standard_deviation(rank):
    spec = VitSpec(embed_dim=64, depth=6, num_heads=2)
    tensors = fresh_factors(spec, rank, torch.Generator().manual_seed(0))
    scaled = {name: t * 3 if name[0] in "uv" else t for name, t in tensors.items()}
    for group in MATRICES:
        u, v, sigma = (scaled[f"{name}.{group}"] for name in ("u", "v", "sigma"))
        random = first_values("random", sigma, u, v, 6, torch.Generator().manual_seed(1))
        assert bool((sigma == 1).all()) and random.shape == sigma.shape
        std = combined_rank_one(sigma, u / 3, v / 3).std()
        assert 0.75 * STD < std < 1.25 * STD
        assert 0.6 * STD < combined_rank_one(random, u, v).std() < 1.5 * STD
        assert not random[0].equal(random[1])


def test_a_line_stays_a_line():
    sigma = torch.tensor([[1.0, 5.0], [2.0, 3.0], [3.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(line(sigma), sigma)
    assert line(sigma[:1]).equal(sigma[:1]) and line(sigma).dtype == torch.float64


@pytest.mark.parametrize("classes", ["tiny", "other"])
def test_factors_are_frozen_and_values_are_trained(classes):
    fine, gene, _ = condensed()
    before = perturbed(SMALL, seed=2).state_dict()
    target, lab = filled(fine, gene, SMALL, classes=classes)
    model, fit = lab.modules["values"], lab.fits["values"]
    for name in [n for n in gene.tensors if n[:2] in ("u.", "v.")]:
        assert model.tensors()[name].equal(gene.tensors[name])
    changed = lab.changed("values")
    expected = {n for n in lab.before["values"] if n.startswith(("trained.", "skeleton.blocks."))}
    expected |= set() if classes == "tiny" else {f"skeleton.{name}" for name in HEAD}
    assert changed == expected
    assert fit["recipe"] == {"steps": 300, "lr": 1e-2, "warmup_steps": 0, "compile": False} and fit["loss"] == "ce"
    assert target.state_dict()["head.weight"].equal(
        gene.tensors["head.weight"] if classes == "tiny" else before["head.weight"]
    )
    assert target.state_dict()["pos_embed"].equal(gene.tensors["pos_embed"])


def test_the_auxiliary_network():
    _, gene, lab = condensed(kl=0.5, ce=0.25, temperature=2.0, train={"lr": 1e-2})
    assert lab.fits["aux"]["loss"] == "kd"
    assert lab.fits["aux"]["recipe"] == {"lr": 1e-2, "distill": {"kl": 0.5, "ce": 0.25, "temperature": 2.0}}
    aux = lab.modules["aux"]
    assert all(p.grad is not None and p.grad.any() for p in aux.parameters())
    free = {name for i, name in enumerate(aux.names) if f"trained.{i}" in aux.no_weight_decay()}
    assert free == {f"sigma.{group}" for group in MATRICES}
    assert condensed(head="fresh")[1].stored_params_head == 0


@pytest.mark.parametrize(("width", "stored"), [(192, 784_704), (384, 2_749_056), (768, 10_216_704)])
def test_stored_parameters_of_deit(width, stored):
    assert stored == 16 * width**2 + 4 * 12 * width + 967 * width
    spec = VitSpec(embed_dim=width, num_heads=width // 64)
    with torch.device("meta"):
        model = build_vit(spec).state_dict()
    rest = sum(t.numel() for n, t in model.items() if not n.startswith("blocks.") and n not in HEAD)
    rank = get("fine").resolve(spec, [spec]).rank
    factors = fresh_factors(spec.replace(depth=1), rank, torch.Generator())
    sizes = {n: t.numel() * (12 if n.startswith("sigma.") else 1) for n, t in factors.items()}
    assert sum(sizes.values()) + rest == stored
    _, gene, _ = condensed()
    kept = {n for n in build_vit(SMALL).state_dict() if not n.startswith("blocks.")}
    assert set(gene.tensors) == set(factors) | kept


@pytest.mark.parametrize(
    ("depth", "options"),
    [
        (2, {}),
        (6, {"start": "aux", "steps": 0}),
        (5, {"start": "linear", "rank": 3, "head": "fresh"}),
        (1, {"start": "identical"}),
    ],
)
def test_the_contract(depth, options):
    check_initializer(get("fine", **options), SMALL, SMALL.replace(depth=depth), TinyLab)


def test_the_model_computes_what_the_target_computes():
    fine, gene, _ = condensed()
    target, lab = filled(fine, gene, SMALL.replace(depth=3))
    assert (target(images()) - lab.modules["values"](images())).abs().max() < 1e-4


def test_what_is_impossible():
    for options, message in [
        ({"rank": 0}, "rank must be at least 1"),
        ({"steps": -1}, "steps must not be negative"),
        ({"sigma_lr": 0.0}, "sigma_lr must be above 0"),
        ({"kl": 0.0, "ce": 0.0}, "must not both be 0"),
        ({"start": "half"}, "start must be one of random, identical, linear, aux"),
        ({"train": {"distill": {}}}, "set kl, ce and temperature"),
    ]:
        with pytest.raises(ValueError, match=message):
            get("fine", **options)
    fine, gene, _ = condensed()
    with pytest.raises(ValueError, match="needs a lab, or steps 0"):
        fine.initialize(build_vit(SMALL), gene, None)
    wide = SMALL.replace(embed_dim=16, num_heads=4)
    assert fine.supports(SMALL, wide) == "cannot change embed_dim: ancestor 8, target 16"


def test_it_says_first_that_it_is_mostly_declared():
    assert "mostly declared" in get("fine").__doc__.splitlines()[0]
