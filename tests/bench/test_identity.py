"""What each job's identity depends on: all of that, and nothing else."""

import copy
import importlib
import operator
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.identity import ENCODER, Fixed, canonical, digest
from bench.jobs.model import KINDS
from bench.models import size_name, spec_settings
from methods.vit import VitSpec
from tests.bench.plans import ALL, Planner, changed, ids, of
from tests.bench.tiny import SUITE


@pytest.fixture
def planned(tmp_path):
    return Planner(tmp_path)


RUNS, STARTS = of(["run"], ALL), {("start", "wave")}
EVERYTHING = of(["learngene", "run"], ALL) | STARTS | {("ancestor", "")}

CHANGES = [
    # the recipe of the runs: the runs alone
    ("train.epochs=3", RUNS),
    ("train.lr=0.5", RUNS),
    ("train.precision=bf16", RUNS),
    ("train.compile=true", RUNS),
    ("train.augment.hflip=0.5", RUNS),
    ("train.distill={kl: 0.5}", RUNS),
    # the ancestor: all that comes from it, or trains like it; random does neither
    ("ancestor.train.epochs=2", EVERYTHING - of(KINDS, ["random"])),
    ("ancestor.model.num_heads=4", EVERYTHING - of(KINDS, ["random", "mixture_growth"])),
    # a method's own options and recipe: what it makes
    ("methods.sws.stages=1", of(["learngene", "run"], ["sws"])),
    ("methods.sws.train={epochs: 3}", of(["learngene", "run"], ["sws"])),
    ("methods.sws.head=fresh", of(["run"], ["sws"])),  # both settings share a learngene
    ("methods.sws.runs={epochs: 3}", of(["run"], ["sws"])),
    ("methods.random.scheme=jax", of(["learngene", "run"], ["random"])),
    ("methods.wave.templates=3", of(["learngene", "start", "run"], ["wave"])),
    ("methods.wave.scaler_steps=6", of(["start", "run"], ["wave"])),  # read only where a target starts
    ("methods.wave.scaler_lr=0.5", of(["start", "run"], ["wave"])),
    # what is more, without what is there being another
    ("seeds=3", RUNS | STARTS),
    ("seeds=[0, 1, 7]", RUNS | STARTS),
    ("targets.0.depth=[1, 3, 2]", RUNS | STARTS),
    ("replicate=all", EVERYTHING),
    # what computes
    ("threads=2", EVERYTHING),
]


@pytest.mark.parametrize(("setting", "expected"), CHANGES, ids=[c[0] for c in CHANGES])
def test_a_change_changes_what_depends_on_it(setting, expected, planned):
    assert changed(planned(), planned(setting)) == expected


@pytest.mark.parametrize(
    "setting", ["seeds=3", "seeds=[0, 1, 7]", "targets.0.depth=[1, 3, 2]", "methods.more={use: random, scheme: jax}"]
)
def test_more_keeps_what_there_is(setting, planned):
    assert ids(planned()) < ids(planned(setting))


SAME = [
    "name=other", "jobs=3", "launcher=inline", "device=cpu", "keep_weights=true", "checkpoint.seconds=7",
    "keep_weights=both", "seeds=[1, 0]", "threads=1", "replicate=run", "teacher=ancestor", "dataset={name: digits}",
    "dataset={name: digits, img_size: 8}",
    # a default that is given is the default: so options that are added later keep old identities
    "train.weight_decay=0.05", "train.precision=fp32", "train.augment={}", "train.augment={shift: 0}",
    "train.mixup=0", "methods.random.scheme=timm", "methods.random={}", "methods.random=", "methods.wave.kl=1",
    "methods.sws.runs={epochs: 2}", "methods.sws.train={epochs: 1}", "methods.wave.train={augment: {shift: 1}}",
    "ancestor.model.mlp_ratio=4", "ancestor.model.num_classes=10", "ancestor.model.class_token=false",
    "ancestor.dataset=digits", "targets.0.patch_size=4", "targets.0.ancestor=ancestor", "methods.sws.ancestor=ancestor",
    "methods.mixture_growth.seed_depth=2", "methods.sws.layers_per_stage=[1, 1]", "methods.wave.widths=one",
]  # fmt: skip


@pytest.mark.parametrize("setting", SAME)
def test_what_is_no_part_of_an_identity(setting, planned):
    assert ids(planned(setting)) == ids(planned())


def test_labels_and_their_order_are_no_part_of_an_identity(planned):
    last = "\n  floor: {use: random}\ntrain: {epochs: 2"
    text = SUITE.replace("  random: {}\n", "").replace("\ntrain: {epochs: 2", last)
    renamed = planned(text=text)
    assert ids(renamed) == ids(planned())
    assert {cell.name.split("-")[0] for cell in renamed.cells} == ALL - {"random"} | {"floor"}


