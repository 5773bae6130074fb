"""The code's commit: of this project's repository alone, and of it only what results are made with."""

import json
import subprocess
from pathlib import Path

import pytest

import bench
from bench import provenance

PIP = {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee" * 6 + "c0ff"}}


@pytest.fixture
def installation(tmp_path, monkeypatch):
    """A folder with `bench` and `methods`, which is where the code that runs seems to be."""
    root = tmp_path / "repository" / "venv" / "site-packages"
    for name in ("bench", "methods"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").write_text("")
    monkeypatch.setattr(bench, "__file__", str(root / "bench" / "__init__.py"))
    monkeypatch.setattr(provenance, "_installed_from", lambda: None)
    for remembered in (provenance.code, provenance.diff):
        remembered.cache_clear()
    yield root
    for remembered in (provenance.code, provenance.diff):
        remembered.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=x", "-c", "user.email=x@x"]
    return subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def repository(folder: Path, *files: str) -> str:
    git(folder, "init", "-q")
    git(folder, "add", "-f", *files)
    git(folder, "commit", "-qm", "first")
    return git(folder, "rev-parse", "HEAD").strip()


def test_a_foreign_repository_above_the_installation_says_nothing(installation, tmp_path):
    foreign = tmp_path / "repository"
    (foreign / "key.txt").write_text("old")
    repository(foreign, "key.txt")
    (foreign / "key.txt").write_text("a secret")
    assert provenance.code() == {"git_sha": f"version {bench.__version__}", "git_dirty": None}
    provenance.keep_diff(tmp_path / "kept")
    assert provenance.diff() == "" and not (tmp_path / "kept").exists()


def test_even_one_that_has_the_folder_as_its_top(installation):
    (installation / "notes.txt").write_text("")
    repository(installation, "notes.txt")
    assert provenance.code()["git_sha"] == f"version {bench.__version__}"


def test_of_this_projects_repository_only_the_packages_count(installation, tmp_path, monkeypatch):
    (installation / "key.txt").write_text("old")
    sha = repository(installation, ".")
    (installation / "key.txt").write_text("a secret")
    (installation / "notes.txt").write_text("another secret")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert provenance.code() == {"git_sha": sha, "git_dirty": False}


def test_untracked_files_count(installation, tmp_path):
    sha = repository(installation, ".")
    (installation / "methods" / "mine.py").write_text("x = 1")
    state = provenance.code()
    assert state["git_sha"] == sha and state["git_dirty"] is True
    assert provenance.diff().startswith("untracked methods/mine.py ")
    provenance.keep_diff(tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name == f"{state['git_diff']}.diff" and kept.read_text() == provenance.diff() + "\n"


def test_what_pip_installed_from(monkeypatch):
    class Installed:
        def __init__(self, url: object) -> None:
            self.url = url

        def read_text(self, name: str) -> str | None:
            return None if self.url is None else json.dumps(self.url)

    for url, commit in ((PIP, PIP["vcs_info"]["commit_id"]), ({"dir_info": {}}, None), (None, None)):
        monkeypatch.setattr(provenance, "distribution", lambda name, url=url: Installed(url))
        assert provenance._installed_from() == commit


PROCESSOR = """processor\t: {number}
cpu family\t: {family}
model\t\t: 1
model name\t: AMD EPYC
flags\t\t: fpu avx avx2{more}
"""


@pytest.mark.parametrize(
    ("family", "more", "name"),
    [
        (25, "", "AMD EPYC (family 25, model 1, avx2)"),
        (26, " avx512f avx512_bf16", "AMD EPYC (family 26, model 1, avx512f)"),
    ],
)
def test_processors_of_one_name_are_told_apart(family, more, name, tmp_path, monkeypatch):
    """Two generations that a virtual machine calls the same, and that round otherwise."""
    info = tmp_path / "cpuinfo"
    info.write_text("\n".join(PROCESSOR.format(number=i, family=family, more=more) for i in range(2)))
    monkeypatch.setattr(provenance, "CPUINFO", info)
    assert provenance.cpu_name.__wrapped__() == name


def test_a_processor_without_such_a_file_has_the_platforms_name(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(provenance.platform, "processor", lambda: "")
    monkeypatch.setattr(provenance.platform, "machine", lambda: "riscv64")
    assert provenance.cpu_name.__wrapped__() == "riscv64"
