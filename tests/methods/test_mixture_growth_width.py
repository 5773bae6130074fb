"""Width growth: two seeds of half the width and half the heads make one target."""

import json

import pytest
import torch

import methods
from methods.testing import check_initializer
from methods.vit import build_vit
from tests.methods.mixture_seeds import ROLES, coefficients_of, condensed, grown, weight
from tests.methods.tinylab import SPEC, TinyLab

D, HALF = SPEC.embed_dim, SPEC.embed_dim // 2
DEPTH = 3


def members_of(lab, spec=SPEC):
    """The two trained seeds as plain timm models."""
    size = spec.replace(embed_dim=spec.embed_dim // 2, num_heads=spec.num_heads // 2, depth=DEPTH)
    models = []
    for name in ("seed 0", "seed 1"):
        models.append(build_vit(size).eval())
        models[-1].load_state_dict(lab.modules[name].materialize())
    return models


def corners(matrix):
    """(top left, top right, bottom left, bottom right)."""
    return [half for rows in matrix.chunk(2) for half in rows.chunk(2, dim=1)]


@pytest.fixture(scope="module", params=[1, 2], ids="group{}".format)
def trained(request):
    init, learngene, lab = condensed(DEPTH, grow="width", group_size=request.param)
    return init, learngene, lab, grown(init, learngene, lab, DEPTH), members_of(lab)


def test_two_seeds_are_trained_apart(trained):
    _, learngene, lab, _, members = trained
    assert list(lab.fits) == ["seed 0", "seed 1"]
    assert [fit["loss"] for fit in lab.fits.values()] == ["ce", "ce"]
    for name, tensor in members[0].state_dict().items():
        assert not tensor.equal(members[1].state_dict()[name]), name
    assert learngene.meta["seed"]["embed_dim"] == HALF and learngene.meta["seed"]["num_heads"] == 1


def test_the_two_seeds_start_from_draws_of_their_own():
    _, learngene, _ = condensed(DEPTH, grow="width", steps=0)
    drawn = ["pos_embed", "patch_embed.proj.weight", "head.weight"]
    for name in drawn + [f"{kind}.{role}" for kind in ("templates", "coefficients") for role in ROLES]:
        one, two = learngene.tensors[name]
        assert one.isclose(two).float().mean() < 0.01, name


def test_diagonal_blocks_are_the_members_and_the_others_mix_their_banks(trained):
    init, learngene, _, target, members = trained
    for role in ROLES:
        for block in range(DEPTH):
            top_left, top_right, bottom_left, bottom_right = corners(weight(target, block, role))
            assert top_left.equal(weight(members[0], block, role))
            assert bottom_right.equal(weight(members[1], block, role))
            for member, corner in enumerate([top_right, bottom_left]):
                bank = learngene.tensors[f"templates.{role}"][member, block // init.group_size]
                own = learngene.tensors[f"coefficients.{role}"][member].double().split(init.group_size)
                found = coefficients_of(corner, bank)
                assert (own[block // init.group_size] @ found).abs().max() < 1e-6
                assert found.norm().item() == pytest.approx(1, abs=1e-5)


def test_vectors_are_concatenated_the_head_is_side_by_side(trained):
    _, _, _, target, members = trained
    full, (one, two) = target.state_dict(), (member.state_dict() for member in members)
    checked = {n for n in full if n.endswith("weight") and n.startswith("blocks.") and "norm" not in n}  # above
    for name, tensor in full.items():
        if name in checked:
            continue
        if name == "head.bias":
            expected = one[name] + two[name]
        elif name.endswith("qkv.bias"):
            expected = torch.cat([member[name][part * HALF :][:HALF] for part in range(3) for member in (one, two)])
        elif name == "patch_embed.proj.weight":
            expected = torch.cat([one[name], two[name]], dim=0)
        else:
            expected = torch.cat([one[name], two[name]], dim=-1)
        assert tensor.equal(expected), name


def test_without_off_diagonal_blocks_each_part_but_the_norms_is_its_members_side_by_side():
    spec = SPEC.replace(num_heads=4)  # two heads a member: were q, k, v or heads mixed up, attention would differ
    init, learngene, lab = condensed(DEPTH, spec=spec, grow="width", coefficients="zero")
    target, members = grown(init, learngene, lab, DEPTH, spec).eval(), members_of(lab, spec)
    tokens = torch.randn(2, spec.tokens, D)
    halves = tokens.chunk(2, dim=2)

    def joined(part):
        return torch.cat([part(member)(half) for member, half in zip(members, halves, strict=True)], dim=2)

    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        for block in range(DEPTH):
            for part in ("attn", "mlp"):
                found = getattr(target.blocks[block], part)(tokens)
                torch.testing.assert_close(found, joined(lambda m: getattr(m.blocks[block], part)))  # noqa: B023
        torch.testing.assert_close(
            target.head(tokens[:, 0]), sum(m.head(h[:, 0]) for m, h in zip(members, halves, strict=True))
        )
        embedded = [m.patch_embed(images) + m.pos_embed for m in members]
        torch.testing.assert_close(target.patch_embed(images) + target.pos_embed, torch.cat(embedded, dim=2))


@pytest.mark.parametrize("templates", [2, 4])
def test_the_reference_keeps_the_top_right_coefficients_it_was_built_with(templates):
    options = {"grow": "width", "reference": True, "group_size": 1, "templates": templates}
    _, untrained, _ = condensed(DEPTH, steps=0, **options)
    init, learngene, lab = condensed(DEPTH, **options, noise_scale=0.5)
    target = grown(init, learngene, lab, DEPTH)
    for role in ROLES:
        start = untrained.tensors[f"coefficients.{role}"]
        assert untrained.tensors[f"skipped.{role}"].equal(learngene.tensors[f"skipped.{role}"])
        for block in range(DEPTH):
            _, top_right, bottom_left, _ = corners(weight(target, block, role))
            banks = learngene.tensors[f"templates.{role}"][:, block]
            c2, c3 = coefficients_of(top_right, banks[0]), coefficients_of(bottom_left, banks[1])
            torch.testing.assert_close(c2.float(), learngene.tensors[f"skipped.{role}"][block], atol=1e-5, rtol=1e-5)
            assert c3.norm().item() == pytest.approx(0.5, abs=1e-5)
            rows = torch.stack([*learngene.tensors[f"coefficients.{role}"][:, block].double(), c2])
            if templates == 4:
                assert (rows @ c3).abs().max() < 1e-6
                assert (start[:, block].double() @ c2).abs().max() < 1e-5  # drawn together with the two members'
            else:
                assert (rows @ c3).norm().item() == pytest.approx(0.5 * torch.linalg.svdvals(rows)[-1].item(), abs=1e-5)


def test_stored_parameters():
    """Two banks of T templates of a quarter of the target's matrices each, and all other tensors of both seeds."""
    depth_of_banks = 2  # three blocks in groups of two
    mixed = 2 * (depth_of_banks * 4 * 12 * HALF * HALF + 6 * DEPTH * 4)
    rest = 2 * (DEPTH * 13 * HALF + 16 * HALF + HALF + SPEC.tokens * HALF + 2 * HALF)
    _, learngene, _ = condensed(DEPTH, grow="width", steps=0)
    assert learngene.stored_params == mixed + rest
    assert learngene.stored_params_head == 2 * (5 * HALF + 5)
    _, learngene, _ = condensed(DEPTH, grow="width", steps=0, reference=True)
    assert learngene.stored_params == mixed + rest + 6 * DEPTH * 4


def test_what_it_cannot_grow_is_said():
    init, learngene, lab = condensed(DEPTH, grow="width")
    assert init.supports(None, SPEC) is None
    assert "even h, found 3" in init.supports(None, SPEC.replace(embed_dim=36, num_heads=3))
    assert "hidden width 15" in init.supports(None, SPEC.replace(embed_dim=6, mlp_ratio=2.5))
    with pytest.raises(ValueError, match="cannot change depth while it grows width: seeds 3, target 4"):
        init.initialize(build_vit(SPEC), learngene, lab)
    with pytest.raises(ValueError, match="cannot change embed_dim: grown seed 32, target 16"):
        init.initialize(build_vit(SPEC.replace(embed_dim=16, depth=3)), learngene, lab)
    with pytest.raises(ValueError, match="even h"):
        init.condense(None, TinyLab(targets=[SPEC.replace(num_heads=1)]))


def test_each_size_has_seeds_of_its_own():
    init = methods.get("mixture_growth", grow="width")
    sizes = [SPEC, SPEC.replace(depth=2), SPEC.replace(embed_dim=64), SPEC.replace(num_heads=4)]
    assert len({init.family(size) for size in sizes}) == 4
    json.dumps(init.family(SPEC))
    assert init.resolve(None, [SPEC]).norm == "unit"
    with pytest.raises(ValueError, match="only when it grows depth"):
        init.resolve(None, sizes[:2])


@pytest.mark.parametrize("options", [{}, {"reference": True}, {"coefficients": "copy", "head": "fresh"}])
def test_the_contract(options):
    init = methods.get("mixture_growth", grow="width", **options)
    check_initializer(init, SPEC, SPEC.replace(depth=2), TinyLab)
