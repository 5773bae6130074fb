"""Weight selection: the reference rule bit for bit, the head, layers, and the sizes that it can serve."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import methods
from methods.testing import perturbed, same, state
from methods.vit import build_vit, spec_of
from methods.weight_selection import uniform
from tests.methods.selected_entries import BIG, SMALL, chosen, coded, selected
from tests.methods.tinylab import SPEC, TinyLab


def by_the_reference(teacher, student_shapes):
    """The released rule in plain Python: keys without `head`; per dimension a stride or a rounded linspace."""
    result = {}
    for name, shape in student_shapes.items():
        if "head" in name:
            continue
        tensor = teacher[name]
        for dim, n in enumerate(shape):
            have = tensor.shape[dim]
            places = [i * (have // n) for i in range(n)]
            if have % n:
                places = [int(torch.round(x)) for x in torch.linspace(0, have - 1, n)]
            tensor = torch.stack([tensor.select(dim, i) for i in places], dim)
        result[name] = tensor
    return result


@pytest.mark.parametrize(
    ("ancestor", "target"),
    [
        (SPEC, SPEC.replace(embed_dim=16, num_heads=1, depth=2)),  # every width divides
        (BIG, SMALL),  # none does
        (SPEC.replace(embed_dim=48), SPEC.replace(embed_dim=23, num_heads=1)),  # a tie in the rounding
        (SPEC.replace(class_token=True), SPEC.replace(class_token=True, img_size=4, embed_dim=20, num_heads=5)),
        (SPEC.replace(in_chans=3), SPEC.replace(in_chans=2, patch_size=2, img_size=4)),
        (SPEC, SPEC),
    ],
)
def test_the_default_is_the_reference_bit_for_bit(ancestor, target):
    teacher = perturbed(ancestor, seed=1)
    got = selected(teacher, target)
    fresh = state(perturbed(target, seed=5))
    expected = by_the_reference(state(teacher), {n: t.shape for n, t in fresh.items()})
    assert set(got) - set(expected) == {"head.weight", "head.bias"}
    assert same(got, expected | {n: fresh[n] for n in ("head.weight", "head.bias")})


def test_ties_are_rounded_as_float32_does():
    exact = [round(Fraction(i * 47, 22)) for i in range(23)]
    got = uniform(48, 23).tolist()
    assert exact[11] == 24  # 23.5 to the even number
    assert got[11] == 23
    assert [i for i in range(23) if got[i] != exact[i]] == [11]


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_uniform_is_evenly_spaced(sizes):
    n_from, n_to = sizes
    got = uniform(n_from, n_to).tolist()
    assert len(got) == n_to and got[0] == 0 and got == sorted(set(got)) and got[-1] < n_from
    if n_from % n_to == 0:
        assert got == list(range(0, n_from, n_from // n_to))
    else:
        assert got[-1] == n_from - 1
        assert all(abs(g - Fraction(i * (n_from - 1), n_to - 1)) <= Fraction(1, 2) for i, g in enumerate(got))


def test_the_usual_widths_do_not_depend_on_float32():
    widths = (192, 320, 384, 512, 576, 768, 960, 1152, 1536, 3072)
    for big in widths:
        for small in widths:
            if small < big and big % small:
                assert uniform(big, small).tolist() == [round(Fraction(i * (big - 1), small - 1)) for i in range(small)]


def test_flat_heads_mix_the_even_rows_of_two_heads():
    """384 -> 192: each head of 64 of the target takes the even rows of two of the ancestor's heads, in q, k and v."""
    spec = SPEC.replace(embed_dim=384, num_heads=6, depth=1, mlp_ratio=0.25)
    rows = chosen(spec, spec.replace(embed_dim=192, num_heads=3))["blocks.0.attn.qkv.weight"][0]
    for part in range(3):
        head0 = rows[part * 192 : part * 192 + 64]
        assert head0 == list(range(part * 384, part * 384 + 128, 2))


def test_the_learngene_is_all_but_the_head():
    ancestor = perturbed(SPEC.replace(depth=12, class_token=True), seed=1)
    learngene = methods.get("weight_selection").condense(ancestor, None)
    assert set(ancestor.state_dict()) - set(learngene.tensors) == {"head.weight", "head.bias"}
    assert len(learngene.tensors) == 150
    assert learngene.stored_params == sum(p.numel() for n, p in ancestor.named_parameters() if "head" not in n)
    with_head = methods.get("weight_selection", head="transfer").condense(ancestor, None)
    assert with_head.stored_params == learngene.stored_params
    assert with_head.stored_params_head == 5 * 32 + 5