def test_settings_are_all_that_an_identity_is_made_of(planned):
    for job in planned().jobs.values():
        assert job.id.endswith("-" + digest(job.settings))
        assert "/" not in str(job.settings), "a path in an identity"


OUTSIDE = '''
from dataclasses import dataclass
from methods import Initializer, Learngene

@dataclass
class Mine(Initializer):
    """A method from outside."""
    scale: float = {scale}
    version = {version}
    ancestors = 0
    def condense(self, ancestor, lab): return Learngene(tensors={{}}, meta={{}})
    def initialize(self, target, learngene, lab): ...
'''


def test_the_source_of_a_method_from_outside(planned, tmp_path, monkeypatch):
    """Beside the suite, found without further ado; its whole file is part of its identities."""

    def plan(name="mine_a", **changes):
        (tmp_path / f"{name}.py").write_text(OUTSIDE.format(**{"scale": 0.5, "version": 1} | changes))
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        monkeypatch.setattr(sys, "path", [*sys.path])
        importlib.invalidate_caches()
        return ids(planned(f"methods={{mine: {{use: '{name}:Mine'}}}}"))

    first = plan()
    assert first == plan() and all(id.startswith("Mine-") for id in first)
    assert not first & plan(scale=0.25) and not first & plan(version=2)


def test_a_version_counts_for_the_targets_that_it_changes(planned):
    """The seed has two blocks: the target of one is as it was, so is the learngene, which keeps its jobs."""
    jobs = [job for job in planned().jobs.values() if job.settings.get("method", {}).get("use") == "mixture_growth"]
    versions = {job.settings.get("target", {}).get("depth"): job.settings["method"]["version"] for job in jobs}
    assert versions == {None: 2, 1: 2, 3: 3}


def test_averages_of_what_may_be_shared_say_how_they_are_taken(planned, tmp_path, monkeypatch):
    """Blocks that layers share were averaged as often as there are layers; nothing else was."""

    def averaging(*settings):
        jobs = planned(*settings).jobs.values()
        return {(job.kind, job.settings["method"]["use"]) for job in jobs if "average" in job.settings}

    assert averaging() == averaging("train.ema=0.9") == set()
    assert averaging("ancestor.train.ema=0.9") == {("learngene", "sws")}
    (tmp_path / "mine_b.py").write_text(OUTSIDE.format(scale=0.5, version=1))  # who knows what it trains
    monkeypatch.setattr(sys, "path", [*sys.path])
    importlib.invalidate_caches()
    assert averaging("methods={mine: {use: 'mine_b:Mine'}}") == set()
    assert averaging("methods={mine: {use: 'mine_b:Mine', train: {ema: 0.9}}}") == {("learngene", "mine_b:Mine")}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_equal_settings_have_one_digest(value):
    assert digest(dict(reversed(value.items()))) == digest(value)
    assert digest(value | {"one more": 1}) != digest(value)


def test_a_digest_for_ever():
    """Results on disk are found by it."""
    assert canonical({"b": [1, 0.1, None], "a": "\u00e9"}) == '{"a":"\\u00e9","b":[1,0.1,null]}'
    assert digest({"b": [1, 0.1, None], "a": "x"}) == "3343b8d86737"
    with pytest.raises(ValueError, match="JSON compliant"):
        digest(float("nan"))


def test_sizes():
    assert spec_settings(VitSpec()) == {} and size_name(VitSpec(depth=6, embed_dim=64, num_heads=1)) == "L6-d64"
    assert spec_settings(VitSpec(depth=6, class_token=True)) == {"depth": 6, "class_token": True}


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), PARTS, max_size=4), st.dictionaries(st.text(), PARTS, max_size=4), st.text())
def test_shared_parts_change_no_text(settings, part, name):
    plain, shared = settings | {name: part}, settings | {name: Fixed(part)}
    assert canonical(shared) == canonical(plain) == ENCODER.encode(plain)
    assert canonical(Fixed(part)) == ENCODER.encode(part)
    assert canonical([shared]) == ENCODER.encode([plain])  # deeper than the encoder's short cut


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(a=2), lambda d: d.pop("a"), lambda d: d.popitem(), lambda d: d.clear(),
        lambda d: d.setdefault("b", 1), lambda d: operator.setitem(d, "a", 2), lambda d: operator.delitem(d, "a"),
        lambda d: operator.ior(d, {"a": 2}),
    ],
)  # fmt: skip
def test_shared_parts_stay_as_they_are(change):
    part = Fixed(a=1)
    with pytest.raises(TypeError, match=r"expected a change of dict\(it\)"):
        change(part)
    assert part == {"a": 1} and type(part | {"a": 2}) is dict
    for copied in (copy.copy(part), copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert copied == part and type(copied) is Fixed


def test_what_is_no_number_has_no_text():
    for settings in ({"a": Fixed(b=float("nan"))}, {"a": Fixed(), "b": float("nan")}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical(settings)
