"""What a result was made with: code, versions, host, device."""

import hashlib
import os
import platform
import socket
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import bench
from bench.files import write_bytes

SNAPSHOT = "snapshot.json"  # beside the packages in a code snapshot: the git state it was taken from


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


@lru_cache
def code() -> dict[str, Any]:
    """git sha and whether the tree was dirty, of the code that runs."""
    import json

    root = Path(bench.__file__).parent.parent
    try:
        return json.loads((root / SNAPSHOT).read_text())
    except (OSError, ValueError):
        pass
    sha = _git(root, "rev-parse", "HEAD")
    if sha is None:
        return {"git_sha": f"version {bench.__version__}", "git_dirty": None}
    changes = diff()
    found = {"git_sha": sha, "git_dirty": bool(changes)}
    return found | ({"git_diff": hashlib.sha256(changes.encode()).hexdigest()[:16]} if changes else {})


@lru_cache
def diff() -> str:
    """What the code that runs differs in from its commit; `git_diff` of a result is the start of its sha256."""
    return _git(Path(bench.__file__).parent.parent, "diff", "HEAD") or ""


def keep_diff(folder: Path) -> None:
    """Keep the difference as `<git_diff>.diff`, for results that were made with it."""
    name = code().get("git_diff")
    if name and diff() and not (folder / f"{name}.diff").exists():
        write_bytes(folder / f"{name}.diff", (diff() + "\n").encode())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@lru_cache
def cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


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
