"""The maps of the project, in the README and in `bench`, name every folder that there is, and nothing else."""

import re
from pathlib import Path

import bench

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"\b\w+(?:/|\.py\b)(?!\w)")
README = re.search(r"^## How it is built$.*?^```$(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
OWN = re.search(r"order of that flow:\n\n(.*?)^Below all of them: (.*?)\. Which", bench.__doc__ or "", re.M | re.S)
PACKAGES = {f"{path.parent.name}/" for path in ROOT.glob("bench/*/__init__.py")}
MODULES = {path.stem for path in ROOT.glob("bench/*.py")} - {"__init__", "__main__"}


def wrong(text: str) -> list[str]:
    """Names of a map that are neither in bench, nor beside it, nor in the folder named before them."""
    missing, folder = [], ROOT
    for name in NAME.findall(text):
        if not any((place / name).exists() for place in (ROOT, ROOT / "bench", folder)):
            missing.append(name)
        folder = next((place / name for place in (ROOT / "bench", ROOT) if (place / name).is_dir()), folder)
    return missing


def test_the_readme_names_every_package():
    assert README
    named = set(NAME.findall(README[1]))
    assert sorted(PACKAGES - named) == [] and "methods/" in named
    assert wrong(README[1]) == []


def test_bench_names_every_package_and_module():
    assert OWN
    named = set(NAME.findall(OWN[1]))
    assert sorted(PACKAGES - named) == []
    assert wrong(OWN[1]) == []
    above = {name for name in named if (ROOT / "bench" / name).is_file()}
    below = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", OWN[2], flags=re.S)))
    assert sorted(MODULES ^ below) == sorted(name.removesuffix(".py") for name in above)


def test_what_is_not_there_is_found():
    assert wrong("suite/ the file; nowhere/ and no.py; load.py, store.py") == ["nowhere/", "no.py", "store.py"]
