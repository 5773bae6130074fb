"""bert2BERT and Net2Net: entries by plain loops over the maps, what stays exact, and what does not."""

import pytest
import torch

import methods
from methods import bert2bert as module
from methods.testing import check_initializer, same
from tests.methods.lively_models import HEADED, filled, gap, lively, logits, model_of, plant, stored_of_deit
from tests.methods.tinylab import SPEC, TinyLab

TOKEN = HEADED.replace(class_token=True, global_pool="token")
WIDE = TOKEN.replace(embed_dim=20, num_heads=5, mlp_ratio=2.0)  # 12 -> 20 channels, 3 -> 5 heads, 24 -> 40 units


def lists(spec, target, lab):
    """The maps as lists: stream, and for each block heads and units; old ones first."""
    maps = module.random_copies(spec, target, lab.generator("bert2bert"))
    blocks = [(block.heads.index.tolist(), block.hidden.index.tolist()) for block in maps.blocks]
    assert maps.stream.index[: spec.embed_dim].tolist() == list(range(spec.embed_dim))
    for heads, hidden in blocks:
        assert heads[: spec.num_heads] == list(range(spec.num_heads))
        assert hidden[: spec.hidden_dim] == list(range(spec.hidden_dim))
    return maps.stream.index.tolist(), blocks


def by_loops(state, spec, target, lab, rule):
    """Every entry; added heads and units come from block l + 1 under aki."""
    stream, blocks = lists(spec, target, lab)
    d, c, u, last = spec.embed_dim, spec.head_dim, spec.hidden_dim, spec.depth - 1
    result = {}
    for name, tensor in state.items():
        parts, old = name.split("."), tensor.tolist()
        if parts[0] != "blocks":
            if name == "head.weight":
                new = [[row[x] / stream.count(x) for x in stream] for row in old]
            elif name in ("pos_embed", "cls_token"):
                new = [[[token[x] for x in stream] for token in old[0]]]
            else:
                new = old if name == "head.bias" else [old[x] for x in stream]
        else:
            key, number = ".".join(parts[2:]), int(parts[1])
            following = min(number + 1, last) if rule == "aki" else number
            later = state[f"blocks.{following}.{key}"].tolist()
            heads, hidden = blocks[number]
            channels = [h * c + k for h in heads for k in range(c)]
            per_head = [heads.count(h) for h in heads for _ in range(c)]
            if "qkv" in key:
                rows = [(later if i >= d else old)[part * d + a] for part in range(3) for i, a in enumerate(channels)]
                new = [[row[x] / stream.count(x) for x in stream] for row in rows] if "weight" in key else rows
            elif "fc1" in key:
                rows = [(later if i >= u else old)[a] for i, a in enumerate(hidden)]
                new = [[row[x] / stream.count(x) for x in stream] for row in rows] if "weight" in key else rows
            elif key == "attn.proj.weight":
                new = [
                    [
                        (later if j >= d else old)[x][a] / n
                        for j, (a, n) in enumerate(zip(channels, per_head, strict=True))
                    ]
                    for x in stream
                ]
            elif key == "mlp.fc2.weight":
                new = [
                    [(later if j >= u else old)[x][a] / hidden.count(a) for j, a in enumerate(hidden)] for x in stream
                ]
            else:
                new = [old[x] for x in stream]
        result[name] = torch.tensor(new, dtype=torch.double)
    return result


def check_entries(rule, name="bert2bert"):
    state, lab = lively(TOKEN), TinyLab(seed=4)
    got = filled(name, state, TOKEN, WIDE, lab, rule=rule)
    expected = by_loops(state, TOKEN, WIDE, lab, rule)
    assert {n for n in got if gap(got[n], expected[n]) > 1e-15} == set()


@pytest.mark.parametrize("rule", ["fpi", "aki"])
def test_every_entry(rule):
    check_entries(rule)


def check_modules():
    """On a repeated input attention, MLP and head of the wider net give the repeated output."""
    state, lab = lively(TOKEN), TinyLab(seed=4)
    stream = lists(TOKEN, WIDE, lab)[0]
    small, large = model_of(state, TOKEN), model_of(filled("bert2bert", state, TOKEN, WIDE, lab, rule="fpi"), WIDE)
    x = torch.randn(2, 5, 12, dtype=torch.double)
    with torch.no_grad():
        for old, new in zip(small.blocks, large.blocks, strict=True):
            assert gap(new.attn(x[..., stream]), old.attn(x)[..., stream]) < 1e-12
            assert gap(new.mlp(x[..., stream]), old.mlp(x)[..., stream]) < 1e-12
        assert gap(large.head(x[..., stream]), small.head(x)) < 1e-12


def test_modules_are_exact_on_a_repeated_input():
    check_modules()


def check_hidden(name, **options):
    """Where only hidden units are added, and blocks that add nothing, the function stays."""
    state, target = lively(HEADED), HEADED.replace(mlp_ratio=3.25, depth=6 if name == "net2net" else 4)
    got = filled(name, state, HEADED, target, **options)
    assert gap(logits(got, target), logits(state, HEADED)) < 1e-9
    single = {n: t.float() for n, t in state.items()}
    assert gap(logits(filled(name, single, HEADED, target, **options), target), logits(single, HEADED)) < 1e-4


def test_more_hidden_units_keep_the_function():
    check_hidden("bert2bert", rule="fpi")
    check_hidden("net2net")


