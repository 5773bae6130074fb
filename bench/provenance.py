"""What a result was made with: code, versions, host, device."""

import hashlib
import json
import os
import platform
import socket
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import bench
from bench.files import sha256, write_bytes

PACKAGES = ("bench", "methods")  # what results are made with
CPUINFO = Path("/proc/cpuinfo")
VECTORS = ("avx512f", "avx2", "avx")  # flags, the widest first
SNAPSHOT = "snapshot.json"  # beside the packages in a code snapshot: the git state it was taken from


@lru_cache
def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


@lru_cache
def code() -> dict[str, Any]:
    """git sha of the code that runs, and whether it was changed since. Where it is in no repository of its own: the
    commit that pip installed it from, or else its version."""
    root = Path(bench.__file__).parent.parent
    try:
        return json.loads((root / SNAPSHOT).read_text())
    except (OSError, ValueError):
        pass
    sha = _git("rev-parse", "HEAD")
    if sha is None:
        return {"git_sha": _installed_from() or f"version {bench.__version__}", "git_dirty": None}
    changes = diff()
    state = {"git_sha": sha, "git_dirty": bool(changes)}
    return state | ({"git_diff": hashlib.sha256(changes.encode()).hexdigest()[:16]} if changes else {})


@lru_cache
def diff() -> str:
    """What `bench` and `methods` differ in from their commit, and the files that it has not, by their SHA-256.
    `git_diff` of a result is the start of its sha256. Nothing else that lies in the repository is looked at."""
    changes = _git("diff", "HEAD", "--", *PACKAGES) or ""
    names = (_git("ls-files", "--others", "--exclude-standard", "-z", "--", *PACKAGES) or "").split("\0")
    root = Path(bench.__file__).parent.parent
    untracked = [f"untracked {name} {sha256(root / name)}" for name in names if name and (root / name).is_file()]
    return "\n".join([*([changes] if changes else []), *untracked])


def keep_diff(folder: Path) -> None:
    """Keep the difference as `<git_diff>.diff`, for results that were made with it."""
    name = code().get("git_diff")
    if name and diff() and not (folder / f"{name}.diff").exists():
        write_bytes(folder / f"{name}.diff", (diff() + "\n").encode())


def _git(*arguments: str) -> str | None:
    """What git says of this project's repository; None where the code is in none, or in one of something else."""
    root = Path(bench.__file__).parent.parent
    top = _ask(root, "rev-parse", "--show-toplevel")
    if top is None or not os.path.samefile(top, root):
        return None
    if _ask(root, "ls-files", "--error-unmatch", "--", *(f"{name}/__init__.py" for name in PACKAGES)) is None:
        return None
    return _ask(root, *arguments)


def _ask(root: Path, *arguments: str) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, env=environment)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _installed_from() -> str | None:
    """The commit that pip installed from, which it keeps as PEP 610 says; None where it was no repository."""
    try:
        url = json.loads(distribution("learngene-bench").read_text("direct_url.json") or "{}")
        return str(url["vcs_info"]["commit_id"])
    except (PackageNotFoundError, ValueError, KeyError, TypeError):
        return None


@lru_cache
def cpu_name() -> str:
    """The processor's name, its family and model and its widest vectors: they decide how sums are rounded, and a
    virtual machine's name ("AMD EPYC") tells none of them."""
    try:
        first = CPUINFO.read_text().partition("\n\n")[0]
    except OSError:
        first = ""
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    name = told.get("model name") or platform.processor() or platform.machine()
    kind = [f"{word} {told[key]}" for key, word in (("cpu family", "family"), ("model", "model")) if told.get(key)]
    kind += [wide for wide in VECTORS if wide in told.get("flags", "").split()][:1]
    return f"{name} ({', '.join(kind)})" if kind else name


def provenance(device: Any, threads: int) -> dict[str, Any]:
    """Columns of a result."""
    import torch

    gpu = device.type == "cuda"
    return {
        **code(),
        "engine": bench.ENGINE,
        "bench": bench.__version__,
        "torch": torch.__version__,
        "timm": installed("timm"),
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if gpu else cpu_name(),
        "cuda": torch.version.cuda if gpu else None,
        "threads": threads,
        "cpus": os.cpu_count(),
    }
