"""TLEG: the line of blocks against loops, wave as a special case, what is stored, and what is trained."""

from functools import cache

import pytest
import torch

import methods
import methods.parts.bases as bases_module
from methods.base import Learngene
from methods.parts.templates import MATRICES
from methods.testing import check_initializer, perturbed
from methods.vit import VitSpec, build_vit
from tests.methods.small_waves import Watched, images
from tests.methods.tinylab import SPEC, TinyLab

PATHS = {"qkv": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
DEPTHS = (1, 3, 4, 9)


def condensed(spec=SPEC, steps=2, **options):
    teacher = perturbed(spec, seed=1)
    tleg, lab = methods.get("tleg", **options), Watched((spec,), teacher=teacher, steps=steps)
    return tleg, tleg.condense(teacher, lab), lab


@cache
def perturbed_gene():
    """(tleg, a learngene in which no number is at its start, lab), once: a target is filled without changing any."""
    tleg, gene, lab = condensed()
    draw = torch.Generator().manual_seed(3)
    tensors = {name: t + 0.1 * torch.randn(t.shape, generator=draw) for name, t in gene.tensors.items()}
    return tleg, Learngene(tensors, gene.meta), lab


def filled(tleg, gene, spec, lab):
    target = perturbed(spec, seed=2)
    tleg.initialize(target, gene, lab)
    return target.eval()


def line(gene, depth):
    """The tensors of all blocks by loops over numbers: base + (l / depth) * slope."""
    weights = {}
    for name, stack in gene.tensors.items():
        if name.startswith("bases."):
            base, slope = stack.double().flatten(1).tolist()
            for l in range(depth):  # noqa: E741
                numbers = [b + l / depth * s for b, s in zip(base, slope, strict=True)]
                key = f"blocks.{l}.{name.removeprefix('bases.')}"
                weights[key] = torch.tensor(numbers, dtype=torch.float64).view(stack.shape[1:])
    return weights


def check_the_line():
    tleg, gene, lab = perturbed_gene()
    for depth in DEPTHS:
        target, expected = filled(tleg, gene, SPEC.replace(depth=depth), lab), line(gene, depth)
        assert len(expected) == 12 * depth
        for name, tensor in target.state_dict().items():
            if name in expected:
                torch.testing.assert_close(tensor.double(), expected[name], rtol=2e-6, atol=2e-6)
            else:
                assert tensor.equal(gene.tensors[name])


def test_blocks_are_on_the_line():
    check_the_line()


def reaching_one(depth):
    return torch.stack([torch.ones(depth), torch.arange(depth) / max(depth - 1, 1)], 1)


MISTAKES = {
    "the end of the line is reached": reaching_one,
    "layers are counted from 1": lambda depth: torch.stack([torch.ones(depth), torch.arange(1, depth + 1) / depth], 1),
    "base and slope are exchanged": lambda depth: bases_linear(depth).flip(1),
    "the auxiliary depth divides": lambda depth: torch.stack([torch.ones(depth), torch.arange(depth) / SPEC.depth], 1),
}
bases_linear = bases_module.linear


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_line_is_seen(monkeypatch, mistake):
    perturbed_gene()  # condensed without the mistake, as for all other tests
    monkeypatch.setattr(bases_module, "linear", MISTAKES[mistake])
    with pytest.raises(AssertionError):
        check_the_line()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_target_of_the_auxiliary_depth_computes_what_it_computes(dtype):
    tleg, gene, lab = condensed(steps=5)
    target = filled(tleg, gene, SPEC, lab).to(dtype)
    aux = lab.modules["aux"].to(dtype)
    limit = 1e-4 if dtype == torch.float32 else 1e-9
    if dtype == torch.float64:  # weights are combined in float64 too
        target.load_state_dict(line(gene, SPEC.depth), strict=False)
        aux.frozen_0 = torch.tensor([[1.0, i / SPEC.depth] for i in range(SPEC.depth)], dtype=dtype)
    assert (target(images().to(dtype)) - aux(images().to(dtype))).abs().max() < limit


def test_it_is_wave_with_whole_templates():
    tleg, gene, lab = perturbed_gene()
    wave = methods.get("wave", template_size="full", templates=2, scaler_steps=0)
    shape = Watched((SPEC,), teacher=perturbed(SPEC, seed=1))
    plain = wave.condense(perturbed(SPEC, seed=1), shape)
    for depth in DEPTHS:
        scalers = torch.stack([torch.ones(depth), torch.arange(depth) / depth], dim=1)[:, :, None, None]
        own = {f"templates.{group}": gene.tensors[f"bases.{PATHS[group]}.weight"] for group in MATRICES}
        own |= {f"scalers.{group}": scalers.clone() for group in MATRICES}
        meta = plain.meta | {"ancestor": plain.meta["ancestor"] | {"depth": depth}}
        spec = SPEC.replace(depth=depth)
        by_wave = filled(wave, Learngene(plain.tensors | own, meta), spec, lab).state_dict()
        for name, tensor in filled(tleg, gene, spec, lab).state_dict().items():
            if any(name.endswith(f"{path}.weight") for path in PATHS.values()):
                torch.testing.assert_close(tensor, by_wave[name], rtol=2e-6, atol=2e-6)


def test_the_auxiliary_network_learns_from_the_teacher_as_asked():
    _, _, lab = condensed(alpha=0.25, temperature=3.0, train={"lr": 1e-2})
    assert lab.fits["aux"]["loss"] == "kd"
    assert lab.fits["aux"]["recipe"] == {"lr": 1e-2, "distill": {"kl": 0.25, "ce": 0.75, "temperature": 3.0}}
    assert {name.partition(".")[0] for name in lab.changed("aux")} == {"trained", "skeleton"}


def test_stacks_start_as_read_in_the_released_code():
    _, gene, _ = condensed(steps=0)
    for name, stack in gene.tensors.items():
        key = name.removeprefix("bases.")
        if key == name:
            continue
        if stack.dim() == 3:
            assert 0.017 < stack[0].std() < 0.023 and 0.017 < stack[1].std() < 0.023, name
        else:
            start = 1.0 if key.startswith("norm") and key.endswith("weight") else 0.0
            assert bool((stack[0] == start).all() and (stack[1] == 0).all()), name


@pytest.mark.parametrize(("width", "stored"), [(192, 1_075_392), (384, 3_920_256), (768, 14_918_400)])
def test_stored_parameters_of_deit(width, stored):
    spec = VitSpec(embed_dim=width, num_heads=width // 64)
    block, rest = 12 * width**2 + 13 * width, 967 * width
    assert stored == 2 * block + rest
    sizes = deit_gene_sizes(spec)
    assert sum(n for name, n in sizes.items() if not Learngene.is_head(name)) == stored
    assert sum(n for name, n in sizes.items() if Learngene.is_head(name)) == 1000 * width + 1000


def deit_gene_sizes(spec):
    """Numbers per tensor of a learngene of that width, from a small one: what scales is told by a meta model."""
    _, gene, _ = condensed()
    with torch.device("meta"):
        model = build_vit(spec)
    small, large = perturbed(SPEC, seed=1).state_dict(), model.state_dict()
    sizes = {}
    for name, tensor in gene.tensors.items():
        key = name.replace("bases.", "blocks.0.")
        copies, rest = divmod(tensor.numel(), small[key].numel())
        assert rest == 0
        sizes[name] = copies * large[key].numel()
    return sizes


def test_a_fresh_head_is_neither_stored_nor_filled():
    tleg, gene, lab = condensed(head="fresh")
    assert gene.stored_params_head == 0
    fresh = perturbed(SPEC, seed=2).head.weight
    assert filled(tleg, gene, SPEC, lab).head.weight.equal(fresh)


def test_only_depth_changes():
    tleg = methods.get("tleg")
    assert tleg.supports(SPEC, SPEC.replace(depth=11)) is None
    assert (
        tleg.supports(SPEC, SPEC.replace(embed_dim=16, num_heads=1))
        == "cannot change embed_dim: ancestor 32, target 16"
    )
    assert tleg.supports(SPEC, SPEC.replace(num_heads=4)) == "cannot change num_heads: ancestor 2, target 4"


@pytest.mark.parametrize("options", [{}, {"head": "fresh"}, {"alpha": 0.5, "temperature": 2.0}])
@pytest.mark.parametrize("depth", [2, 6, 7])
def test_the_contract(options, depth):
    check_initializer(methods.get("tleg", **options), SPEC, SPEC.replace(depth=depth), TinyLab)


def test_what_is_impossible():
    for options, message in [
        ({"alpha": 2.0}, "alpha must be between 0 and 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"train": {"distill": {"kl": 1.0}}}, "set alpha and temperature"),
        ({"head": "half"}, "head must be one of"),
    ]:
        with pytest.raises(ValueError, match=message):
            methods.get("tleg", **options)
    with pytest.raises(ValueError, match="condense needs a lab"):
        methods.get("tleg").condense(build_vit(SPEC), None)
