"""Random changes to a good suite give a plan or a message, never another exception."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.plan import make_plan
from bench.suite import load
from tests.bench.tiny import SUITE

BASE = yaml.safe_load(SUITE) | {"teacher": "ancestor", "replicate": "all", "threads": 1, "device": "cpu", "jobs": 2}
BASE["ancestor"] = {"ancestor": BASE["ancestor"] | {"dataset": {"name": "digits", "num_classes": 10}}}
BASE["targets"] += [
    {"preset": "deit_tiny", "depth": 2, "embed_dim": 16, "num_heads": 2, "patch_size": 4, "mlp_ratio": 2}
]
BASE["methods"]["late"] = {"use": "wave", "template_size": 8, "train": {"epochs": 1}, "runs": {"distill": {"kl": 1}}}
BASE["methods"]["late"] |= {
    "templates": {"qkv": 1, "proj": 2, "fc1": 3, "fc2": 4},
    "seeds": [4],
    "ancestor": "ancestor",
}

STRANGE = [
    None, True, False, 0, -1, 1, 3, 7, 16, 10**9, 10**17, 0.5, -0.1, 1e300, "", " ", "x", "digits", "wave", "all",
    "full", "ancestor", "methods:Initializer", "os:system", "a.b:c", ":", "\n", "\x1b[31m", "\u00fc", "[", "../x",
    "yes", "1e-3", ".nan", "9" * 40, [], {}, [[]], [None], {"": 1}, {"x": {}}, [0, "x"], {"name": "digits"},
    ["digits", "digits"],
]  # fmt: skip
KEYS = [
    "use",
    "train",
    "seeds",
    "model",
    "timm",
    "checkpoint",
    "preset",
    "head_dim",
    "steps",
    "augment",
    "x",
    "int",
    "-",
]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += places(value[key], (*at, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    suite = copy.deepcopy(BASE)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(places(suite)))
        parent: Any = suite
        for key in above:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "add", "move"])):
            case "replace":
                parent[last] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
            case "remove":
                del parent[last]
            case "add" if isinstance(parent, dict):
                parent[draw(st.sampled_from(KEYS))] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
            case _:
                *above, key = draw(st.sampled_from(places(BASE)))
                value: Any = BASE
                for part in (*above, key):
                    value = value[part]
                parent[last] = copy.deepcopy(value)
        if not suite:
            break
    return suite


def plan_or_message(path: Path) -> None:
    try:
        plan = make_plan(load(path))
    except UsageError as error:
        assert str(error) and str(path) in str(error)
        return
    assert plan.cells


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "suite.yaml"


def test_the_base_is_good(path):
    path.write_text(yaml.safe_dump(BASE, sort_keys=False))
    plan = make_plan(load(path))
    assert len(plan.cells) == 5 * 3 * 2 + 3


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_values(path, suite):
    path.write_text(yaml.safe_dump(suite, sort_keys=False))
    plan_or_message(path)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.integers(0, len(SUITE)), st.integers(0, 12), st.text("{}[]:-#&*!|>'\"%@` \n\tab1.,?~<=\\", max_size=6))
def test_text(path, start, length, inserted):
    path.write_text(SUITE[:start] + inserted + SUITE[start + length :])
    plan_or_message(path)
