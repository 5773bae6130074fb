"""Merging: each rule against loops over numbers, copies, matching of re-ordered networks, and what follows."""

import itertools
import math

import numpy as np
import pytest
import torch

import methods
from methods.parts import matching, merge
from methods.testing import check_initializer, perturbed, same, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

HOWS = ("soup", "greedy", "stock", "breadcrumbs", "emr", "regmean", "match")
DEEP = SPEC.replace(depth=3)


def nets(n, spec=SPEC):
    return [perturbed(spec, seed).double() for seed in range(1, n + 1)]


class DoubleLab(TinyLab):
    def _images(self, n, name):
        images, labels = super()._images(n, name)
        return images.double(), labels


def numbers(n, shape=(4, 10), seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(n)]


def everywhere(tensors, rule):
    """A rule of the numbers at one place (a list, the base first), at each place."""
    flat = [t.flatten().tolist() for t in tensors]
    return torch.tensor([rule(list(place)) for place in zip(*flat, strict=True)], dtype=torch.float64).view_as(
        tensors[0]
    )


def stock_plainly(tensors):
    base, *others = (t.flatten().tolist() for t in tensors)
    learned = [[x - b for x, b in zip(other, base, strict=True)] for other in others]

    def dot(u, v):
        return sum(x * y for x, y in zip(u, v, strict=True))

    pairs = list(itertools.combinations(learned, 2))
    cosine = sum(dot(u, v) / math.sqrt(dot(u, u) * dot(v, v)) for u, v in pairs) / len(pairs)
    n = len(learned)
    t = min(max(n * cosine / (1 + (n - 1) * cosine), 0), 1)
    mean = [sum(place) / n for place in zip(*others, strict=True)]
    return torch.tensor([t * m + (1 - t) * b for m, b in zip(mean, base, strict=True)], dtype=torch.float64).view_as(
        tensors[0]
    )


