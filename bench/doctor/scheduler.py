"""What Slurm offers, in two questions to it."""

import shutil
from collections.abc import Iterator

from bench.doctor.finding import Finding
from bench.launch.slurm import squeue

PATIENCE = 20  # seconds: somebody waits for it
FORMAT = "%P|%a|%l|%D|%c|%m|%G"  # partition, availability, time limit, nodes, CPUs, memory in MB, GPUs


def scheduler() -> Iterator[Finding]:
    if not shutil.which("sinfo"):
        yield Finding("Slurm", "not on this machine (no sinfo): launchers local and inline", "note")
        return
    version, rows = _sinfo("--version"), _sinfo("-h", "-o", FORMAT)
    if rows is None:
        yield Finding("Slurm", f"{version or 'sinfo'} is installed, but no controller answers", "note")
        return
    yield Finding("Slurm", f"{version}; arrays of up to {squeue.max_array_size():,} allocations")
    for row in rows.splitlines():
        name, up, limit, nodes, cpus, memory, resources = row.split("|")
        each = f"{nodes} nodes with {cpus} CPUs, {memory} MB, GPUs: {resources.replace('(null)', 'none')}"
        default = " (default)" if name.endswith("*") else ""
        text = f"partition {name.rstrip('*')}{default}: {each}; time limit {limit}"
        yield Finding("Slurm", text, "ok" if up == "up" else "note", "" if up == "up" else f"it is {up}")


def partitions() -> list[str]:
    """Their names; none where Slurm does not answer."""
    return [name.rstrip("*") for name in (_sinfo("-h", "-o", "%P") or "").split()]


def _sinfo(*options: str) -> str | None:
    return squeue.ask("sinfo", *options, timeout=PATIENCE)