def test_the_head_is_selected_on_its_inputs():
    lab, target = TinyLab(), SPEC.replace(embed_dim=16)
    ancestor = perturbed(SPEC, seed=1)
    got = selected(ancestor, target, lab=lab, head="transfer")
    assert got["head.weight"].equal(ancestor.head.weight[:, ::2])
    assert got["head.bias"].equal(ancestor.head.bias)
    without_lab = selected(ancestor, target, head="transfer")
    assert without_lab["head.weight"].equal(state(perturbed(target, seed=5))["head.weight"])


def test_random_choices_come_from_the_lab():
    ancestor = coded(BIG)
    draws = [selected(ancestor, SMALL, rule="random", lab=TinyLab(seed=s)) for s in (0, 0, 1)]
    assert same(draws[0], draws[1]) and not same(draws[0], draws[2])
    assert same(selected(ancestor, SMALL, rule="random"), selected(ancestor, SMALL, rule="random"))


def test_a_class_token_keeps_its_position():
    spec = SPEC.replace(class_token=True, img_size=32)
    tokens = chosen(spec, spec.replace(img_size=8), rule="random")["pos_embed"][1]
    assert len(tokens) == 5 and tokens[0] == 0


def test_layers():
    ancestor = perturbed(SPEC.replace(depth=4), seed=1)
    with torch.no_grad():
        for i, block in enumerate(ancestor.blocks):
            block.norm1.weight.fill_(i)
    for layers, depth, expected in [("first", 3, [0, 1, 2]), ("spaced", 3, [0, 2, 3]), ("spaced", 2, [0, 2])]:
        got = selected(ancestor, SPEC.replace(depth=depth), layers=layers)
        assert [int(got[f"blocks.{i}.norm1.weight"][0]) for i in range(depth)] == expected


def test_the_final_norm_goes_by_either_name():
    token = SPEC.replace(class_token=True, global_pool="token")
    ancestor = perturbed(token, seed=1)
    got = selected(ancestor, token.replace(global_pool="avg"))
    assert got["fc_norm.weight"].equal(ancestor.norm.weight)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"embed_dim": 64}, "embed_dim"),
        ({"depth": 5}, "depth"),
        ({"mlp_ratio": 8.0}, "hidden_dim"),
        ({"img_size": 16}, "tokens"),
        ({"patch_size": 8, "img_size": 16}, "patch_size"),
        ({"in_chans": 3}, "in_chans"),
        ({"class_token": True}, "tokens"),
    ],
)
def test_nothing_grows(changes, reason):
    init, target = methods.get("weight_selection"), SPEC.replace(**changes)
    assert init.supports(SPEC, target).startswith(f"cannot grow {reason}")
    with pytest.raises(ValueError, match=f"cannot grow {reason}"):
        init.initialize(build_vit(target), init.condense(build_vit(SPEC), None), None)


def test_more_heads_of_the_same_width_are_for_flat_only():
    target = SPEC.replace(num_heads=4)
    assert methods.get("weight_selection").supports(SPEC, target) is None
    assert "num_heads" in methods.get("weight_selection", heads="whole").supports(SPEC, target)
    assert "head_dim" in methods.get("weight_selection", heads="whole").supports(SPEC, SPEC.replace(num_heads=1))


def test_a_class_token_cannot_be_dropped():
    assert "class_token" in methods.get("weight_selection").supports(SPEC.replace(class_token=True), SPEC)


def test_an_ancestor_with_other_tensors_is_refused():
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(img_size=8, patch_size=4, embed_dim=32, depth=1, num_heads=2, init_values=1e-5)
    with pytest.raises(ValueError, match=r"blocks\.0\.ls1\.gamma"):
        methods.get("weight_selection").condense(model, None)


@pytest.mark.parametrize("option", ["rule", "heads", "layers", "head"])
def test_a_wrong_choice_is_named(option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*; found 'wrong'"):
        methods.get("weight_selection", **{option: "wrong"})


def test_the_ancestor_is_described_in_the_metadata():
    learngene = methods.get("weight_selection").condense(build_vit(SPEC), TinyLab(classes="abc"))
    assert learngene.meta["classes"] == "abc"
    assert learngene.meta["ancestor"]["num_heads"] == spec_of(build_vit(SPEC)).num_heads == 2
