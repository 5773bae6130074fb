"""The seed: a ViT whose weights are mixed from templates on every forward."""

import pytest
import torch

from methods.parts.mixing import TemplateVit, orthonormal
from methods.parts.weights import fresh_vit
from methods.vit import build_vit
from tests.methods.mixture_seeds import ROLES, condensed, weight
from tests.methods.tinylab import SPEC


def seed_of(spec=SPEC, templates=4, group_size=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    starts = {role: orthonormal(spec.depth, templates, group_size, draw) for role in ROLES}
    return TemplateVit(fresh_vit(spec, draw), starts, group_size, draw)


def test_the_mixed_model_computes_what_its_dense_weights_compute():
    seed, dense = seed_of(), build_vit(SPEC)
    dense.load_state_dict(seed.materialize())
    images = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(seed.eval()(images), dense.eval()(images))


@pytest.mark.parametrize("group_size", [1, 2, 3])
def test_each_matrix_is_the_sum_over_the_templates_of_its_blocks_bank(group_size):
    seed, dense = seed_of(group_size=group_size), build_vit(SPEC)
    dense.load_state_dict(seed.materialize())
    for role in ROLES:
        templates, coefficients = seed.templates[role].detach(), seed.coefficients[role].detach().view(SPEC.depth, 4)
        for block in range(SPEC.depth):
            bank = templates[block // group_size]
            expected = sum(coefficients[block, t] * bank[t] for t in range(4))
            torch.testing.assert_close(weight(dense, block, role), expected)


def test_mixed_weights_start_with_timms_spread():
    spec = SPEC.replace(embed_dim=128, depth=3)
    dense = build_vit(spec)
    dense.load_state_dict(seed_of(spec).materialize())
    for role in ROLES:
        for block in range(3):
            assert weight(dense, block, role).std().item() == pytest.approx(0.02, rel=0.05)


def test_templates_coefficients_and_all_else_train_and_only_matrices_decay():
    seed = seed_of()
    seed(torch.randn(3, 1, 8, 8)).square().sum().backward()
    parameters = dict(seed.named_parameters())
    assert all(p.grad is not None and p.grad.any() for p in parameters.values())
    for role in ROLES:
        assert parameters[f"coefficients.{role}"].ndim == 1
        assert parameters[f"templates.{role}"].ndim == 4
    plain = {name.removeprefix("skeleton.") for name in parameters if name.startswith("skeleton.")}
    matrices = {f"blocks.{i}.{key}.weight" for i in range(4) for key in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")}
    assert plain == set(dict(build_vit(SPEC).named_parameters())) - matrices


def test_training_moves_templates_and_coefficients_and_the_learngene_holds_the_trained_ones():
    _, before, _ = condensed(4, steps=0)
    _, after, lab = condensed(4)
    seed = lab.modules["seed 0"]
    for role in ROLES:
        for kind in ("templates", "coefficients"):
            trained = after.tensors[f"{kind}.{role}"]
            assert not trained.equal(before.tensors[f"{kind}.{role}"])
            assert trained.flatten().equal(getattr(seed, kind)[role].detach().flatten())


def test_the_seed_depends_on_the_labs_seed_alone():
    torch.manual_seed(1)
    one = condensed(4, seed=3)[1].tensors
    torch.manual_seed(2)
    again, other = condensed(4, seed=3)[1].tensors, condensed(4, seed=4)[1].tensors
    assert all(one[name].equal(again[name]) for name in one)
    assert not any(
        one[f"{kind}.{role}"].equal(other[f"{kind}.{role}"]) for kind in ("templates", "coefficients") for role in ROLES
    )
