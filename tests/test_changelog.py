"""The changelog has an entry for each ENGINE, and for each version of a method but the first."""

import re
from pathlib import Path

import methods
from bench import ENGINE

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def section(name: str) -> str:
    return CHANGELOG.read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_each_engine_has_its_entry():
    assert [int(n) for n in re.findall(r"^\* \*\*(\d+)\*\*: \w", section("ENGINE"), re.M)] == [*range(ENGINE, 0, -1)]


def test_each_version_of_a_method_has_its_entry():
    versions = {name: methods.method_class(name).version for name in methods.names()}
    told = {(name, int(n)) for name, n in re.findall(r"^\| (\w+) \| (\d+) \| \w", section("Methods"), re.M)}
    assert told == {(name, n) for name, version in versions.items() for n in range(2, version + 1)}
