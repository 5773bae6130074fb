"""Pruning: scores and cuts by plain loops, gradients, and the fit of what is left."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import methods
from methods import pruning as module
from methods.parts import ranking
from methods.testing import check_initializer, same
from tests.methods.lively_models import HEADED, filled, gap, images, lively, logits, model_of, plant, stored_of_deit
from tests.methods.ranking_in_loops import NARROW, SPEC, Images, best, check_equal_size, check_permutations, cut
from tests.methods.tinylab import SPEC as PLAIN
from tests.methods.tinylab import TinyLab


def by_loops(amount):
    """Scores out of the amount of each entry: means over tensors of sums over entries."""
    rows = lambda name, i: float(sum(amount[name][i].flatten().tolist()))  # noqa: E731
    columns = lambda name, j: float(sum(amount[name][:, j].tolist()))  # noqa: E731
    writers = [
        "patch_embed.proj.weight",
        *(f"blocks.{b}.{m}.weight" for b in range(4) for m in ("attn.proj", "mlp.fc2")),
    ]
    readers = ["head.weight", *(f"blocks.{b}.{m}.weight" for b in range(4) for m in ("attn.qkv", "mlp.fc1"))]
    norms = ["norm.weight", *(f"blocks.{b}.{m}.weight" for b in range(4) for m in ("norm1", "norm2"))]
    stream = []
    for c in range(12):
        shares = [rows(n, c) for n in writers] + [columns(n, c) for n in readers] + [float(amount[n][c]) for n in norms]
        stream.append(sum(shares) / len(shares))
    heads = [[0.0] * 3 for _ in range(4)]
    for b in range(4):
        for h in range(3):
            own = range(4 * h, 4 * h + 4)
            q, k, v = (sum(rows(f"blocks.{b}.attn.qkv.weight", 12 * part + a) for a in own) for part in range(3))
            heads[b][h] = (q + k + v + sum(columns(f"blocks.{b}.attn.proj.weight", a) for a in own)) / 4
    hidden = [
        [(rows(f"blocks.{b}.mlp.fc1.weight", u) + columns(f"blocks.{b}.mlp.fc2.weight", u)) / 2 for u in range(24)]
        for b in range(4)
    ]
    return {"stream": stream, "heads": heads, "hidden": hidden}


def taylor(state):
    """|w * gradient|, gradients of the mean loss of 64 and of 64 images added up."""
    model = model_of(state, SPEC)
    x, y = images(SPEC, 128), torch.arange(128) % 5
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for part in (slice(0, 64), slice(64, 128)):
        model.zero_grad()
        F.cross_entropy(model(x[part]), y[part]).backward()
        total = {name: total[name] + p.grad for name, p in model.named_parameters()}
    return total


def check_cut(score):
    state = lively(SPEC)
    slopes = taylor(state)
    amount = {"l1": lambda n, t: t.abs(), "l2": lambda n, t: t * t, "taylor": lambda n, t: (t * slopes[n]).abs()}[score]
    scores = by_loops({name: amount(name, t) for name, t in state.items()})
    got = filled("pruning", state, SPEC, NARROW, Images(), score=score, score_images=128)
    assert same(got, cut(state, scores, NARROW, [0, 2, 3]))


@pytest.mark.parametrize("score", ["l1", "l2", "taylor"])
def test_what_is_cut_out(score):
    check_cut(score)


def check_gradients():
    got, expected = module.gradients(model_of(lively(SPEC), SPEC), Images(), 128), taylor(lively(SPEC))
    assert got.keys() == expected.keys() and all(gap(got[n], expected[n]) < 1e-12 for n in got)


def test_gradients_are_those_of_batches_of_64():
    check_gradients()


@pytest.mark.parametrize("score", ["l2", "taylor", "random"])
def test_in_equal_size_the_function_stays(score):
    check_equal_size("pruning", score=score, score_images=256, compensate="least_squares")


@pytest.mark.parametrize(
    "options",
    [{"score": "l2"}, {"score": "taylor", "score_images": 256}, {"compensate": "least_squares", "images": 40}],
)
def test_the_order_of_the_ancestors_units_does_not_matter(options):
    check_permutations("pruning", **options)


def test_ties_go_to_the_lower_index():
    tied = torch.tensor([1.0, 3.0, 3.0, 0.0, 1.0])
    order = ranking.best_first(ranking.Scores(tied, [tied], [tied]), 4).stream.index.tolist()
    assert order == best(tied.tolist()) == [1, 2, 0, 4, 3]


def test_random_units_come_from_the_lab():
    state = lively(SPEC)
    got = [filled("pruning", state, SPEC, NARROW, Images(seed=s), score="random") for s in (0, 0, 1)]
    assert same(got[0], got[1]) and not same(got[0], got[2])


def check_fit():
    """With all inputs W itself; with fewer the ridge regression of the outputs, by numpy's least squares."""
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(50, 9, generator=draw, dtype=torch.double) @ torch.randn(9, 9, generator=draw, dtype=torch.double)
    weight = torch.randn(4, 9, generator=draw, dtype=torch.double)
    assert gap(module.least_squares(weight, x.T @ x, torch.arange(9)), weight) < 2e-12
    kept = [0, 1, 3, 4, 7]
    ridge = 1e-3 * float((x.T @ x).diagonal().mean())
    rows = np.vstack([x.numpy(), np.sqrt(ridge) * np.eye(9)])
    expected = np.linalg.lstsq(rows[:, kept], rows @ weight.numpy().T, rcond=None)[0].T
    got = module.least_squares(weight, x.T @ x, torch.tensor(kept))
    assert gap(got, torch.tensor(expected)) < 1e-9
    assert module.least_squares(weight.float(), x.T @ x, torch.tensor(kept)).dtype == torch.float32


