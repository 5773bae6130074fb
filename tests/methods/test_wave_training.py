"""What wave trains, on what, and what stays frozen."""

import copy

import pytest

import methods
from methods.base import HEAD, Learngene
from methods.parts.templates import MATRICES
from methods.testing import check_initializer, perturbed, same
from methods.vit import VitSpec
from tests.methods.small_waves import Watched, condensed, filled
from tests.methods.tinylab import SPEC, TinyLab

DEEP = SPEC.replace(depth=7)
WIDE = SPEC.replace(embed_dim=48, num_heads=3)


@pytest.mark.parametrize("widths", ["one", "many"])
def test_condensing_distils_into_everything(widths):
    _, learngene, lab = condensed(widths=widths, kl=2.0, ce=0.5, temperature=3.0, train={"lr": 2e-3, "epochs": 7})
    recipe = {"lr": 2e-3, "epochs": 7, "distill": {"kl": 2.0, "ce": 0.5, "temperature": 3.0}}
    fit = lab.fits["aux"]
    assert (fit["recipe"], fit["loss"], fit["fraction"]) == (recipe, "kd", 1.0) and len(lab.fits) == 1
    aux = lab.modules["aux"]
    dead = [name for name, p in aux.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead
    assert lab.changed("aux") == set(dict(aux.named_parameters()))
    assert learngene.tensors["templates.qkv"].equal(aux.templates["qkv"])
    assert learngene.tensors["scalers.fc2"].equal(aux.scalers["fc2"])


@pytest.mark.parametrize("spec", [DEEP, WIDE], ids=["deeper", "wider"])
def test_starting_trains_scalers_norms_and_biases_only(spec):
    wave, learngene, _ = condensed(targets=(spec,), scaler_steps=3, scaler_lr=0.02, scaler_fraction=0.3)
    target, lab = filled(wave, learngene, spec)
    fit, model = lab.fits["scalers"], lab.modules["scalers"]
    assert (fit["loss"], fit["fraction"]) == ("ce", 0.3)
    assert fit["recipe"] == {"steps": 3, "lr": 0.02, "warmup_steps": 0, "compile": False}
    own = {n for n, _ in model.named_parameters() if n.startswith(("scalers.", "skeleton.blocks."))}
    assert lab.changed("scalers") == own
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == (name in own), name
    for name, template in model.templates.items():
        key = "head.templates" if name == "head" else f"templates.{name}"
        assert template.equal(learngene.tensors[key])
    assert same(target.state_dict(), model.materialize())


def test_starting_without_steps_trains_nothing():
    wave, learngene, _ = condensed(scaler_steps=0)
    target, lab = filled(wave, learngene, DEEP)
    assert not lab.fits
    for block in target.blocks:
        assert block.norm1.weight.eq(1).all() and not block.norm2.bias.any() and not block.mlp.fc1.bias.any()
    assert target.pos_embed.equal(learngene.tensors["pos_embed"])
    assert target.fc_norm.weight.equal(learngene.tensors["fc_norm.weight"])
    other = perturbed(DEEP, seed=3)
    wave.initialize(other, learngene, None)
    assert other.blocks[3].mlp.fc1.weight.equal(target.blocks[3].mlp.fc1.weight)


def test_training_needs_a_lab():
    wave, learngene, _ = condensed()
    with pytest.raises(ValueError, match="needs a lab"):
        wave.initialize(perturbed(SPEC, seed=3), learngene, None)
    with pytest.raises(ValueError, match="needs a lab"):
        wave.condense(perturbed(SPEC, seed=3), None)


def test_the_scaler_stage_can_distil():
    wave, learngene, _ = condensed(scaler_kl=0.7, temperature=2.0, train={"epochs": 5, "weight_decay": 0.0})
    _, lab = filled(wave, learngene, DEEP)
    fit = lab.fits["scalers"]
    assert fit["loss"] == "kd" and fit["recipe"]["distill"] == {"kl": 0.7, "ce": 1.0, "temperature": 2.0}
    assert fit["recipe"]["weight_decay"] == 0.0 and fit["recipe"]["steps"] == wave.scaler_steps


def test_the_scaler_stage_has_a_recipe_and_a_number_of_images_of_its_own():
    wave, learngene, lab = condensed(
        train={"lr": 1e-3, "mixup": 0.2, "weight_decay": 0.3}, scaler_train={"mixup": 0.0}, scaler_images=50
    )
    assert lab.fits["aux"]["recipe"]["mixup"] == 0.2 and "at_least" not in lab.fits["aux"]
    _, lab = filled(wave, learngene, DEEP)
    fit = lab.fits["scalers"]
    few = {"steps": 100, "lr": 1e-2, "warmup_steps": 0, "compile": False}
    assert fit["recipe"] == few | {"mixup": 0.0, "weight_decay": 0.3}
    assert (fit["fraction"], fit["at_least"]) == (0.1, 50)


@pytest.mark.parametrize("decay", ["both", "templates"])
def test_what_weight_decay_acts_on(decay):
    """In the network that is distilled, and in the scaler stage, where the templates are still anyway."""
    wave, learngene, lab = condensed(decay=decay, targets=(WIDE,))
    _, start = filled(wave, learngene, WIDE)
    for model in (lab.modules["aux"], start.modules["scalers"]):
        decayed = {f"scalers.{name}" for name in MATRICES} - model.no_weight_decay()
        assert decayed == ({f"scalers.{name}" for name in MATRICES} if decay == "both" else set())
        assert not {f"templates.{name}" for name in MATRICES} & model.no_weight_decay()


@pytest.mark.parametrize("spec", [DEEP, WIDE], ids=["deeper", "wider"])
def test_a_head_that_cannot_transfer_is_trained_beside_the_scalers_and_stays_fresh_in_the_target(spec):
    wave, learngene, _ = condensed(targets=(spec,))
    fresh = perturbed(spec, seed=2)
    target, lab = filled(wave, learngene, spec, classes="others")
    model = lab.modules["scalers"]
    assert {"skeleton.head.weight", "skeleton.head.bias"} <= lab.changed("scalers")
    assert target.head.weight.equal(fresh.head.weight) and target.head.bias.equal(fresh.head.bias)
    dense = {name: t for name, t in model.materialize().items() if name not in HEAD}
    assert same(dense, {name: t for name, t in target.state_dict().items() if name not in HEAD})


def test_random_scalers_are_not_stored():
    wave, learngene, _ = condensed(scalers="random", scaler_steps=0)
    assert not [name for name in learngene.tensors if "scalers" in name]
    target, _ = filled(wave, learngene, DEEP)
    aux, _, _ = condensed(scaler_steps=0)
    assert 0.01 < target.blocks[5].mlp.fc1.weight.std() < 0.04
    with pytest.raises(ValueError, match="holds no scalers"):
        aux.initialize(perturbed(DEEP, seed=3), learngene, None)


def test_weight_decay_spares_what_timm_spares():
    _, _, lab = condensed(widths="many")
    free = lab.modules["aux"].no_weight_decay()
    assert {"templates.norm1_weight", "scalers.qkv_bias", "templates.pos_embed", "scalers.final_bias"} <= free
    assert not {"templates.qkv", "scalers.qkv", "templates.patch", "templates.head"} & free


def test_a_saved_learngene_gives_the_same_target(tmp_path):
    wave, learngene, _ = condensed(targets=(WIDE,))
    learngene.save(tmp_path / "l.safetensors")
    loaded = Learngene.load(tmp_path / "l.safetensors")
    assert same(loaded.tensors, learngene.tensors) and loaded.meta == learngene.meta
    first, again = (filled(wave, x, WIDE)[0].state_dict() for x in (learngene, loaded))
    assert same(first, again)


def test_the_file_says_how_it_was_made():
    """The rule is the learngene's: the initializer that fills a target need not repeat its options."""
    _, learngene, _ = condensed(kron_order="interleave", templates=2, template_size=8)
    other = methods.get("wave", template_size=16, scaler_steps=0)
    same_rule = methods.get("wave", kron_order="interleave", templates=2, template_size=8, scaler_steps=0)
    first, again = (filled(wave, copy.deepcopy(learngene), DEEP)[0].state_dict() for wave in (other, same_rule))
    assert same(first, again)


DIGITS = VitSpec(64, depth=6, num_heads=2, patch_size=2, img_size=8, in_chans=1, num_classes=10)
GLYPHS = VitSpec(64, depth=6, num_heads=4, patch_size=5, img_size=20, in_chans=1, num_classes=44)


@pytest.mark.parametrize("templates", [1, 2, 8])
@pytest.mark.parametrize("spec", [DIGITS, GLYPHS], ids=["digits", "glyphs"])
def test_few_and_many_templates_at_the_sizes_of_the_suites(spec, templates):
    """So that it can be compared at the storage of other methods; deeper, half and twice as wide as the ancestor."""
    options = {"templates": templates, "template_size": 32, "scaler_steps": 1}
    wide = spec.replace(embed_dim=128, num_heads=2 * spec.num_heads)
    for target in (spec.replace(depth=12), wide, spec.replace(embed_dim=32, num_heads=spec.num_heads // 2)):
        wave, learngene, _ = condensed(targets=(target,), ancestor=spec, steps=1, **options)
        matrices = [t for name, t in learngene.tensors.items() if name.partition(".")[2] in MATRICES]
        assert sum(t.numel() for t in matrices) == 4 * templates * 32**2 + 12 * 6 * templates * 2**2
        lab = Watched((target,), teacher=perturbed(spec, seed=1), steps=1)
        model = perturbed(target, seed=2)
        wave.initialize(model, learngene, lab)
        assert model(lab._images(2, "any")[0]).isfinite().all()


@pytest.mark.parametrize(
    "options",
    [
        {"template_size": "full", "templates": 2},
        {"scalers": "random", "scaler_kl": 1.0},
        {"kron_order": "interleave", "templates": {"qkv": 1, "proj": 2, "fc1": 3, "fc2": 4}},
        {"widths": "many", "scaler_steps": 0},
    ],
)
def test_the_contract_with_other_options(options):
    check_initializer(methods.get("wave", **({"template_size": 16} | options)), SPEC, DEEP, TinyLab)


@pytest.mark.parametrize("pool", ["token", "avg"])
@pytest.mark.parametrize("target", [DEEP, WIDE], ids=["deeper", "wider"])
def test_the_contract_with_a_class_token(pool, target):
    token = {"class_token": True, "global_pool": "token"}
    target = target.replace(class_token=True, global_pool=pool)
    check_initializer(methods.get("wave", template_size=16), SPEC.replace(**token), target, TinyLab)