@pytest.mark.parametrize(
    ("name", "options"), [("bert2bert", {}), ("bert2bert", {"rule": "fpi"}), ("net2net", {"noise": 1.0})]
)
def test_in_equal_size_all_is_bit_equal(name, options):
    assert same(filled(name, lively(TOKEN), TOKEN, TOKEN, **options), lively(TOKEN))


def test_the_width_comes_before_the_depth():
    state, target = lively(TOKEN), WIDE.replace(depth=10)
    wide = filled("bert2bert", state, TOKEN, WIDE)
    deep = filled("bert2bert", state, TOKEN, target)
    for i, source in enumerate([0, 1, 2, 3, 0, 1, 2, 3, 2, 3]):
        assert deep[f"blocks.{i}.mlp.fc1.weight"].equal(wide[f"blocks.{source}.mlp.fc1.weight"])


def check_net2net():
    """Without noise it is fpi; with noise only the copies' rows change, by that part of the tensor's deviation."""
    state = lively(TOKEN)
    plain = filled("net2net", state, TOKEN, WIDE)
    assert same(plain, filled("bert2bert", state, TOKEN, WIDE, rule="fpi"))
    noisy = filled("net2net", state, TOKEN, WIDE, noise=0.5)
    changed = {n for n in plain if not plain[n].equal(noisy[n])}
    matrices = {f"blocks.{i}.{key}.weight" for i in range(4) for key in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")}
    assert changed == matrices | {"patch_embed.proj.weight"}
    for name in changed:
        old = 24 if "fc1" in name else 12
        for before, after in zip(*(w[name].chunk(3 if "qkv" in name else 1) for w in (plain, noisy)), strict=True):
            assert before[:old].equal(after[:old])
            ratio = ((after - before)[old:].std() / plain[name].std()).item()
            assert 0.3 < ratio < 0.7
    deeper = filled("net2net", state, TOKEN, WIDE.replace(depth=6))
    assert [i for i in range(6) if not deeper[f"blocks.{i}.mlp.fc2.weight"].any()] == [2, 5]


def test_net2net():
    check_net2net()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("*range(1, ancestor.depth), ancestor.depth - 1", "*range(ancestor.depth)"),
        ("*range(1, ancestor.depth), ancestor.depth - 1", "*range(1, ancestor.depth), 0"),
        (
            "torch.cat([a[: ancestor.embed_dim], b[ancestor.embed_dim :]])",
            "torch.cat([b[: ancestor.embed_dim], a[ancestor.embed_dim :]])",
        ),
        ("qkv, later_qkv = tensor.chunk(3), later.chunk(3)", "qkv, later_qkv = tensor.chunk(1), later.chunk(1)"),
        ("torch.cat([tensor[:, :old], later[:, old:]], 1)", "tensor"),
        ("later[ancestor.hidden_dim :]", "tensor[ancestor.hidden_dim :]"),
    ],
)
def test_a_mistake_in_aki_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_entries("aki")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("return shared(torch.cat([torch.arange(n_from)", "return Map(torch.cat([torch.arange(n_from)"),
        ("torch.randint(n_from, (n_to - n_from,), generator=draw)", "torch.arange(n_to - n_from) * 0"),
        ("tensor.std()", "1.0"),
        (">= old[key]", ">= 0"),
        ("tensor.chunk(3 if", "tensor.chunk(1 if"),
        ('layers: Up = "llama_pro"', 'layers: Up = "g_stack"'),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_modules()
        check_hidden("net2net")
        check_draws()
        check_net2net()


def check_draws():
    """Copies are drawn, apart for every block, from the lab."""
    lab = TinyLab(seed=4)
    _, blocks = lists(TOKEN, WIDE, lab)
    assert len({tuple(hidden) for _, hidden in blocks}) == 4
    assert lists(TOKEN, WIDE, lab) == lists(TOKEN, WIDE, TinyLab(seed=4)) != lists(TOKEN, WIDE, TinyLab(seed=5))


def test_copies_are_drawn_for_every_block():
    check_draws()


def test_sizes_and_options():
    init = methods.get("net2net")
    assert "makes at most 8 blocks of 4: target 9" in init.supports(HEADED, HEADED.replace(depth=9))
    assert methods.get("bert2bert").supports(HEADED, HEADED.replace(depth=9)) is None
    assert "cannot shrink hidden_dim" in init.supports(HEADED, HEADED.replace(mlp_ratio=1.0))
    with pytest.raises(ValueError, match="noise must not be negative"):
        methods.get("net2net", noise=-0.1)
    with pytest.raises(ValueError, match="rule must be one of fpi; found 'aki'"):
        methods.get("net2net", rule="aki")


@pytest.mark.parametrize("options", [{"rule": "fpi", "layers": "interleave"}, {"head": "fresh"}])
def test_the_contract_with_other_options(options):
    target = SPEC.replace(embed_dim=48, num_heads=3, depth=5)
    check_initializer(methods.get("bert2bert", **options), SPEC, target, TinyLab)


def test_the_contract_with_noise():
    check_initializer(methods.get("net2net", noise=0.1), SPEC, SPEC.replace(embed_dim=48, num_heads=3), TinyLab)


def test_what_is_stored_is_the_ancestor():
    assert stored_of_deit("bert2bert") == stored_of_deit("net2net") == [5_524_032, 21_664_896, 85_797_120]