def test_the_fit():
    check_fit()


def check_compensated():
    """Only proj and fc2 change, by the fit on the inputs that hooks see, and outputs come nearer."""
    state, target = lively(SPEC), NARROW.replace(embed_dim=12, num_heads=3, mlp_ratio=1.25)
    plain = filled("pruning", state, SPEC, target, Images())
    got = filled("pruning", state, SPEC, target, Images(), compensate="least_squares", images=60)
    assert {n for n in got if not got[n].equal(plain[n])} == {f"blocks.{i}.mlp.fc2.weight" for i in range(3)}
    seen = {}
    model = model_of(state, SPEC)
    for i, block in enumerate(model.blocks):
        block.mlp.fc2.register_forward_pre_hook(lambda _, args, i=i: seen.__setitem__(i, args[0].flatten(0, 1)))
    with torch.no_grad():
        model(images(SPEC, 60))
    for i, source in enumerate([0, 2, 3]):
        order = best(by_loops({n: t * t for n, t in state.items()})["hidden"][source])
        channels = best(by_loops({n: t * t for n, t in state.items()})["stream"])
        x, weight = seen[source][:, order], state[f"blocks.{source}.mlp.fc2.weight"][channels][:, order]
        expected = module.least_squares(weight, x.T @ x, torch.arange(15))
        assert gap(got[f"blocks.{i}.mlp.fc2.weight"], expected) < 1e-9
        errors = [(x @ weight.T - x[:, :15] @ w[f"blocks.{i}.mlp.fc2.weight"].T).square().sum() for w in (got, plain)]
        assert errors[0] < 0.8 * errors[1]
    both = filled("pruning", state, SPEC, NARROW, Images(), compensate="least_squares", images=60)
    assert gap(both["blocks.0.mlp.fc2.weight"], got["blocks.0.mlp.fc2.weight"][:8]) < 1e-12
    assert both["blocks.1.attn.proj.weight"].shape == (8, 8)


def test_compensation():
    check_compensated()


@pytest.mark.parametrize(
    ("planted", "right", "wrong"),
    [
        (ranking, "descending=True", "descending=False"),
        (ranking, "stream.append(sums)", "stream.append(sums) if block is not None else None"),
        (ranking, 'if not name.endswith(".weight"):', "if False:"),
        (ranking, "order(h), within, within, order(u)", "order(h), within, within, order(scores.hidden[0])"),
        (ranking, "spec.num_heads, spec.head_dim).sum(2)", "spec.head_dim, spec.num_heads).sum(1)"),
        (module, '2 if self.score == "l2" else 1', '1 if self.score == "l2" else 2'),
        (module, "(t * slopes[name].to(t)).abs()", "slopes[name].abs()"),
        (module, "/ BATCH).backward()", ").backward()"),
        (module, "moment = moment + 1e-3", "moment = moment + 1e-1"),
        (
            module,
            "wanted = weight.to(moment) @ moment[:, kept]",
            "wanted = weight.to(moment)[:, kept] @ moment[kept][:, kept]",
        ),
        (module, "moments.get(module, 0) + x.T @ x", "x.T @ x"),
    ],
)
def test_a_mistake_is_seen(planted, right, wrong, monkeypatch):
    plant(monkeypatch, planted, right, wrong)
    if planted is ranking:
        for name in ("amounts", "Ranked", "best_first"):
            monkeypatch.setattr(module, name, getattr(ranking, name), raising=False)
        monkeypatch.setattr(module.Ranked, "stored", ranking.Ranked.stored)
        monkeypatch.setattr(module.Pruning, "stored", ranking.Ranked.stored)
    with pytest.raises(AssertionError):
        check_cut("l2")
        check_cut("taylor")
        check_gradients()
        check_fit()
        check_compensated()


def test_sizes_and_options():
    init = methods.get("pruning")
    assert "cannot grow embed_dim" in init.supports(HEADED, HEADED.replace(embed_dim=16, num_heads=4))
    assert "cannot change head_dim" in init.supports(HEADED, HEADED.replace(embed_dim=6))
    assert "llama_pro" not in str(init.supports(HEADED, HEADED.replace(depth=2)))
    with pytest.raises(ValueError, match="images must be at least 1"):
        methods.get("pruning", images=0)
    for options in ({"score": "taylor"}, {"compensate": "least_squares"}):
        with pytest.raises(ValueError, match="needs a lab"):
            init = methods.get("pruning", **options)
            init.initialize(model_of(lively(NARROW), NARROW), init.condense(model_of(lively(SPEC), SPEC), None), None)


@pytest.mark.parametrize(
    "options",
    [
        {"score": "l1", "head": "fresh"},
        {"score": "taylor", "score_images": 20},
        {"score": "random", "layers": "shuffled"},
        {"compensate": "least_squares", "images": 20},
        {"compensate": "least_squares", "images": 20, "head": "fresh"},
    ],
)
def test_the_contract_with_other_options(options):
    target = PLAIN.replace(embed_dim=16, num_heads=1, depth=2, mlp_ratio=3.0)
    check_initializer(methods.get("pruning", **options), PLAIN, target, TinyLab)


def test_the_logits_are_those_of_a_smaller_net():
    assert logits(filled("pruning", lively(SPEC), SPEC, NARROW, Images()), NARROW).isfinite().all()


def test_what_is_stored_is_the_ancestor():
    assert stored_of_deit("pruning", score="random") == [5_524_032, 21_664_896, 85_797_120]
