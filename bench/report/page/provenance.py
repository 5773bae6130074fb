"""Where the numbers come from: code, libraries, machines, dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report.format import hours
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame

# column -> how the page calls it
FACTS = {
    "git_sha": "code (git commit)",
    "engine": "engine",
    "torch": "torch",
    "timm": "timm",
    "python": "Python",
    "device": "device",
    "device_name": "device model",
    "host": "machines",
    "precision": "precision",
    "threads": "threads of a run",
    "workers_on_device": "workers on a device",
    "replicate": "replicate",
}


def overview(runs: DataFrame) -> str:
    """Return one sentence: how many runs of what, and how many are done."""
    done = int((runs["status"] == "done").sum())
    parts = [(runs[column].nunique(), name) for column, name in (("method", "method"), ("target", "target size"))]
    parts += [(runs[column].nunique(), name) for column, name in (("dataset", "data set"), ("seed", "seed"))]
    what = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in parts)
    return f"{len(runs)} runs ({what}), {done} done."


def provenance(runs: DataFrame, context: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (name, value) pairs: the context first, then what the finished runs say."""
    done = runs[runs["status"] == "done"]
    pairs = [(str(name), str(value)) for name, value in context.items() if name not in ("methods", "setup")]
    pairs.append(("suites", ", ".join(runs["suite"].drop_duplicates())))
    for column, name in FACTS.items():
        values = [str(v) for v in done[column].dropna().unique() if v != ""]
        if values:
            pairs.append((name, few(values)))
    if done["git_dirty"].notna().any():
        dirty = int(done["git_dirty"].fillna(False).sum())
        pairs.append(("uncommitted changes", f"in {dirty} of {len(done)} runs" if dirty else "none"))
    started = sorted(s for s in done["started_at"] if s)
    if started:
        pairs.append(("started", started[0] if started[0] == started[-1] else f"{started[0]} to {started[-1]}"))
    pairs.append(("restarts", str(int(done["restarts"].fillna(0).sum()))))
    seconds = done["train_seconds"].sum() + done["init_seconds"].sum()
    pairs.append(("wall time of runs", f"{hours(seconds / 3600)} training and initialisation, "
                  f"{hours(done['eval_seconds'].sum() / 3600)} evaluation"))  # fmt: skip
    return pairs
