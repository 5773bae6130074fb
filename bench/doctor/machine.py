"""What this machine can do. Torch is imported only where there is a GPU to ask."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil

from bench.data.known import DEFAULTS
from bench.doctor.finding import Finding
from bench.doctor.scheduler import scheduler
from bench.doctor.storage import storage
from bench.errors import extra
from bench.launch.devices import gpus
from bench.processes import cores
from bench.provenance import cpu_name, installed
from bench.words import few

SHARED = Path("/dev/shm")
ENOUGH_SHARED = 6e9  # bytes: eight processes with two batches each
OPTIONAL = {"datasets": ("hf", "Hugging Face data sets saved to disk (source: hfds)")}


def machine_findings(results: Path) -> Iterator[Finding]:
    """Everything about the machine; `results` is where results would go."""
    yield Finding("python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    yield Finding("packages", ", ".join(f"{name} {installed(name)}" for name in ("torch", "torchvision", "timm")))
    for name, (its_extra, purpose) in OPTIONAL.items():
        if find_spec(name) is None:
            yield Finding("packages", f"{name} is not installed; it is for {purpose}", "note", extra(its_extra))
    yield from processor()
    yield from devices()
    yield from storage(results)
    yield from scheduler()
    yield from roots()


def processor() -> Iterator[Finding]:
    memory = psutil.virtual_memory()
    limit = memory_limit()
    total = min(memory.total, limit or memory.total)
    of_all = f" of {os.cpu_count()}" if os.cpu_count() != cores() else ""
    yield Finding("processor", f"{cpu_name()}; {cores()}{of_all} cores may be used")
    yield Finding("memory", f"{gigabytes(total)}, {gigabytes(min(memory.available, total))} available")
    yield from shared_memory()
    flags = cpu_flags()
    if flags and not flags & {"avx512_bf16", "amx_bf16", "bf16"}:
        yield Finding("precision", "CPU: fp32; bf16 is computed, but has no instructions here and is slower", "note")
    else:
        yield Finding("precision", "CPU: fp32, bf16")


def shared_memory() -> Iterator[Finding]:
    """Processes that decode images hand batches over through it; a batch of 512 of them at 224 pixels is 0.3 GB."""
    if SHARED.is_dir():
        free = psutil.disk_usage(str(SHARED)).free
        how = "" if free > ENOUGH_SHARED else "containers have little by default: docker run --shm-size=16g"
        yield Finding("memory", f"{gigabytes(free)} free in {SHARED}", "note" if how else "ok", how)


def memory_limit() -> int | None:
    """Bytes that the control group allows."""
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):  # none, or "max"
        return None


def cpu_flags() -> set[str]:
    try:
        line = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        return set()
    return set(line[1].split()) if line else set()


def devices() -> Iterator[Finding]:
    """GPUs, as torch sees them."""
    present = gpus()
    if not present:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
        yield Finding("GPUs", "none" + (" (CUDA_VISIBLE_DEVICES is empty)" if hidden else ""), "note")
        return
    import torch

    if not torch.cuda.is_available():
        built = f"torch {torch.__version__} is built for CUDA {torch.version.cuda}"
        how = "install the torch that fits the driver: https://pytorch.org/get-started/locally"
        yield Finding("GPUs", f"{len(present)} in the machine, but torch cannot use them; {built}", "missing", how)
        return
    for i in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(i)
        free, total = torch.cuda.mem_get_info(i)
        bf16 = "bf16" if about.major >= 8 else "no bf16"
        text = f"{i}: {about.name}, capability {about.major}.{about.minor}, {bf16}"
        busy = free < 0.9 * total
        how = "another process uses it" if busy else ""
        yield Finding("GPUs", f"{text}; {gigabytes(free)} of {gigabytes(total)} free", "note" if busy else "ok", how)
    if not has_compiler():
        yield Finding("compiler", "no C compiler: train.compile needs one", "note", "install gcc")


def has_compiler() -> bool:
    """Whether there is the C compiler that torch.compile calls."""
    return bool(shutil.which("cc") or shutil.which("gcc"))


def roots() -> Iterator[Finding]:
    """The environment variables that the known data sets are found by."""
    names = {v for known in DEFAULTS.values() for v in re.findall(r"\$(\w+)", str(known.get("root", "")))}
    for name in sorted(names):
        value = os.environ.get(name)
        if value is None:
            yield Finding("data", f"{name} is not set", "note", f"export {name}=FOLDER")
        elif not Path(value).is_dir():
            yield Finding("data", f"{name}={value} is not a folder", "note")
        else:
            inside = sorted(entry.name for entry in Path(value).iterdir() if not entry.name.startswith("."))
            yield Finding("data", f"{name}={value}: {few(inside, 8) or 'empty'}")


def gigabytes(n: float) -> str:
    return f"{n / 1e9:.3g} GB"
