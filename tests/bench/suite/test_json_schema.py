"""The JSON schema says of a suite what the suite's own validation says, as far as a schema can."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.suite.json_schema import schema
from bench.suite.yaml_lines import load, parse
from tests.bench.suite.test_errors import NAMES
from tests.bench.tiny import SUITE, bench

SHIPPED = sorted(Path(__file__).parents[3].glob("suites/*.yaml"))
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float, "boolean": bool}
TYPES |= {"null": type(None)}


def is_type(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (not isinstance(value, bool) or name == "boolean")


def wrong(value: Any, rule: Any, root: dict[str, Any], at: str = "") -> list[str]:
    """What a JSON schema finds wrong with a value: the keywords that ours uses, and no other."""
    if isinstance(rule, bool):
        return [] if rule else [f"{at}: unknown key"]
    found = []
    for keyword, want in rule.items():
        match keyword:
            case "$ref":
                found += wrong(value, root["$defs"][want.removeprefix("#/$defs/")], root, at)
            case "type":
                names = want if isinstance(want, list) else [want]
                found += [] if any(is_type(value, name) for name in names) else [f"{at}: no {want}"]
            case "anyOf":
                found += [] if any(not wrong(value, r, root, at) for r in want) else [f"{at}: none of {want}"]
            case "allOf":
                found += [text for r in want for text in wrong(value, r, root, at)]
            case "if":
                branch = "else" if wrong(value, want, root, at) else "then"
                found += wrong(value, rule.get(branch, True), root, at)
            case "enum":
                found += [] if value in want else [f"{at}: not in {want}"]
            case "const":
                found += [] if value == want else [f"{at}: not {want}"]
            case "required" if isinstance(value, dict):
                found += [f"{at}: {key} is missing" for key in want if key not in value]
            case "properties" if isinstance(value, dict):
                for key in value.keys() & want.keys():
                    found += wrong(value[key], want[key], root, f"{at}.{key}")
            case "additionalProperties" if isinstance(value, dict):
                for key in value.keys() - rule.get("properties", {}).keys():
                    found += wrong(value[key], want, root, f"{at}.{key}")
            case "patternProperties" if isinstance(value, dict):
                pairs = [(key, rule) for pattern, rule in want.items() for key in value if re.search(pattern, key)]
                found += [text for key, below in pairs for text in wrong(value[key], below, root, f"{at}.{key}")]
            case "propertyNames" if isinstance(value, dict):
                found += [text for key in value for text in wrong(key, want, root, f"{at}.{key}")]
            case "items" if isinstance(value, list):
                found += [text for i, item in enumerate(value) for text in wrong(item, want, root, f"{at}.{i}")]
            case "prefixItems" if isinstance(value, list):
                found += [text for item, r in zip(value, want, strict=False) for text in wrong(item, r, root, at)]
            case "minItems" | "minProperties" if isinstance(value, list | dict):
                found += [] if len(value) >= want else [f"{at}: empty"]
            case "maxItems" if isinstance(value, list):
                found += [] if len(value) <= want else [f"{at}: too long"]
            case "pattern" if isinstance(value, str):
                found += [] if re.search(want, value) else [f"{at}: no {want}"]
            case "maxLength" if isinstance(value, str):
                found += [] if len(value) <= want else [f"{at}: too long"]
            case "minimum" if is_type(value, "number"):
                found += [] if value >= want else [f"{at}: below {want}"]
            case "maximum" if is_type(value, "number"):
                found += [] if value <= want else [f"{at}: above {want}"]
            case "exclusiveMinimum" if is_type(value, "number"):
                found += [] if value > want else [f"{at}: below {want}"]
            case "exclusiveMaximum" if is_type(value, "number"):
                found += [] if value < want else [f"{at}: above {want}"]
            case _:
                assert keyword in KNOWN, f"{keyword} is not checked here"
    return found


KNOWN = {"$schema", "$defs", "title", "description", "default", "then", "else", "required", "properties", "items"}
KNOWN |= {
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "prefixItems",
    "minItems",
    "maxItems",
    "minProperties",
    "pattern",
}
KNOWN |= {"maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


@pytest.fixture(scope="module")
def made():
    return schema()


def test_the_command_prints_it(made, capsys):
    assert bench("schema") == 0
    assert json.loads(capsys.readouterr().out) == made


def test_every_reference_leads_somewhere(made):
    names = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(made)))
    assert names <= set(made["$defs"]) and "Changes" in names and "method_Wave" in names
    assert made["$defs"]["method_Wave"]["description"].startswith("WAVE")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_suites(path, made):
    assert wrong(load(path)[0], made, made) == []


VARIANTS = [
    ("random: {}", "random:"),
    ("random: {}", "floor: {use: random, scheme: jax, seeds: [0, 5]}"),
    ("random: {}", "mine: {use: 'module:Class', any: [thing]}"),
    ("random: {}", "random: {use: sws, stages: 2}"),
    ("seeds: 2", "seeds: [0, 3]"),
    ("dataset: digits", "dataset: [digits, {name: x, source: folder, root: $X, mean: [1.0], std: [1]}]"),
    ("depth: [1, 3]", "depth: 1, mlp_ratio: [2, 4.0], preset: deit_tiny"),
    ("seeds: 2", "families: {main: {among: [sws, wave], margin: 1}, x y: {against: random, labels: [sws]}}"),
    ("ancestor:\n  model:", "ancestor:\n big:\n  model:"),
]


@pytest.mark.parametrize(("old", "new"), VARIANTS)
def test_good_variants(old, new, made):
    text = SUITE.replace(old, new)
    assert text != SUITE
    assert wrong(parse(text, "f")[0], made, made) == []


BAD = [
    ("name: tiny", "nane: tiny"),
    ("name: tiny", "name: 'a b'"),
    ("dataset: digits", "dataset: {name: digits, nam: 3}"),
    (NAMES["model"], "{embed_dim: 16, dept: 2}"),
    (NAMES["ancestor_train"], "{augment: {shif: 1}}"),
    ("depth: [1, 3]", "depth: []"),
    ("depth: [1, 3]", "depth: 0"),
    ("depth: [1, 3]", "depth: two"),
    ("random: {}", "randon: {}"),
    ("random: {}", "random: {schem: jax}"),
    ("random: {}", "random: {scheme: jaxx}"),
    ("random: {}", "floor: {use: random, schem: jax}"),
    ("random: {}", "'a/b': {use: random}"),
    ("random: {}", "random: {use: sws, scheme: jax}"),
    ("sws: {stages: 2}", "sws: {stages: two}"),
    ("sws: {stages: 2}", "sws: {train: {epoch: 1}}"),
    ("seeds: 2", "seeds: []"),
    ("seeds: 2", "seeds: true"),
    ("seeds: 2", "replicate: some"),
    ("seeds: 2", "families: {}"),
    ("seeds: 2", "families: {main: {against: random}}"),
    ("seeds: 2", "families: {main: {among: [sws, wave], margin: 0}}"),
    ("epochs: 2,", "epochs: -1,"),
    ("epochs: 2,", "optimizer: adamx,"),
]


@pytest.mark.parametrize(("old", "new"), BAD)
def test_bad_suites(old, new, made):
    text = SUITE.replace(old, new)
    assert text != SUITE
    assert wrong(parse(text, "f")[0], made, made)