def breadcrumbs_plainly(tensors):
    """Row by row: of ten numbers the largest is left out, the next two are kept."""
    result = tensors[0].clone()
    for other in tensors[1:]:
        for row in range(len(result)):
            learned = [float(x) for x in other[row] - tensors[0][row]]
            ranked = sorted(range(len(learned)), key=lambda i: -abs(learned[i]))
            for i in ranked[len(learned) // 10 : len(learned) // 10 + len(learned) // 5]:
                result[row, i] += 0.4 * learned[i]
    return result


def emr_at(place):
    learned = [x - place[0] for x in place[1:]]
    sign = 1 if sum(learned) > 0 else -1
    return place[0] + sign * max(abs(x) for x in learned if x * sign > 0)


def alike(base, n, spread=0.3):
    """Differences from the base that have much in common."""
    shared = numbers(1, seed=9)[0]
    return [base, *(base + shared + spread * x for x in numbers(n, seed=5))]


RULES = {
    "soup": (lambda ts: merge.soup(ts), lambda ts: everywhere(ts, lambda place: sum(place) / len(place))),
    "weights": (
        lambda ts: merge.soup(ts, [0.2, 0.5, 0.3]),
        lambda ts: everywhere(ts, lambda p: 0.2 * p[0] + 0.5 * p[1] + 0.3 * p[2]),
    ),
    "stock": (lambda ts: merge.stock(ts), stock_plainly),
    "breadcrumbs": (lambda ts: merge.breadcrumbs(ts, 0.4, 0.1, 0.2), breadcrumbs_plainly),
    "emr": (lambda ts: merge.emr(ts), lambda ts: everywhere(ts, emr_at)),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_by_loops(rule):
    ours, plainly = RULES[rule]
    for tensors in (numbers(3), alike(numbers(1)[0], 2)):
        assert torch.allclose(ours(tensors), plainly(tensors), atol=1e-12, rtol=0)
        assert not torch.allclose(ours(tensors), tensors[0])


MISTAKES = {
    "soup": lambda ts, weights=None: sum(ts[1:]) / len(ts[1:]),  # without the base
    "stock": lambda ts: (sum(ts[1:]) / 2 + ts[0]) / 2,  # t of 1/2 whatever the angle
    "breadcrumbs": lambda ts, *_: ts[0] + 0.4 * sum(t - ts[0] for t in ts[1:]),  # nothing masked
    "emr": lambda ts: ts[0] + sum(t - ts[0] for t in ts[1:]),  # all differences added
}


@pytest.mark.parametrize("rule", MISTAKES)
def test_a_mistake_in_a_rule_is_seen(rule, monkeypatch):
    monkeypatch.setattr(merge, rule, MISTAKES[rule])
    with pytest.raises(AssertionError):
        test_a_rule_by_loops(rule)


def test_stock_in_the_limits():
    """Parallel differences: their mean. Orthogonal or opposed ones: the base. Two ancestors: their mean."""
    base, x, y = numbers(3)
    assert torch.allclose(merge.stock([base, base + x, base + 3 * x]), base + 2 * x)
    assert torch.allclose(merge.stock([base, base + x, base - x]), base)
    assert torch.allclose(merge.stock([base, base + y]), base + y / 2)
    assert merge.stock([base, base, base + x]).equal(base)  # an angle with nothing is a right one


def merged(models, lab=None, **options):
    """The state dict that weight selection finds at an equal size, head included."""
    init = methods.get("merge", **options)
    lab = lab or TinyLab(teacher=models[0])
    return init.condense(models, lab).tensors


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_copies_of_a_network_give_that_network(how, n):
    for dtype in (torch.float32, torch.float64):
        models = [perturbed(SPEC, seed=1).to(dtype) for _ in range(n)]
        lab = TinyLab() if dtype == torch.float32 else DoubleLab()
        assert same(merged(models, lab, how=how, images=64), state(models[0])), how


def test_the_ancestors_stay_as_they_are():
    models = nets(3)
    before = [state(model) for model in models]
    for how in ("stock", "match", "emr"):
        merged(models, how=how)
    assert all(same(state(model), was) for model, was in zip(models, before, strict=True))


@pytest.mark.parametrize("how", ["soup", "stock", "breadcrumbs", "emr"])
def test_every_tensor_is_merged_by_the_rule(how):
    models = nets(3)
    got, rule = merged(models, how=how), RULES[how][0]
    for name in state(models[0]):
        assert got[name].equal(rule([model.state_dict()[name] for model in models])), name


def test_heads_of_other_classes_stay_the_first_ones():
    one, two = perturbed(SPEC, seed=1), perturbed(SPEC.replace(num_classes=7), seed=2)
    for how in ("soup", "regmean", "match"):
        got = merged([one, two], how=how, images=16)
        assert got["head.weight"].equal(one.head.weight) and not got["pos_embed"].equal(one.pos_embed)
    with pytest.raises(ValueError, match="need the same classes"):
        merged([one, two], how="greedy")


# --- greedy ---------------------------------------------------------------------------------------------------------


def test_the_greedy_soup():
    """The best first; an addition stays only if the accuracy rises."""
    values = {1.0: 60, 2.0: 80, 4.0: 70, 8.0: 80}  # alone: the order is 2, 8, 4, 1
    means = {5.0: 80, 3.0: 90, 7 / 3: 89}  # (2, 8) no gain; (2, 4) better; (2, 4, 1) worse
    looks = []

    def accuracy(state):
        looks.append(round(float(state["w"]), 9))
        return (values | {round(k, 9): v for k, v in means.items()})[looks[-1]]

    states = [{"w": torch.tensor([x]).double()} for x in values]
    assert merge.greedy(states, accuracy)["w"].item() == 3.0
    assert looks == [1, 2, 4, 8, 5, 3, round(7 / 3, 9)]


def test_greedy_by_accuracy_on_the_validation_part():
    models = nets(2)
    scores = iter([10.0, 50.0, 60.0])
    lab = TinyLab()
    lab.accuracy = lambda module: next(scores)
    assert torch.allclose(merged(models, lab, how="greedy")["pos_embed"], sum(m.pos_embed for m in models) / 2)
    scores = iter([10.0, 50.0, 50.0])
    assert same(merged(models, lab, how="greedy"), state(models[1]))


# --- regmean --------------------------------------------------------------------------------------------------------


def inputs_by_hand(model, images):
    """Inputs of three layers, computed step by step."""
    with torch.no_grad():
        x = model.patch_embed(images) + model.pos_embed
        first = model.blocks[0].norm1(x)
        for block in model.blocks[:-1]:
            x = block(x)
        last = model.blocks[-1]
        x = x + last.attn(last.norm1(x))
        fc2 = last.mlp.act(last.mlp.fc1(last.norm2(x)))
    return {"blocks.0.attn.qkv": first.flatten(0, 1), f"blocks.{len(model.blocks) - 1}.mlp.fc2": fc2.flatten(0, 1)}


def images_of(lab, dtype, n):
    return torch.cat(list(lab.batches(n, name="regmean"))).to(dtype)


def regmean_error(a):
    models, lab = nets(2), DoubleLab()
    got, images = merged(models, lab, how="regmean", images=48, a=a), images_of(lab, torch.float64, 48)
    inputs = [inputs_by_hand(model, images) for model in models]
    worst = 0.0
    for layer in inputs[0]:
        grams = [(x[layer].numpy().T @ x[layer].numpy()) / len(x[layer]) for x in inputs]
        for g in grams:
            for i, j in itertools.permutations(range(len(g)), 2):
                g[i, j] *= a
        weights = [model.state_dict()[f"{layer}.weight"].numpy() for model in models]
        right = sum(g @ w.T for g, w in zip(grams, weights, strict=True))
        expected = (np.linalg.pinv(sum(grams)) @ right).T
        worst = max(worst, float(np.abs(got[f"{layer}.weight"].numpy() - expected).max()))
    bias = sum(model.blocks[1].attn.qkv.bias.detach() for model in models) / 2
    return max(worst, float((got["blocks.1.attn.qkv.bias"] - bias).abs().max()))


@pytest.mark.parametrize("a", [0.9, 0.3])
def test_regression_means(a):
    assert regmean_error(a) < 1e-9


def test_with_all_of_the_moments_it_is_the_least_squares_fit():
    """a = 1: no other weight is nearer to both layers on their own inputs."""
    models, lab = nets(2), DoubleLab()
    got, images = merged(models, lab, how="regmean", images=48, a=1.0), images_of(lab, torch.float64, 48)
    layer = "blocks.0.attn.qkv"
    x = [inputs_by_hand(model, images)[layer] for model in models]
    y = [a @ model.state_dict()[f"{layer}.weight"].T for a, model in zip(x, models, strict=True)]
    fit = np.linalg.lstsq(torch.cat(x).numpy(), torch.cat(y).numpy(), rcond=None)[0]
    assert np.abs(got[f"{layer}.weight"].numpy() - fit.T).max() < 1e-7


@pytest.mark.parametrize("mistake", ["moments", "mean"])
def test_a_mistake_in_regression_means_is_seen(mistake, monkeypatch):
    right = merge.SecondMoments.means
    wrong = {
        "moments": lambda self: {n: torch.eye(len(g)).double() for n, g in right(self).items()},
        "mean": lambda self: {n: g for n, g in right(self).items() if "fc2" not in n},
    }[mistake]
    monkeypatch.setattr(merge.SecondMoments, "means", wrong)
    assert regmean_error(0.9) > 1e-4


# --- matching -------------------------------------------------------------------------------------------------------


def reordered(model, seed, spec=SPEC):
    """A network whose units are in another order, and that computes the same: each role written out."""
    g = torch.Generator().manual_seed(seed)
    d, h, c = spec.embed_dim, spec.num_heads, spec.head_dim
    old, new = state(model), state(model)
    s = torch.randperm(d, generator=g)
    for name in ("patch_embed.proj.weight", "patch_embed.proj.bias", "fc_norm.weight", "fc_norm.bias"):
        new[name] = old[name][s]
    new["pos_embed"], new["head.weight"] = old["pos_embed"][:, :, s], old["head.weight"][:, s]
    for i in range(spec.depth):
        b, u = f"blocks.{i}.", torch.randperm(spec.hidden_dim, generator=g)
        heads = torch.randperm(h, generator=g).tolist()
        qk = torch.cat([j * c + torch.randperm(c, generator=g) for j in heads])
        v = torch.cat([j * c + torch.randperm(c, generator=g) for j in heads])
        rows = torch.cat([qk, d + qk, 2 * d + v])
        for norm in ("norm1", "norm2"):
            new[f"{b}{norm}.weight"], new[f"{b}{norm}.bias"] = old[f"{b}{norm}.weight"][s], old[f"{b}{norm}.bias"][s]
        new[f"{b}attn.qkv.weight"] = old[f"{b}attn.qkv.weight"][rows][:, s]
        new[f"{b}attn.qkv.bias"] = old[f"{b}attn.qkv.bias"][rows]
        new[f"{b}attn.proj.weight"] = old[f"{b}attn.proj.weight"][s][:, v]
        new[f"{b}attn.proj.bias"] = old[f"{b}attn.proj.bias"][s]
        new[f"{b}mlp.fc1.weight"], new[f"{b}mlp.fc1.bias"] = (
            old[f"{b}mlp.fc1.weight"][u][:, s],
            old[f"{b}mlp.fc1.bias"][u],
        )
        new[f"{b}mlp.fc2.weight"] = old[f"{b}mlp.fc2.weight"][s][:, u]
        new[f"{b}mlp.fc2.bias"] = old[f"{b}mlp.fc2.bias"][s]
    other = build_vit(spec).to(next(model.parameters()).dtype)
    other.load_state_dict(new)
    return other


def found_again(spec=DEEP, seeds=(3, 4)):
    model = perturbed(spec, seed=1)
    others = [reordered(model, seed, spec) for seed in seeds]
    return model, others, merged([model, *others], how="match")


def test_a_network_and_its_reordered_selves_give_it():
    model, others, got = found_again()
    images = torch.randn(4, 1, 8, 8)
    for other in others:
        assert torch.allclose(other.eval()(images), model.eval()(images), atol=1e-5)
        assert not torch.allclose(other.pos_embed, model.pos_embed)
    assert same(got, state(model))


@pytest.mark.parametrize("mistake", ["heads", "units", "channels", "stream"])
def test_a_mistake_in_matching_is_seen(mistake, monkeypatch):
    if mistake == "heads":
        monkeypatch.setattr(matching, "match_heads", lambda *_: False)
    elif mistake == "units":
        monkeypatch.setattr(matching, "UNITS", {"mlp.fc1.weight": 0, "mlp.fc1.bias": 0})  # fc2 stays
    elif mistake == "channels":  # of heads only the order is found
        right = matching.best
        monkeypatch.setattr(
            matching, "best", lambda t: (torch.arange(16), float(t.trace())) if len(t) == 16 else right(t)
        )
    else:
        right = matching.roles
        monkeypatch.setattr(matching, "roles", lambda name: ("",) if "norm1" in name else right(name))
    model, _, got = found_again()
    assert not same(got, state(model))


def test_matching_keeps_the_function():
    one, two = nets(2)
    other = build_vit(SPEC).double()
    other.load_state_dict(matching.matched(state(one), state(two), SPEC.num_heads, torch.Generator().manual_seed(0)))
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    assert torch.allclose(other.eval()(images), two.eval()(images), atol=1e-9, rtol=0)
    assert not other.pos_embed.equal(two.pos_embed)


def alikeness(a, b, names):
    return sum(float((a[name] * b[name]).sum()) for name in names)


def test_no_other_order_of_units_or_heads_is_better():
    """By all orders of the four units and of the heads and channels of a net of one block."""
    spec = SPEC.replace(embed_dim=4, num_heads=2, depth=1, mlp_ratio=1.0)
    a, b = (state(perturbed(spec, seed).double()) for seed in (1, 2))
    names = [f"blocks.0.mlp.{name}" for name in ("fc1.weight", "fc1.bias", "fc2.weight")]

    def with_units(order):
        moved = dict(b)
        moved[names[0]], moved[names[1]] = b[names[0]][list(order)], b[names[1]][list(order)]
        return moved | {names[2]: b[names[2]][:, list(order)]}

    best = max(alikeness(a, with_units(order), names) for order in itertools.permutations(range(4)))
    moved = dict(b)
    matching.match_axes(a, moved, {names[0]: 0, names[1]: 0, names[2]: 1})
    assert alikeness(a, moved, names) == pytest.approx(best, abs=1e-12)

    names = [f"blocks.0.attn.{name}" for name in ("qkv.weight", "qkv.bias", "proj.weight")]
    values = []
    for heads in itertools.permutations(range(2)):
        for swaps in itertools.product([0, 1], repeat=4):  # of q and k, and of v, in either head
            qk = [2 * j + (i ^ swaps[j]) for j in heads for i in (0, 1)]
            v = [2 * j + (i ^ swaps[2 + j]) for j in heads for i in (0, 1)]
            rows = qk + [4 + i for i in qk] + [8 + i for i in v]
            moved = {names[0]: b[names[0]][rows], names[1]: b[names[1]][rows], names[2]: b[names[2]][:, v]}
            values.append(alikeness(a, moved, names))
    moved = dict(b)
    matching.match_heads(a, moved, "blocks.0.attn", 2)
    assert len(values) == 32 and alikeness(a, moved, names) == pytest.approx(max(values), abs=1e-12)


# --- what follows, and what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOWS)
def test_the_contract(how):
    target = SPEC.replace(depth=2, embed_dim=16, num_heads=1)
    check_initializer(methods.get("merge", how=how, images=32), SPEC, target, TinyLab)


@pytest.mark.parametrize(
    ("then", "target"),
    [
        ({"use": "front"}, SPEC.replace(depth=6)),
        ({"use": "sws", "stages": 2}, SPEC.replace(depth=3)),
        ({"use": "weight_selection", "layers": "spaced"}, SPEC.replace(depth=2)),
    ],
)
def test_the_contract_with_what_follows(then, target):
    check_initializer(methods.get("merge", then=then), SPEC, target, TinyLab)


def test_it_serves_stores_and_needs_what_follows():
    spec = SPEC.replace(depth=4)
    plain, front, sws = (methods.get("merge", then=then) for then in ("weight_selection", "front", "sws"))
    assert (plain.trains, sws.trains, sws.trains_start) == (False, True, False) and not type(sws).trains
    assert "cannot grow depth" in plain.supports(spec, spec.replace(depth=5))
    assert front.supports(spec, spec.replace(depth=5)) is None
    assert front.resolve(spec, [spec.replace(depth=2)]).then["box"]["depth"] == 2
    assert sws.family(spec) == spec.num_heads
    with pytest.raises(ValueError, match="stages 5 is more than"):
        sws.check(spec, spec)
    models = nets(2)
    assert plain.condense(models, None).stored_params == methods.get("bot").condense(models[0], None).stored_params
    assert not methods.get("merge", head="fresh").condense(models, None).stored_params_head


def test_its_version_rises_with_that_of_what_follows(monkeypatch):
    before = methods.get("merge").version
    monkeypatch.setattr(methods.method_class("weight_selection"), "version", 7)
    assert methods.get("merge").version == before + 6


def test_its_version_for_a_target_is_that_of_what_follows():
    merge = methods.get("merge", then={"use": "sws", "stages": 3})
    merge, sizes = merge.resolve(SPEC.replace(depth=4), [SPEC]), [SPEC.replace(depth=d) for d in (4, 5)]
    assert [merge.version_of(target) for target in (None, *sizes)] == [1, 2, 1]
    assert (merge.shares_tensors, methods.get("merge").shares_tensors) == (True, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "mean"}, "how must be one of soup, greedy"),
        ({"how": "emr", "weights": [1.0]}, "weights are for how: soup, found how: emr"),
        ({"weights": [0.5, 0.6]}, "weights must add up to 1, found"),
        ({"drop": 0.9}, "drop and keep are shares of a row"),
        ({"images": 0}, "images must be at least 1"),
        ({"a": 2.0}, "a must be between 0 and 1"),
        ({"then": "sws2"}, "then: unknown method 'sws2'; did you mean 'sws'"),
        ({"then": {"use": "sws", "stagse": 2}}, "then: sws has no option 'stagse'; did you mean 'stages'"),
        ({"then": {"stages": 2}}, "then needs the key 'use'"),
        ({"then": {"use": "sws", "head": "fresh"}}, "head and train stand beside it"),
        ({"then": "random"}, "then: random does not start from one ancestor"),
        ({"then": "merge"}, "then: merge does not start from one ancestor"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        methods.get("merge", **options)


def test_ancestors_of_unequal_sizes_are_refused():
    one, two = nets(1)[0], perturbed(SPEC.replace(depth=3), seed=2)
    with pytest.raises(ValueError, match="merge needs ancestors of one size, found .*depth=3"):
        methods.get("merge").condense([one, two], None)
    with pytest.raises(ValueError, match="found none"):
        methods.get("merge").condense([], None)
    with pytest.raises(ValueError, match="weights has 3 entries for 2 ancestors"):
        methods.get("merge", weights=[0.5, 0.25, 0.25]).condense(nets(2), None)
    with pytest.raises(ValueError, match="looks at images with how: regmean"):
        methods.get("merge", how="regmean").condense(nets(2), None)
