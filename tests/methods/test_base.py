"""Learngenes on disk, filling a target, and the defaults of an initializer."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from methods import Initializer, Learngene
from methods.base import META_KEY, fill
from methods.testing import same
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

dtypes = st.sampled_from((torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool))
shapes = st.lists(st.integers(0, 4), max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    st.dictionaries(st.from_regex(r"[a-z0-9._]{1,12}", fullmatch=True), st.tuples(shapes, dtypes), max_size=4),
    st.dictionaries(st.text(), json_values, max_size=4),
)
def test_a_learngene_survives_a_file(tmp_path_factory, kinds, meta):
    path = tmp_path_factory.mktemp("learngene") / "one.safetensors"
    tensors = {name: (torch.randn(shape) * 9).to(dtype) for name, (shape, dtype) in kinds.items()}
    Learngene(tensors, meta).save(path)
    loaded = Learngene.load(path)
    assert same(loaded.tensors, tensors) and loaded.meta == meta


def test_nan_and_signed_zero_survive_bit_for_bit(tmp_path):
    values = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    Learngene({"t": values}).save(tmp_path / "one")
    assert Learngene.load(tmp_path / "one").tensors["t"].view(torch.int32).equal(values.view(torch.int32))


def test_shared_and_transposed_tensors_can_be_saved(tmp_path):
    base = torch.arange(6.0).view(2, 3)
    learngene = Learngene({"a": base, "b": base.T, "c": base[:, 1], "d": torch.nn.Parameter(base)})
    learngene.save(tmp_path / "one")
    loaded = Learngene.load(tmp_path / "one").tensors
    assert loaded["b"].equal(base.T) and loaded["c"].tolist() == [1.0, 4.0] and loaded["d"].equal(base)


def test_stored_numbers_count_the_head_apart():
    half = torch.zeros(4, dtype=torch.float16)
    learngene = Learngene({"head.weight": torch.zeros(3, 2), "head.templates": half, "headless": torch.zeros(5)})
    assert (learngene.stored_params, learngene.stored_params_head) == (5, 10)
    assert learngene.stored_bytes == 4 * (6 + 5) + 2 * 4
    assert Learngene.is_head("head") and not Learngene.is_head("blocks.0.head")


def test_a_learngene_that_cannot_be_loaded(tmp_path):
    (tmp_path / "text").write_text("no tensors here")
    with pytest.raises(ValueError, match=r"text: not a readable safetensors file"):
        Learngene.load(tmp_path / "text")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain")
    with pytest.raises(ValueError, match=f"plain: .*without the metadata key '{META_KEY}'; not a learngene"):
        Learngene.load(tmp_path / "plain")
    Learngene({"a": torch.zeros(100)}).save(tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-8])
    with pytest.raises(ValueError, match="cut: not a readable safetensors file"):
        Learngene.load(tmp_path / "cut")
    with pytest.raises(FileNotFoundError):
        Learngene.load(tmp_path / "missing")


def test_metadata_is_json_under_one_key(tmp_path):
    from safetensors import safe_open

    Learngene({}, {"b": 1, "a": [None, "é"]}).save(tmp_path / "one")
    with safe_open(tmp_path / "one", framework="pt") as file:
        assert list(file.metadata()) == [META_KEY]
        assert json.loads(file.metadata()[META_KEY]) == {"a": [None, "é"], "b": 1}


def test_equal_learngenes_are_equal_files(tmp_path):
    one, two = torch.ones(2), torch.zeros(3)
    Learngene({"a": one, "b": two}, {"x": 1, "y": 2}).save(tmp_path / "one")
    Learngene({"b": two, "a": one}, {"y": 2, "x": 1}).save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.fixture
def target():
    return build_vit(SPEC.replace(depth=1))


def test_fill_copies_what_is_given_and_keeps_what_is_fresh(target):
    before = {n: t.clone() for n, t in target.state_dict().items()}
    given_ones = {n: t + 1 for n, t in before.items() if n != "pos_embed"}
    fill(target, given_ones, fresh=["pos_embed"])
    assert same(target.state_dict(), {n: t if n == "pos_embed" else t + 1 for n, t in before.items()})
    assert all(p.requires_grad and p.is_leaf for p in target.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda given, fresh: given.pop("norm.weight"), "norm.weight: neither given nor fresh"),
        (lambda given, fresh: fresh.append("norm.bias"), "norm.bias: given and fresh"),
        (lambda given, fresh: fresh.append("nrom.bias"), "nrom.bias: not in the target"),
        (lambda given, fresh: given.update(extra=torch.zeros(1)), "extra: not in the target"),
        (lambda given, fresh: given.update({"norm.bias": torch.zeros(3)}), r"norm.bias: shape \(3,\) for \(32,\)"),
        (lambda given, fresh: given.update({"norm.bias": torch.zeros(1)}), r"norm.bias: shape \(1,\) for \(32,\)"),
    ],
)
def test_fill_refuses_an_incomplete_account(change, message):
    target = build_vit(SPEC.replace(depth=1, class_token=True, global_pool="token"))
    given_all = {n: torch.ones_like(t) for n, t in target.state_dict().items()}
    before, fresh = {n: t.clone() for n, t in target.state_dict().items()}, []
    change(given_all, fresh)
    with pytest.raises(ValueError, match=message):
        fill(target, given_all, fresh)
    assert same(target.state_dict(), before), "a refused fill must not touch the target"


def test_fill_names_every_problem(target):
    with pytest.raises(ValueError, match="blocks.0.attn.proj.bias.*extra.*pos_embed"):
        fill(target, {"extra": torch.zeros(1)})


def test_an_initializer_defaults_to_the_simple_case():
    init = Initializer()
    assert (init.version, init.ancestors, init.trains_start, init.head, init.train) == (1, 1, False, "transfer", {})
    assert init.supports(SPEC, SPEC) is None and init.check(SPEC, SPEC) is None and init.family(SPEC) is None
    assert init.resolve(SPEC, [SPEC]) is init
    for call in (lambda: init.condense(None, None), lambda: init.initialize(None, None, None)):
        with pytest.raises(NotImplementedError, match="Initializer does not say how"):
            call()


@pytest.mark.parametrize(
    ("head", "known", "lab", "expected"),
    [
        ("transfer", "a", TinyLab(classes="a"), True),
        ("transfer", "a", TinyLab(classes="b"), False),
        ("transfer", None, TinyLab(classes="a"), False),
        ("transfer", "a", None, False),
        ("transfer", None, None, False),
        ("fresh", "a", TinyLab(classes="a"), False),
    ],
)
def test_a_head_transfers_between_equal_known_classes(head, known, lab, expected):
    assert Initializer(head=head).head_transfers(Learngene({}, {"classes": known}), lab) is expected
