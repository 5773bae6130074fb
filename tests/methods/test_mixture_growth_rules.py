"""Growth rules and mixing as functions of tensors, against plain loops and numpy."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import methods
from methods.parts.growth import (
    CoefficientRule,
    block_sources,
    depth_coefficients,
    least_covered,
    new_blocks,
    reference_coefficients,
    width_coefficients,
)
from methods.parts.mixing import drawn_together, mix, mix_groups, orthonormal
from tests.methods.tinylab import SPEC


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def rule(mode="orthogonal", scale=1.0, norm="mean"):
    return CoefficientRule(mode, scale, norm, draws())


def cosines(new, used):
    """Largest |cosine| between a vector of `new` and one of `used`."""
    a, b = (torch.stack(list(x)).double() for x in (new, used))
    return ((a / a.norm(dim=1, keepdim=True)) @ (b / b.norm(dim=1, keepdim=True)).T).abs().max().item()


@pytest.mark.parametrize(
    ("depth", "seed_depth", "sources", "new"),
    [
        (2, 3, [0, 1], []),
        (3, 3, [0, 1, 2], []),
        (4, 3, [0, 0, 1, 2], [1]),
        (6, 3, [0, 0, 1, 1, 2, 2], [1, 3, 5]),
        (7, 3, [0, 0, 0, 1, 1, 2, 2], [1, 2, 4, 6]),
        (3, 1, [0, 0, 0], [1, 2]),
    ],
)
def test_which_seed_block_each_target_block_comes_from(depth, seed_depth, sources, new):
    assert block_sources(depth, seed_depth) == sources
    assert new_blocks(sources) == new


@given(depth=st.integers(1, 60), seed_depth=st.integers(1, 30))
def test_a_deeper_target_holds_every_seed_block_once_and_in_order(depth, seed_depth):
    sources = block_sources(depth, seed_depth)
    own = [source for i, source in enumerate(sources) if i not in new_blocks(sources)]
    assert own == list(range(min(depth, seed_depth)))
    assert sources == sorted(sources) and len(sources) == depth


@settings(max_examples=30)
@given(depth=st.integers(1, 7), group_size=st.integers(1, 4), n=st.integers(1, 5), out=st.integers(1, 4))
def test_mixing_is_the_sum_over_the_templates_of_the_bank(depth, group_size, n, out):
    banks = [layer // group_size for layer in range(depth)]
    templates = torch.randn(banks[-1] + 1, n, out, 3, generator=draws(1))
    coefficients = torch.randn(depth, n, generator=draws(2))
    expected = torch.stack(
        [sum(coefficients[i, t] * templates[bank, t] for t in range(n)) for i, bank in enumerate(banks)]
    )
    torch.testing.assert_close(mix_groups(templates, coefficients, group_size), expected)
    order = torch.randperm(depth, generator=draws(3)).tolist()
    mixed = mix(templates, coefficients[order], [banks[i] for i in order])
    torch.testing.assert_close(mixed, expected[order])


@given(n=st.integers(1, 6), templates=st.integers(1, 6), seed=st.integers(0, 99))
def test_the_least_covered_direction_is_orthogonal_while_there_is_one_and_else_the_best(n, templates, seed):
    used = torch.randn(n, templates, generator=draws(seed))
    direction = least_covered(used, draws(1))
    assert direction.norm().item() == pytest.approx(1, abs=1e-6)
    covered = (used.double() @ direction.double()).norm().item()
    least = np.linalg.svd(used.double().numpy(), compute_uv=False)[templates - 1] if n >= templates else 0.0
    assert covered == pytest.approx(least, abs=1e-5)


@pytest.mark.parametrize(("n", "templates"), [(1, 4), (2, 4), (3, 8), (3, 4), (4, 4)])
def test_the_direction_does_not_hang_on_how_the_library_completes_a_null_space(n, templates, monkeypatch):
    used, svd = torch.randn(n, templates, generator=draws(3)), torch.linalg.svd
    before = least_covered(used, draws())

    def turned(*arguments, **options):
        u, s, vh = svd(*arguments, **options)
        free = templates - n
        if free > 1:
            vh = torch.cat([vh[:n], torch.linalg.qr(torch.randn(free, free, generator=draws(4)).double())[0] @ vh[n:]])
        return u, s, vh

    monkeypatch.setattr(torch.linalg, "svd", turned)
    torch.testing.assert_close(least_covered(used, draws()), before)
    assert least_covered(used, draws(5)).allclose(before) == (templates - n < 2)  # else the seed chooses
    assert cosines([before], used) < 1e-6 or n == templates


@pytest.mark.parametrize("templates", [4, 5, 8])
@pytest.mark.parametrize("group_size", [1, 2])
def test_depth_coefficients_are_orthogonal_in_banks_of_at_most_two_blocks(group_size, templates):
    seed = torch.randn(5, templates, generator=draws(4))  # an odd depth leaves a bank of one block
    sources, asked = block_sources(10, 5), rule()
    new = depth_coefficients(seed, sources, group_size, asked)
    for i, source in enumerate(sources[1::2]):
        bank = source // group_size
        others = [new[j] for j in range(5) if j != i and j // group_size == bank]
        assert cosines([new[i]], [*seed[bank * group_size :][:group_size], *others]) < 1e-6
        assert new[i].norm().item() == pytest.approx(seed[bank * group_size :][:group_size].norm(dim=1).mean().item())
    assert asked.crowded == 0


def test_a_full_bank_is_counted_as_crowded():
    asked = rule()
    depth_coefficients(torch.randn(3, 4, generator=draws()), block_sources(12, 3), 2, asked)
    assert asked.crowded == 4  # 6 new vectors beside 2 find room for 2; 3 new vectors beside 1 find room


@pytest.mark.parametrize("templates", [4, 6])
def test_width_coefficients_are_orthogonal_in_their_bank_of_two(templates):
    members = torch.randn(2, 5, templates, generator=draws(5))
    new = width_coefficients(members, 2, rule(norm="unit"))
    for member in (0, 1):
        for start in (0, 2, 4):
            added = list(new[member, start : start + 2])
            assert cosines(added, members[member, start : start + 2]) < 1e-6
            assert len(added) == 1 or cosines(added[:1], added[1:]) < 1e-6
    torch.testing.assert_close(new.norm(dim=2), torch.ones(2, 5))


def test_without_sharing_all_four_vectors_of_a_layer_are_orthogonal_to_the_new_ones():
    members = torch.randn(2, 3, 4, generator=draws(6))
    top_right, bottom_left = width_coefficients(members, 1, rule(norm="unit"))
    for layer in range(3):
        assert cosines([top_right[layer]], members[:, layer]) < 1e-6
        assert cosines([bottom_left[layer]], [*members[:, layer], top_right[layer]]) < 1e-6


@pytest.mark.parametrize("templates", [2, 3, 4, 6])
def test_the_reference_skips_top_right_and_takes_the_last_singular_vector(templates):
    members = torch.randn(2, 3, templates, generator=draws(7))
    skipped = torch.randn(3, templates, generator=draws(8))
    top_right, bottom_left = reference_coefficients(members, skipped, rule(scale=0.5, norm="unit"))
    assert top_right.equal(skipped)
    for layer in range(3):
        rows = torch.stack([members[0, layer], members[1, layer], skipped[layer]]).double().numpy()
        found = bottom_left[layer].double().numpy()
        assert np.linalg.norm(found) == pytest.approx(0.5, abs=1e-6)
        if templates <= 4:  # there it is unique but for its sign
            assert abs(found @ np.linalg.svd(rows)[2][-1]) == pytest.approx(0.5, abs=1e-6)
        assert templates < 4 or np.abs(rows @ found).max() < 1e-6


def test_the_references_other_modes_replace_both_vectors():
    """As released: copy has one noise vector for both of a layer; zero and random leave nothing of what was drawn."""
    members, skipped = torch.randn(2, 3, 4, generator=draws(7)), torch.randn(3, 4, generator=draws(8))
    assert reference_coefficients(members, skipped, rule("zero", norm="unit")).eq(0).all()
    noise = reference_coefficients(members, skipped, rule("copy", scale=0.5, norm="unit")) - members
    torch.testing.assert_close(noise[0], noise[1])
    assert (noise > 0).all() and not noise[0, 0].allclose(noise[0, 1])
    torch.testing.assert_close(noise.norm(dim=2), torch.full((2, 3), 0.5))
    top_right, bottom_left = drawn = reference_coefficients(members, skipped, rule("random", scale=2.0, norm="unit"))
    assert ((drawn > 0) & (drawn < 2)).all() and not top_right.allclose(bottom_left)


@given(
    depth=st.integers(1, 8),
    seed_depth=st.integers(1, 5),
    templates=st.integers(1, 8),
    group_size=st.integers(1, 4),
    grow=st.sampled_from(["depth", "width", "reference"]),
)
@settings(deadline=None, max_examples=60)
def test_version_3_is_where_the_library_chose(depth, seed_depth, templates, group_size, grow):
    """That is where now the seed does. In depth also where only the last bank has room, and no block is new there."""
    options = {"depth": {"seed_depth": seed_depth}, "width": {"grow": "width"}}
    options["reference"] = options["width"] | {"reference": True}
    method = methods.get("mixture_growth", templates=templates, group_size=group_size, **options[grow])
    if grow == "depth":
        seed = torch.randn(seed_depth, templates, generator=draws(1))
        grown = partial(depth_coefficients, seed, block_sources(depth, seed_depth), group_size)
    else:
        members, skipped = (torch.randn(n, depth, templates, generator=draws(n)) for n in (2, 1))
        grown = partial(reference_coefficients, members, skipped[0])
        grown = grown if grow == "reference" else partial(width_coefficients, members, group_size)
    one, two = (grown(CoefficientRule("orthogonal", 1.0, "unit", draws(seed))) for seed in (1, 2))
    version = method.version_of(SPEC.replace(depth=depth))
    assert version == 3 or one.equal(two)
    assert version == 2 or not one.equal(two) or (grow == "depth" and depth < 2 * seed_depth)
    assert method.version_of(None) == 2


@pytest.mark.parametrize("coefficients", ["copy", "random", "zero"])
def test_of_the_other_modes_only_the_references_are_version_3(coefficients):
    for options, version in [({}, 2), ({"grow": "width"}, 2), ({"grow": "width", "reference": True}, 3)]:
        method = methods.get("mixture_growth", coefficients=coefficients, **options)
        assert method.version_of(SPEC) == version


def test_the_other_modes():
    trained = torch.tensor([[3.0, 0, 0, 0], [0, 5.0, 0, 0]])  # mean norm 4
    base = trained[0]
    assert rule("zero")(base, trained).eq(0).all()
    noise = rule("copy", scale=0.5)(base, trained) - base
    assert (noise > 0).all() and noise.norm().item() == pytest.approx(0.5 * 4)
    assert rule("copy", scale=0.0)(base, trained).equal(base)
    unit = rule("random", scale=2.0, norm="unit")(base, trained)
    torch.testing.assert_close(rule("random", scale=2.0)(base, trained), 4 * unit)
    assert ((unit > 0) & (unit < 2)).all()
    assert rule("orthogonal", scale=0.5)(base, trained, [torch.ones(4)]).norm().item() == pytest.approx(0.5 * 4)
    assert rule("orthogonal", scale=0.5, norm="unit")(base, trained).norm().item() == pytest.approx(0.5)


def test_the_norm_of_new_vectors_does_not_compound():
    new = depth_coefficients(torch.ones(1, 8), block_sources(6, 1), 1, rule(scale=2.0))
    torch.testing.assert_close(new.norm(dim=1), torch.full((5,), 2 * 8**0.5))


@given(depth=st.integers(1, 7), templates=st.integers(1, 6), group_size=st.integers(1, 4))
@settings(max_examples=30)
def test_starting_coefficients_are_unit_vectors_orthogonal_where_the_bank_has_room(depth, templates, group_size):
    rows = orthonormal(depth, templates, group_size, draws(9))
    assert rows.shape == (depth, templates)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(depth))
    if group_size <= templates:
        for bank in rows.split(group_size):
            torch.testing.assert_close(bank @ bank.T, torch.eye(len(bank)), atol=1e-5, rtol=0)


def test_the_reference_draws_the_four_vectors_of_a_layer_together():
    rows = drawn_together(3, 4, 1, draws(10)).transpose(0, 1)  # [layers, 4, T]
    torch.testing.assert_close(rows @ rows.transpose(1, 2), torch.eye(4).expand(3, 4, 4), atol=1e-5, rtol=0)
    normal = drawn_together(50, 4, 2, draws(10))  # layers that share a bank: independent normal numbers
    assert normal.shape == (4, 50, 4) and normal.std().item() == pytest.approx(1, abs=0.1)
